"""The suite's own guards hold."""

from __future__ import annotations

import os
import socket

import pytest


def test_the_real_network_is_out_of_reach() -> None:
    """A test that connects beyond this machine fails."""
    with socket.socket() as sock, pytest.raises(AssertionError, match="connects to"):
        sock.connect(("192.0.2.1", 80))
    with pytest.raises(AssertionError, match="resolves"):
        socket.getaddrinfo("example.org", 443)


def test_no_key_and_no_home() -> None:
    """Neither the developer's key nor their home folder is seen."""
    assert "AIMLAPI_API_KEY" not in os.environ
    assert "home" in os.environ["HOME"]
