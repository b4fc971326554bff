"""What chains cost before they are bought: all of them counts, blocked jobs apart, and what a choice cuts is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import batchveo
from batchveo.cli import status_of
from batchveo.core.errors import Declined
from batchveo.core.fields import read_where
from batchveo.core.models import JobState
from batchveo.core.notices import OrphansLeftOut
from batchveo.core.votes import VoteKind
from batchveo.manifest import ReadOptions
from batchveo.operations import manage, votes
from batchveo.operations.quote import PurchaseQuote
from batchveo.operations.run_setup import ManifestSources
from batchveo.sandbox import Service
from batchveo.store import Store
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import LITE
from tests.operations.runs import settings

CHAIN = f"""
- model: {LITE}
  duration: 4
  name: "{{animal}}"
  matrix: {{animal: [fox, cat]}}
  chain: ["A {{animal}}", It runs, It rests]
"""
DONE = (JobState.GENERATING, JobState.DOWNLOADING, JobState.SUCCEEDED)


def list_cuts(made: dict[str, object]) -> list[str]:
    """What a plan says of chosen jobs that are left out."""
    notes = made["notes"]
    assert isinstance(notes, list)
    return [note for note in notes if "left out" in note]


class Shop:
    """A manifest, a database and what a person is offered, who always declines."""

    def __init__(self, folder: Path, using: batchveo.Service, capsys: pytest.CaptureFixture[str]) -> None:
        self.state, self.manifest = folder / "b.db", folder / "m.yaml"
        self.manifest.write_text(CHAIN)
        self.folder, self.using, self.capsys = folder, using, capsys

    def plan(self, *arguments: str) -> dict[str, object]:
        self.capsys.readouterr()
        options = ["--json", "--state", str(self.state), "--base-url", self.using.base_url]
        assert status_of(["plan", str(self.manifest), *options, *arguments]) == 0
        made: dict[str, object] = json.loads(self.capsys.readouterr().out)
        return made

    def offer(self, *, resumes: bool = False) -> PurchaseQuote:
        """What is offered before a run, or before one that resumes."""
        offers: list[PurchaseQuote] = []

        def decline(quote: PurchaseQuote) -> bool:
            offers.append(quote)
            return False

        usual = settings(self.folder)
        if resumes:
            with pytest.raises(Declined):
                batchveo.resume(state=self.state, settings=usual, using=self.using, approve=decline)
        else:
            with pytest.raises(Declined):
                batchveo.run([self.manifest], state=self.state, settings=usual, using=self.using, approve=decline)
        return offers[0]

    def change(self, act: Callable[[Store], object]) -> None:
        with Store(self.state) as store:
            if store.runs.find_latest() is None:
                run = store.runs.begin_run(command="run", service=self.using.base_url, now=1.0)
                with ManifestSources(paths=[self.manifest]).stage() as staged:
                    staged.add_to(store, run=run, now=2.0)
            act(store)


@pytest.fixture
def shop(tmp_path: Path, using: batchveo.Service, capsys: pytest.CaptureFixture[str]) -> Shop:
    return Shop(tmp_path, using, capsys)


def test_whole_chains_count(shop: Shop) -> None:
    made = shop.plan()
    assert (made["new"], made["blocked"]) == (6, 0)
    offer = shop.offer()
    assert (offer.new, offer.usd, offer.blocked) == (6, pytest.approx(made["estimated_usd"]), [])
    shop.change(lambda store: moved_on(store, 1, *DONE, now=3.0))
    offer = shop.offer(resumes=True)
    assert (offer.new, offer.usd) == (5, pytest.approx(5 / 6 * float(str(made["estimated_usd"]))))


def test_blocked_jobs_are_named_apart(shop: Shop) -> None:
    """Those that the database has, and new ones of a manifest that goes on from there."""

    def cut(store: Store) -> None:
        failed = moved_on(store, 1, JobState.GENERATING, JobState.FAILED, now=3.0)
        done = moved_on(store, 1, *DONE, now=3.0)
        assert (failed.name, done.name) == ("fox-1", "cat-1")
        (cancelled,) = store.queries.find_jobs("cat-2")
        manage.cancel_jobs(store, [cancelled], now=4.0)

    shop.change(cut)
    for offer in (shop.plan(), shop.plan()):
        assert (offer["new"], offer["blocked"], offer["estimated_usd"]) == (0, 3, 0.0)
    shop.manifest.write_text(CHAIN.replace("It rests]", "It rests, It sleeps]"))
    made = shop.plan()
    assert (made["new"], made["blocked"]) == (0, 5)
    shop.capsys.readouterr()
    status_of(["plan", str(shop.manifest), "--state", str(shop.state), "--base-url", shop.using.base_url])
    told = " ".join(shop.capsys.readouterr().out.split())
    assert "blocked 3 jobs are blocked: fox-1 failed; not counted as new" in told
    assert "blocked 2 jobs are blocked: cat-2 was cancelled; not counted as new" in told
    shop.change(lambda store: manage.retry_jobs(store, store.queries.find_jobs("cat-2"), now=5.0))
    made = shop.plan()
    assert (made["new"], made["blocked"]) == (3, 3)


def test_a_run_and_its_resumption_offer_only_what_can_be_made(shop: Shop) -> None:
    def reject(store: Store) -> None:
        first = moved_on(store, 1, *DONE, now=3.0)
        votes.record_votes(store, [first], VoteKind.REJECT, person="ann", now=4.0)

    shop.change(reject)
    for resumes in (False, True):
        offer = shop.offer(resumes=resumes)
        assert offer.new == 3
        assert [(each.state, each.jobs, each.example) for each in offer.blocked] == [("rejected", 2, "fox-1")]


def test_a_choice_that_cuts_chains_says_so(shop: Shop, service: Service) -> None:
    """A job without its parent in the choice and in the database is left out, with all that follows it."""
    made = shop.plan("--where", "name != 'fox-2' and name != 'cat-1'")
    assert made["new"] == 1
    assert list_cuts(made) == [OrphansLeftOut(jobs=3).text]
    assert shop.plan("--limit", "2")["new"] == 2
    events: list[object] = []
    result = batchveo.run(
        [shop.manifest],
        state=shop.state,
        settings=settings(shop.folder),
        using=shop.using,
        reporter=events.append,
        reading=ReadOptions(where=read_where("name == 'fox-1' or name == 'cat-3'")),
    )
    assert result.exit_status == 0
    assert [event.jobs for event in events if isinstance(event, OrphansLeftOut)] == [1]
    assert len(service.generations) == 1
    # what the database has is a parent, though it is not chosen
    made = shop.plan("--where", "name == 'fox-2'")
    assert (made["new"], list_cuts(made)) == (1, [])
