"""The set-up of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.core.hints import USUAL_STATE
from batchveo.provider.retirement import Retirements, read_retirements
from batchveo.sandbox import Service
from batchveo.store import Store
from tests.cli.dragons import add_two_models

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_doctor(url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Says what is well, and what is not."""
    assert status_of(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "balance $1,000.00" in out
    assert "WRONG" not in out
    monkeypatch.delenv("AIMLAPI_API_KEY")
    assert status_of(["doctor"]) == 1
    assert "API key" in capsys.readouterr().out
    assert status_of(["doctor", "--sandbox"]) == 0
    assert not Path("state").exists()


def test_models_of_pending_jobs_that_end(
    url: str, service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A withdrawn one is wrong, one that ends later is told; jobs that are done do not count."""
    with Store(USUAL_STATE) as store:
        add_two_models(store)
    assert status_of(["doctor"]) == 0
    assert "models: google/veo3, veo2: none of them is to end" in capsys.readouterr().out
    rows = [
        {"id": "veo2", "status": "withdrawn", "shutdown_at": "2026-06-30", "replaced_by": "google/veo3"},
        {"id": "google/veo3", "status": "deprecated", "deprecated_at": "2026-10-01"},
    ]

    async def fetch(_: object) -> Retirements:
        return read_retirements(rows)

    monkeypatch.setattr("batchveo.operations.retired_models.fetch_retirements", fetch)
    assert status_of(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "WRONG  models: veo2 was withdrawn on 2026-06-30; use google/veo3 instead\n" in out
    change = "`batchveo retry --model veo2 --to google/veo3` makes its jobs under another model"
    assert f"       {change}\n" in out
    assert (
        "ok     models: google/veo3 is deprecated since 2026-10-01; `batchveo retry --model google/veo3 --to NEW`"
        in out
    )
    assert status_of(["cancel", "--all"]) == 0
    assert status_of(["doctor"]) == 0
    assert "models:" not in capsys.readouterr().out
