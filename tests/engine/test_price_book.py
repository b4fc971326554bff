"""What a job costs: listed, seen or assumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchveo.core.models import JobState
from batchveo.core.state_machine import Move
from batchveo.engine.price_book import JobPrice, PriceBook, PriceSource
from batchveo.provider.catalog.price_list import PriceList
from batchveo.store import Store
from tests.helpers.factories import make_job, make_spec

NEW = "kling/v9"
VEO = "google/veo-3.1-t2v"  # 8 s by default
KLING = "klingai/v2-master-text-to-video"  # 5 or 10 s, no default
LIST = PriceList(
    {
        VEO: {"kind": "fixed", "units": [{"measure": "second", "price": 0.5}]},
        KLING: {"kind": "fixed", "units": [{"measure": "second", "price": 0.1}]},
    }
)


def add_cost(store: Store, model: str, usd: float, **request: Any) -> None:
    """A job of ``model`` whose submit answer named its cost."""
    run = store.runs.begin_run(command="run", service="x", now=0.0)
    name = f"{model} {usd} {request}"
    store.imports.add_jobs([make_spec(name, model=model, request={"model": model, **request})], run=run, now=0.0)
    job = store.transitions.claim_job(run=run, now=0.0)
    assert job is not None
    bought = Move(to=JobState.GENERATING, set={"generation_id": f"g {name}", "cost_usd": usd})
    store.transitions.apply_move(job, bought, run=run, now=0.0)


@pytest.mark.parametrize(
    ("assumed", "costs", "request_", "price"),
    [
        (None, [], {}, None),
        (2.0, [], {}, JobPrice(2.0, PriceSource.ASSUMED)),
        # the most that was seen, of whatever request
        (None, [(0.5, {}), (0.8, {"resolution": "4k"}), (0.3, {})], {}, JobPrice(0.8, PriceSource.SEEN)),
        # more for a longer video, never less for a shorter one
        (None, [(0.5, {"duration": 5})], {"duration": 10}, JobPrice(1.0, PriceSource.SEEN)),
        (None, [(0.5, {"duration": 5})], {"duration": 1}, JobPrice(0.5, PriceSource.SEEN)),
        (None, [(0.5, {"duration": 5})], {}, JobPrice(0.5, PriceSource.SEEN)),
        (None, [(0.5, {"duration": 5}), (0.6, {"duration": 2})], {"duration": "10s"}, JobPrice(3.0, PriceSource.SEEN)),
        (None, [(0.5, {"num_frames": 50, "fps": 10})], {"duration": 10}, JobPrice(1.0, PriceSource.SEEN)),
        # the higher of both
        (2.0, [(0.5, {})], {}, JobPrice(2.0, PriceSource.ASSUMED)),
        (0.1, [(0.5, {})], {}, JobPrice(0.5, PriceSource.SEEN)),
    ],
)
@pytest.mark.parametrize("learns", [True, False])
def test_what_is_not_listed(
    tmp_path: Path,
    learns: bool,
    assumed: float | None,
    costs: list[tuple[float, dict[str, Any]]],
    request_: dict[str, Any],
    price: JobPrice | None,
) -> None:
    """A run that learns in the middle and one that reads the database know the same."""
    with Store(tmp_path / "b.db") as store:
        book = PriceBook(PriceList({}), store, assumed)
        if learns:
            assert book.find_most_seen(NEW, request_) is None
        for usd, request in costs:
            if learns:
                book.add_cost(make_job(JobState.GENERATING, model=NEW, request=request, cost_usd=usd))
            else:
                add_cost(store, NEW, usd, **request)
        found = book.find_price(NEW, request_)
        assert (found and found.source) == (price and price.source)
        assert (found.usd if found else None) == (pytest.approx(price.usd) if price else None)
        assert book.find_most_seen("kling/v10", request_) is None


def test_the_list_wins(tmp_path: Path) -> None:
    """What was seen or is assumed counts only without it."""
    with Store(tmp_path / "b.db") as store:
        add_cost(store, VEO, 9.0)
        book = PriceBook(LIST, store, 7.0)
        assert book.find_price(VEO, {}) == JobPrice(4.0, PriceSource.LISTED)
        assert book.find_price(KLING, {}) == JobPrice(1.0, PriceSource.BOUND)


def test_a_length_that_the_service_chose_is_no_rate(tmp_path: Path) -> None:
    """A cost of a second that comes of the longest possible video would be too low."""
    with Store(tmp_path / "b.db") as store:
        add_cost(store, KLING, 0.5)
        assert PriceBook(PriceList({}), store).find_most_seen(KLING, {"duration": 10}) == 0.5


def test_a_cost_that_is_not_known_teaches_nothing() -> None:
    """Nor does a price without a database."""
    book = PriceBook(PriceList({}))
    assert book.find_price(NEW, {}) is None
    book.add_cost(make_job(JobState.GENERATING, model=NEW))
    assert book.find_price(NEW, {}) is None
