"""Places in chains: the line through a job, what branches off, what jobs wait for."""

from __future__ import annotations

from batchveo.core.gates import Judgement, Verdict
from batchveo.core.job_row import canonical_json
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded, GenerationFailed
from batchveo.store import Store
from batchveo.store.chain_places import Wait
from batchveo.store.clip_checks import NewTake
from tests.helpers.chains import make_chain, make_link
from tests.helpers.factories import make_spec
from tests.store.steps import begun, claimed, move


def find(store: Store, name: str) -> Job:
    (job,) = store.queries.find_jobs(name)
    return job


def show_line(store: Store, name: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The names of a line, and of its branches with what they begin from."""
    line = store.places.read_line(find(store, name))
    names = [store.queries.read_job(seq).name for seq in line.links]
    return names, [(branch.name, branch.parent) for branch in line.branches]


def succeed(store: Store, run: int) -> Job:
    job = claimed(store, run)
    job = move(store, job, Accepted(generation_id=f"g {job.seq}"))
    job = move(store, job, Completed(url="https://x/v", cost_usd=1.0))
    return move(store, job, Downloaded(folder="/v", file=f"{job.stem}.mp4", bytes=1, sha256=f"{job.seq}"))


def make_tree() -> list[JobSpec]:
    """A chain of four, from whose second link another way goes on; and a chain that uses its last frame."""
    shots = make_chain(4)
    night = make_link("night", {"last": shots[1]})
    later = make_link("later", {"last": night})
    other = make_link("other", {})
    bridge = make_link("bridge", {"last": other, "first": shots[3]})
    return [*shots, night, later, other, bridge]


def test_a_line_is_all_before_a_job_and_the_first_way_after_it(store: Store) -> None:
    """Other ways are branches, so are jobs of other chains that take a video of the line."""
    begun(store, *make_tree(), make_spec("alone"))
    shots = [f"shot {number}" for number in range(4)]
    for name in shots:
        assert show_line(store, name) == (shots, [("night", "shot 1"), ("bridge", "shot 3")])
    for name in ("night", "later"):
        assert show_line(store, name) == (["shot 0", "shot 1", "night", "later"], [("shot 2", "shot 1")])
    assert show_line(store, "bridge") == (["other", "bridge"], [])
    assert show_line(store, "alone") == (["alone"], [])


def test_of_several_takes_the_line_has_the_one_that_the_next_link_is_made_from(store: Store) -> None:
    """Else the best one; but the job itself is always on its line."""
    run = begun(store, *make_chain(2))
    job = succeed(store, run)
    take = NewTake(request=canonical_json(job.request), tries=3)
    store.checks.record_verdict(job, Judgement(verdict=Verdict.REJECTED), run=run, now=20.0, take=take)
    again = succeed(store, run)
    assert show_line(store, "shot 1") == ([again.name, "shot 1"], [])
    assert show_line(store, "shot 0") == (["shot 0", "shot 1"], [])
    assert show_line(store, again.name) == ([again.name, "shot 1"], [])
    (link,) = store.chains.list_links(find(store, "shot 1"))
    store.chains.fill_text(link, job, "x", run=run, now=30.0)
    assert show_line(store, "shot 1") == (["shot 0", "shot 1"], [])


def test_a_line_of_thousands_is_cut(store: Store) -> None:
    """A thousand links before a job, and after it."""
    chain = make_chain(2500)
    begun(store, *chain)
    line = store.places.read_line(find(store, "shot 1200")).links
    assert line == list(range(201, 2202))


def test_what_a_job_waits_for_and_what_blocks_it(store: Store) -> None:
    """The parent if it may still come; else the one that is to blame, however far before."""
    run = begun(store, *make_tree())
    seqs = {job.name: job.seq for job in store.jobs()}

    def find_wait(name: str) -> Wait | None:
        return store.places.find_waits(list(seqs.values())).get(seqs[name])

    shot = find(store, "shot 0")
    assert find_wait("shot 0") is None
    assert find_wait("shot 1") == Wait(id=shot.id, name="shot 0", state="pending", is_blocked=False)
    assert getattr(find_wait("shot 3"), "name", None) == "shot 2"
    move(store, move(store, claimed(store, run), Accepted(generation_id="g")), GenerationFailed(reason="refused"))
    cause = Wait(id=shot.id, name="shot 0", state="failed", is_blocked=True)
    assert [find_wait(name) for name in ("shot 1", "shot 3", "later", "bridge")] == [cause] * 4
    store.manual.retry_job(find(store, "shot 0"), now=9e9)
    assert getattr(find_wait("shot 3"), "is_blocked", None) is False
    assert find(store, "shot 0").state is JobState.PENDING


def test_gates_that_cannot_decide_yet_are_named(store: Store) -> None:
    """The clip is there, but is it good?"""
    run = begun(store, *make_chain(2))
    job = succeed(store, run)
    store.checks.record_verdict(job, Judgement(verdict=Verdict.OPEN), run=run, now=20.0)
    child = find(store, "shot 1")
    assert store.places.find_waits([child.seq])[child.seq].state == "open"
