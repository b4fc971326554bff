from __future__ import annotations

from typing import Any

import pytest

from batchveo.provider.catalog import MODELS
from batchveo.sandbox import Retirement, RetirementStatus, Service, Settings, UnknownModel
from tests.helpers.requests import make_request
from tests.helpers.sandbox_client import SandboxClient, read_json

FEED = "/v1/models/deprecations"
DEPRECATED = Retirement(status=RetirementStatus.DEPRECATED)
DATED = Retirement(status=RetirementStatus.DEPRECATED, shutdown_at="2027-01-31")
SUPERSEDED = Retirement(status=RetirementStatus.SUPERSEDED, replaced_by="google/veo-3.1-t2v")
WITHDRAWN = Retirement(status=RetirementStatus.WITHDRAWN)
RETIRED = {"google/veo-3.0-fast": DEPRECATED, "veo2": DATED, "google/veo3": SUPERSEDED, "luma/ray-1-6": WITHDRAWN}


def rows(sandbox: SandboxClient, *query: tuple[str, object]) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = read_json(sandbox.get(FEED, *query, headers={}))["data"]
    return data


def names(sandbox: SandboxClient, *query: tuple[str, object]) -> list[str]:
    return [row["id"] for row in rows(sandbox, *query)]


@pytest.fixture
def retiring() -> SandboxClient:
    """A sandbox with a model of each fate."""
    return SandboxClient(retired=RETIRED)


def test_usually_every_model_stays(sandbox: SandboxClient) -> None:
    assert rows(sandbox) == []
    assert len(sandbox.list_models()) == len(MODELS)


def test_the_rows(retiring: SandboxClient) -> None:
    """Newest first, each with its dates and another model."""
    found = rows(retiring)
    assert [row["id"] for row in found] == ["veo2", "luma/ray-1-6", "google/veo-3.0-fast", "google/veo3"]
    assert found[0] == {
        "id": "veo2",
        "aliases": ["google/veo-2.0-generate-001"],
        "status": "deprecated",
        "deprecated_at": "2026-11-01",
        "shutdown_at": "2027-01-31",
        "replaced_by": found[0]["replaced_by"],
        "reason": "Its maker has announced the end of it",
    }
    assert found[3]["replaced_by"] == "google/veo-3.1-t2v"
    for row in found:
        assert row["replaced_by"] in MODELS.keys() - RETIRED.keys()
        assert MODELS[row["replaced_by"]].kind is MODELS[row["id"]].kind


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([("status", "withdrawn")], ["luma/ray-1-6"]),
        ([("status", "withdrawn,superseded")], ["luma/ray-1-6", "google/veo3"]),
        ([("since", "2026-06-30")], ["veo2", "luma/ray-1-6"]),
        ([("since", "2026-06-30"), ("status", "deprecated")], ["veo2"]),
        ([("status", "gone")], ["veo2", "luma/ray-1-6", "google/veo-3.0-fast", "google/veo3"]),
        ([("since", "yesterday")], ["veo2", "luma/ray-1-6", "google/veo-3.0-fast", "google/veo3"]),
    ],
)
def test_filters(retiring: SandboxClient, query: list[tuple[str, object]], found: list[str]) -> None:
    """A filter that cannot be read filters nothing."""
    assert names(retiring, *query) == found


def test_the_etag_is_of_the_rows_alone(retiring: SandboxClient) -> None:
    """The time of the answer is in it, and changes nothing."""
    first = retiring.get(FEED, headers={})
    retiring.now += 100
    again = retiring.get(FEED, headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert first.headers["etag"].startswith('W/"')
    assert first.headers["cache-control"] == "public, max-age=300"


def test_who_is_still_listed(retiring: SandboxClient) -> None:
    """Not who is withdrawn, and not who ends on a day; the card of that one can still be read."""
    listed = {name for entry in retiring.list_models() for name in (entry["id"], *entry["aliases"])}
    assert set(RETIRED) - listed == {"veo2", "luma/ray-1-6"}
    assert "pricing" in retiring.get("/model/veo2", headers={}).json()
    assert retiring.get("/model/google/veo-2.0-generate-001", headers={}).status == 200
    assert retiring.get("/model/luma/ray-1-6", headers={}).status == 404
    assert retiring.get("/model/nothing", headers={}).status == 404


@pytest.mark.parametrize(("name", "status"), [*((name, 201) for name in list(RETIRED)[:3]), ("luma/ray-1-6", 404)])
def test_who_still_serves(retiring: SandboxClient, name: str, status: int) -> None:
    """All but the withdrawn."""
    assert retiring.post(make_request(MODELS[name])).status == status


def test_the_fault_withdraws_models() -> None:
    """Each model always or never, under each of its names."""
    sandbox = SandboxClient(faults={"404-withdrawn": 0.3})
    gone = names(sandbox, ("status", "withdrawn"))
    assert 20 < len(gone) < 60
    assert len(sandbox.list_models()) == len(MODELS) - len(gone)
    for name in MODELS:
        assert sandbox.post(make_request(MODELS[name])).status == (404 if name in gone else 201)


def test_an_unknown_model_cannot_retire() -> None:
    with pytest.raises(UnknownModel, match="no such model: veo9"):
        Service(Settings(retired={"veo9": WITHDRAWN}))


def test_a_day_is_a_day() -> None:
    with pytest.raises(ValueError):
        Retirement(status=RetirementStatus.DEPRECATED, shutdown_at="soon")
