from __future__ import annotations

import pytest

from batchveo.provider.catalog import MODELS
from tests.helpers.manual_sandbox import Desk, order


def listed(desk, *query):
    return desk.get("/v1/models", *query, headers={}).json()["data"]


def test_every_model_is_listed_once(desk):
    """Each model of the catalogue is found by its id or an alias."""
    assert len(listed(desk)) == len(MODELS)
    for name in MODELS:
        (entry,) = listed(desk, ("id", name))
        assert name in (entry["id"], *entry["aliases"])
        assert entry["type"] == "internal/video-generations/submit"


def test_names_combine(desk):
    """Ids come with commas or repeated; an unknown one adds nothing."""
    assert len(listed(desk, ("id", "veo2,google/veo3"), ("id", "nothing"))) == 2
    assert listed(desk, ("type", "openai/chat-completions")) == []


@pytest.mark.parametrize("query", [("include", "pricing,tags"), ("include", "all"), ("details", "1")])
def test_prices_on_request(desk, query):
    """Pricing is there when asked for, and only then."""
    assert all("pricing" in entry for entry in listed(desk, query))
    assert not any("pricing" in entry for entry in listed(desk))


def test_all_kinds_of_pricing_occur(desk):
    """Clients meet each kind."""
    kinds = {entry["pricing"]["kind"] for entry in listed(desk, ("include", "pricing"))}
    assert kinds == {"fixed", "variants", "variable"}


@pytest.mark.parametrize("name", ["google/veo-3.1-t2v-fast", "google/veo3", "veo-3.1-lite-generate-001"])
def test_quotes_agree_with_charges(name):
    """Each quoted variant is what a completed video is charged."""
    desk = Desk()
    (entry,) = listed(desk, ("id", name), ("include", "pricing"))
    for variant in entry["pricing"]["variants"]:
        desk.post(order(model=name, duration=6, **variant["when"]))
        desk.now += 10
        paid = desk.service.charges()[-1].credits / 2_000_000
        assert paid == pytest.approx(variant["price"] / variant["per"] * 6)


def test_etag(desk):
    """Who holds the answer already gets 304 without a body."""
    etag = desk.get("/v1/models").headers["etag"]
    for sent in (etag, f"W/{etag}"):
        again = desk.get("/v1/models", headers={"if-none-match": sent})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert desk.get("/v1/models", ("id", "veo2"), headers={"if-none-match": etag}).status == 200


def test_metrics_of_recent_successes():
    """Percentiles come from what completed in the last minutes, under the name it was asked for by."""
    desk = Desk()
    assert desk.get("/models/metrics").json()["models"] == []
    desk.submit()
    desk.now += 10
    (entry,) = desk.get("/models/metrics", ("aliases", "google/veo-3.1-t2v-fast")).json()["models"]
    percentiles = dict.fromkeys(("p50", "p75", "p90", "p99"), 10_000.0)
    assert entry["metrics"] == {"duration_ms": percentiles}
    assert desk.get("/models/metrics", ("aliases", "google/veo3")).json()["models"] == []
    desk.now += 301
    assert desk.get("/models/metrics").json()["models"] == []


@pytest.mark.parametrize("query", [[("alias", "x")], [("aliases", str(n)) for n in range(101)]])
def test_wrong_metrics_queries(desk, query):
    """Any other parameter, or too many names, is 400."""
    assert desk.get("/models/metrics", *query).status == 400
