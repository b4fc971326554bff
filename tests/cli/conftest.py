"""A service on a socket of this machine, with the environment that leads to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batchveo.sandbox import Service, running


@pytest.fixture
def url(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of ``service``, which each module makes as it needs it."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-secret-key")
    with running(service) as url:
        monkeypatch.setenv("BATCHVEO_BASE_URL", url)
        monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
        yield url
