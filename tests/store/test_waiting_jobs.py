"""Jobs that wait for videos: what they wait for, what blocks them, and conditions about that."""

from __future__ import annotations

from batchveo.core.fields import parse_condition
from batchveo.core.gates import Judgement, Verdict
from batchveo.core.models import JobState
from batchveo.core.outcomes import Accepted, GenerationFailed
from batchveo.store import Store
from batchveo.store.waiting_jobs import AwaitedJob
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import make_chain, make_tree
from tests.helpers.factories import make_spec
from tests.store.steps import begun, claimed, find, move, succeed


def test_what_a_job_waits_for_and_what_blocks_it(store: Store) -> None:
    """The parent if it may still come; else the one that is to blame, however far before."""
    run = begun(store, *make_tree())
    seqs = {job.name: job.seq for job in store.jobs()}

    def find_wait(name: str) -> AwaitedJob | None:
        return store.waiting.find_waits(list(seqs.values())).get(seqs[name])

    shot = find(store, "shot 0")
    assert find_wait("shot 0") is None
    assert find_wait("shot 1") == AwaitedJob(id=shot.id, name="shot 0", state="pending", is_blocked=False)
    assert getattr(find_wait("shot 3"), "name", None) == "shot 2"
    move(store, move(store, claimed(store, run), Accepted(generation_id="g")), GenerationFailed(reason="refused"))
    cause = AwaitedJob(id=shot.id, name="shot 0", state="failed", is_blocked=True)
    assert [find_wait(name) for name in ("shot 1", "shot 3", "later", "bridge")] == [cause] * 4
    store.manual.retry_job(find(store, "shot 0"), now=9e9)
    assert getattr(find_wait("shot 3"), "is_blocked", None) is False
    assert find(store, "shot 0").state is JobState.PENDING


def test_gates_that_cannot_decide_yet_are_named(store: Store) -> None:
    """The clip is there, but is it good?"""
    run = begun(store, *make_chain(2))
    job = succeed(store, run)
    store.verdicts.record_verdict(job, Judgement(verdict=Verdict.OPEN), run=run, now=20.0)
    child = find(store, "shot 1")
    assert store.waiting.find_waits([child.seq])[child.seq].state == "open"


def test_chains_in_conditions(store: Store, run: int) -> None:
    """By their first job, by place, by parent; whether they wait, or wait in vain."""
    store.imports.add_jobs([*make_chain(3), make_spec("single")], run=run, now=1.0)
    first, second, *_ = store.jobs()

    def choose(text: str) -> list[str]:
        return [job.name for job in store.queries.list_jobs(where=parse_condition(text))]

    assert choose(f'chain == "{first.id}"') == ["shot 0", "shot 1", "shot 2"]
    assert choose("link < 3") == ["shot 0", "shot 1"]
    assert choose("chain == null and link == null") == ["single"]
    assert choose(f'"{second.id}" in parent') == ["shot 2"]
    assert (choose("waiting"), choose("blocked")) == (["shot 1", "shot 2"], [])
    moved_on(store, run, JobState.FAILED, now=2.0)
    assert (choose("waiting"), choose("blocked")) == ([], ["shot 1", "shot 2"])
    assert choose("not blocked") == ["shot 0", "single"]
