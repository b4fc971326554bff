"""Measures and scores of clips."""

from __future__ import annotations

from dataclasses import replace

from batchveo.core.fields import parse_condition
from batchveo.core.measures import CheckLevel
from batchveo.store import Store
from tests.store.judged_jobs import MEASURES, OPEN, POLICY, finish, make_policed
from tests.store.steps import begun


def test_measures_belong_to_the_bytes_that_were_measured(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    assert store.facts.read_measures(job) is None
    store.facts.record_measures(job, MEASURES, now=11.0)
    assert store.facts.read_measures(job) == MEASURES
    store.facts.record_measures(job, replace(MEASURES, bitrate=90_000), now=11.0)
    assert repr(store.facts.read_measures(job)) == repr(replace(MEASURES, bitrate=90_000))
    assert store.facts.read_measures(replace(job, sha256="01")) is None
    assert list(store.facts.list_hashes()) == [(job.seq, (1, 2**64 - 1))]
    (clip,) = store.facts.list_clips()
    assert (clip.seq, clip.policy, clip.verdict, clip.level) == (job.seq, POLICY, None, CheckLevel.BASIC)
    assert list(store.facts.list_clips(parse_condition("black_seconds > 1"))) == [clip]
    assert list(store.facts.list_clips(parse_condition("black_seconds > 2"))) == []
    store.facts.record_measures(replace(job, sha256="01"), MEASURES, now=11.0)  # of another file than it has now
    assert list(store.facts.list_hashes()) == []
    assert [clip.level for clip in store.facts.list_clips()] == [None]


def test_measures_and_scores_of_several_jobs_are_read_at_once(store: Store) -> None:
    run = begun(store, *map(make_policed, "abc"))
    jobs = [finish(store, run, generation=name) for name in "ghi"]
    for job in jobs[:2]:
        store.facts.record_measures(job, MEASURES, now=11.0)
    store.facts.record_scores(jobs[1], {"clip.score": 0.5, "a.label": "good"}, now=12.0)
    anew = replace(jobs[0], sha256="01")
    assert store.facts.read_measures_of([anew, *jobs[1:]]) == {jobs[1].seq: MEASURES}
    assert store.facts.read_scores_of(jobs) == {jobs[1].seq: {"a.label": "good", "clip.score": 0.5}}


def test_scores_open_a_verdict_again(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    store.verdicts.record_verdict(job, OPEN, run=run, now=20.0)
    store.facts.record_scores(job, {"clip.score": 0.5, "clip.label": "odd", "clip.text": "0.5"}, now=21.0)
    store.facts.record_scores(job, {"clip.score": 0.75}, now=22.0)
    assert store.facts.read_scores(job) == {"clip.score": 0.75, "clip.label": "odd", "clip.text": "0.5"}
    assert store.facts.list_score_names() == {"clip.label": 1, "clip.score": 1, "clip.text": 1}
    assert [job.name for job in store.verdicts.iter_unjudged()] == ["a"]
