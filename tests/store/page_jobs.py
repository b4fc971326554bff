"""Jobs for the page, and what it finds of them."""

from __future__ import annotations

from batchveo.store import Store
from batchveo.store.job_search import Filter
from batchveo.store.page_index import PageIndex
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import Night
from tests.store.steps import begun


def names_found(store: Store, index: PageIndex, wanted: Filter) -> list[str]:
    return [row["name"] for row in store.search.read_cards(index.find_jobs(wanted, most=99).seqs)]


def fill(store: Store) -> None:
    """Thirty jobs, of which every tenth is cancelled."""
    begun(store, *(make_spec(f"job nr{number:02}") for number in range(30)))
    for job in list(store.jobs())[::10]:
        store.manual.cancel_job(job, now=2.0)


def finished(store: Store) -> Night:
    """Six videos that cost 1 to 6 dollars and take 60 to 10 seconds, the third one last; one pending job."""
    specs = [make_spec(name) for name in ("f", "e", "d", "c", "b", "a", "Pending")]
    night = Night(store, specs)
    for number, begin in enumerate((0, 100, 900, 300, 400, 500)):
        night.video(begin, seconds=60.0 - 10 * number, usd=1.0 + number)
    return night
