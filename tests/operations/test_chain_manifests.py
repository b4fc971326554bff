"""Manifests of chains that are run again, edited, or share a chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.models import Job, JobState
from batchveo.operations.run_setup import ManifestSources
from batchveo.store import Added, Store
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import LITE

S = JobState
SHOTS = f"""
defaults: {{model: {LITE}}}
jobs:
  - {{id: a, prompt: A fox}}
  - {{id: b, prompt: It runs, image_url: {{frame: last, of: a}}}}
  - {{id: c, prompt: It rests, image_url: {{frame: last, of: b}}}}
"""
MORE = "  - {id: d, prompt: It wakes, image_url: {frame: last, of: c}}\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        store.runs.begin_run(command="run", service="s", now=1.0)
        yield store


def add(store: Store, *texts: str, names: tuple[str, ...] = ("m.yaml", "n.yaml")) -> Added:
    """Add the jobs of manifests with these texts, in one call."""
    paths = [store.path.parent / name for name, _ in zip(names, texts, strict=False)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    with ManifestSources(paths=paths).stage() as staged:
        return staged.add_to(store, run=1, now=2.0)


def make_next(store: Store) -> Job:
    """The next job, made, with the links that its video fills."""
    job = moved_on(store, 1, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=3.0)
    for link in store.links.list_open_links(job.seq):
        store.links.fill_frame(link, job, job.name.encode(), run=1, now=4.0)
    return job


def read_chains(store: Store) -> list[tuple[str, str, int, int]]:
    return [(job.prompt, job.state.value, job.link, job.waits) for job in store.jobs()]


def test_the_same_again_adds_nothing_at_any_point(store: Store) -> None:
    assert add(store, SHOTS).new == 3
    for made in range(3):
        before = read_chains(store)
        again = add(store, SHOTS)
        assert (again.new, again.named, again.by_state.get(S.SUCCEEDED, 0)) == (0, 3, made)
        assert read_chains(store) == before
        make_next(store)
    assert add(store, SHOTS).by_state == {S.SUCCEEDED: 3}


def test_a_prompt_in_the_middle_makes_all_below_anew(store: Store) -> None:
    """What comes before it stays, also as the parent of the new jobs; the old ones are no longer named."""
    add(store, SHOTS)
    make_next(store)
    make_next(store)
    edited = add(store, SHOTS.replace("It runs", "It jumps"))
    assert (edited.new, edited.by_state) == (2, {S.SUCCEEDED: 1, S.PENDING: 2})
    assert edited.no_longer_named == {S.SUCCEEDED: 1, S.PENDING: 1}
    assert read_chains(store)[-2:] == [("It jumps", "pending", 2, 1), ("It rests", "pending", 3, 1)]
    jumps = next(job for job in store.jobs() if job.prompt == "It jumps")
    (link,) = store.links.list_links(jumps)
    source = store.links.find_source(link)
    assert source is not None
    assert source.prompt == "A fox"
    assert add(store, SHOTS.replace("It runs", "It jumps")).new == 0


def test_two_manifests_share_a_chain(store: Store) -> None:
    """In one call and one after the other; the longer one goes on where the shorter one ends."""
    short = f"- {{model: {LITE}, chain: [A fox, It runs, It rests]}}\n"
    long = short.replace("It rests", "It rests, It wakes")
    assert add(store, short, long).new == 4
    assert add(store, long, short).new == 0
    assert add(store, short).new == add(store, long).new == 0
    assert [link for *_, link, _ in read_chains(store)] == [1, 2, 3, 4]
    assert len({job.chain for job in store.jobs()}) == 1


def test_a_chain_is_lengthened_after_it_was_made(store: Store) -> None:
    add(store, SHOTS)
    for _ in range(3):
        make_next(store)
    assert add(store, SHOTS + MORE, names=("other.yaml",)).new == 1
    assert read_chains(store)[-1] == ("It wakes", "pending", 4, 1)
    assert store.links.list_open_parents(1) == [3]


def test_a_single_job_becomes_the_first_of_a_chain(store: Store) -> None:
    first = SHOTS[: SHOTS.index("  - {id: b")]
    add(store, first)
    job = make_next(store)
    assert job.chain is None
    assert add(store, SHOTS).new == 2
    assert {each.chain for each in store.jobs()} == {job.seq}
