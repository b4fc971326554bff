"""A service on a socket of this machine, with the environment that leads to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.sandbox import Service, Settings, running
from tests.cli.dragons import MANIFEST


@pytest.fixture
def url(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of ``service``."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-secret-key")
    with running(service) as url:
        monkeypatch.setenv("BATCHVEO_BASE_URL", url)
        monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
        yield url


@pytest.fixture
def service() -> Service:
    """A quick one; modules that need another have their own."""
    return Service(Settings(generation_median=0.1, log_lag=0.1))


@pytest.fixture
def _dragon_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, with ``m.yaml``."""
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MANIFEST)
