"""What every test stands on: virtual time, no real network, no home, no key."""

from __future__ import annotations

import os
import random
import socket
import zlib
from pathlib import Path

import pytest
import trio
from hypothesis import settings
from trio.testing import MockClock

from batchveo.api.key import VARIABLES

# how long one example takes says more of the machine's other work than of the code
settings.register_profile("batchveo", deadline=None)
settings.load_profile("batchveo")

LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Async tests run on trio with a clock that jumps to the next deadline."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture(autouse=True)
def _by_seed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test meets the same chances and the same order of tasks every time: what it finds, it finds again."""
    seed = zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    monkeypatch.setattr(trio._core._run, "_r", random.Random(seed))
    monkeypatch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)


@pytest.fixture(autouse=True)
def _no_key_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the developer's key, options or home folder."""
    for variable in [*VARIABLES, *(name for name in os.environ if name.startswith("BATCHVEO_"))]:
        monkeypatch.delenv(variable, raising=False)
    for variable in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _no_real_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine may be connected to, and only names of it resolved."""
    connect = socket.socket.connect
    resolve = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test connects to {address}")
        connect(self, address)  # type: ignore[arg-type]

    def guarded_resolve(host: object, *args: object, **kwargs: object) -> object:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if not name.startswith(LOOPBACK):
            raise AssertionError(f"a test resolves {name}")
        return resolve(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_resolve)
