"""Which jobs hold a slot, and which the run waits for."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.models import JobState
from batchveo.engine.in_flight import DOUBT_SLOT_SECONDS, InFlightTable
from tests.helpers.factories import make_job

S = JobState


def board() -> InFlightTable:
    return InFlightTable(begun=100.0, patience=60.0)


def test_a_job_holds_a_slot_from_its_claim_to_its_video() -> None:
    """Downloads hold no slot."""
    b = board()
    b.place_job(make_job(S.SUBMITTING), now=100.0)
    assert b.count_slots("", 100.0) == 1
    b.place_job(make_job(S.GENERATING), now=100.0)
    assert (b.count_slots("", 100.0), b.count_generating("")) == (1, 1)
    b.place_job(make_job(S.DOWNLOADING), now=100.0)
    assert (b.count_slots("", 100.0), b.count_downloads(), b.count_awaited()) == (0, 1, 1)
    b.place_job(make_job(S.SUCCEEDED), now=100.0)
    assert b.count_awaited() == 0


def test_each_key_has_slots_of_its_own() -> None:
    """Doubts hold slots of the key that they were submitted with."""
    b = board()
    b.place_job(make_job(S.GENERATING, seq=1, api_key_label="a"), now=100.0)
    b.place_job(make_job(S.SUBMITTING, seq=2, api_key_label="b"), now=100.0)
    b.place_job(make_job(S.IN_DOUBT, seq=3, api_key_label="b", doubted_at=100.0), now=100.0)
    assert [b.count_slots(key, 100.0) for key in ("a", "b", "c")] == [1, 2, 0]
    assert (b.count_awaited(), b.count_unsettled()) == (2, 3)


def test_a_key_that_is_refused_is_waited_for_no_longer() -> None:
    """What it bought is left to the next run; what is being downloaded needs no key."""
    b = board()
    b.place_job(make_job(S.GENERATING, seq=1, api_key_label="a"), now=100.0)
    b.place_job(make_job(S.DOWNLOADING, seq=2, api_key_label="a"), now=100.0)
    b.place_job(make_job(S.GENERATING, seq=3, api_key_label="b"), now=100.0)
    b.stop_waiting_for("a")
    assert (b.count_awaited(), b.count_late()) == (2, 1)


def test_a_generation_is_waited_for_though_the_one_before_was_put_aside() -> None:
    """A job that is made again holds a slot as any other."""
    b = board()
    b.mark_stuck(make_job(S.GENERATING))
    b.place_job(make_job(S.GENERATING), now=100.0)
    assert (b.count_slots("", 100.0), b.count_awaited(), b.count_late()) == (0, 0, 1)
    for state in (S.FAILED, S.PENDING, S.SUBMITTING, S.GENERATING):
        b.place_job(make_job(state), now=100.0)
    assert (b.count_slots("", 100.0), b.count_awaited(), b.count_late()) == (1, 1, 0)
    assert not b.charge_unknown


def test_a_doubt_holds_its_slot_for_a_while() -> None:
    """It may be generating; but the silence of the log must not block the run."""
    b = board()
    b.place_job(make_job(S.IN_DOUBT, doubted_at=100.0), now=100.0)
    assert b.count_slots("", 100.0 + DOUBT_SLOT_SECONDS - 1) == 1
    assert b.count_slots("", 100.0 + DOUBT_SLOT_SECONDS) == 0
    assert b.find_slot_release(100.0) == 100.0 + DOUBT_SLOT_SECONDS
    assert b.find_slot_release(100.0 + DOUBT_SLOT_SECONDS) is None  # else the run would wait for the past: spin


def test_a_held_doubt_holds_nothing_and_is_not_open() -> None:
    """A person has to settle it."""
    b = board()
    b.place_job(make_job(S.IN_DOUBT, held=True), now=100.0)
    assert (b.count_slots("", 100.0), b.list_open_doubts(), len(b.doubts)) == (0, [], 1)


def test_a_generation_beyond_the_runs_patience_is_left_to_the_next_run() -> None:
    """As soon as its time is over, it frees its slot and no longer keeps the run alive."""
    b = board()
    b.place_job(make_job(S.GENERATING, submitted_at=0.0), now=160.0)
    assert (b.count_slots("", 160.0), b.count_late()) == (1, 0)
    b.expire_patience(161.0)
    assert (b.count_slots("", 161.0), b.count_late(), b.count_awaited()) == (0, 1, 0)
    b.place_job(make_job(S.SUCCEEDED), now=162.0)
    assert b.count_late() == 0


def test_each_stage_of_a_job_has_a_deadline_of_its_own() -> None:
    """The deadline of a stage means nothing once the job has moved on."""
    b = board()
    b.place_job(make_job(S.GENERATING, submitted_at=100.0), now=100.0)
    b.place_job(make_job(S.DOWNLOADING, completed_at=150.0), now=150.0)
    b.expire_patience(165.0)
    assert (b.count_awaited(), b.count_late()) == (1, 0)
    b.expire_patience(211.0)
    assert (b.count_awaited(), b.count_late(), b.count_downloads()) == (0, 1, 1)


def test_a_run_gives_every_job_its_own_patience() -> None:
    """A generation bought yesterday is waited for as long as one bought now."""
    b = board()
    b.place_job(make_job(S.GENERATING, submitted_at=-90_000.0), now=101.0)
    assert b.count_awaited() == 1


def test_what_is_set_aside_is_not_waited_for() -> None:
    """This run is done with it."""
    b = board()
    b.mark_put_aside(make_job())
    b.place_job(make_job(S.DOWNLOADING, completed_at=100.0), now=100.0)
    assert (b.count_awaited(), b.count_late()) == (0, 1)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 5), st.sampled_from(sorted(S)), st.floats(100, 400), st.sampled_from([None, "a", "b"])
        ),
        max_size=60,
    )
)
def test_counts_never_drift(steps: list[tuple[int, JobState, float, str | None]]) -> None:
    """Whatever the moves, the counts are those of the jobs as they last stood."""
    b = board()
    last: dict[int, tuple[JobState, str | None]] = {}
    for seq, state, now, key in steps:
        b.expire_patience(now)
        b.place_job(make_job(state, seq=seq, held=False, api_key_label=key), now=now)
        last[seq] = state, key
    states = Counter(state for state, _ in last.values())
    assert b.count_downloads() == states[S.DOWNLOADING]
    assert len(b.doubts) == states[S.IN_DOUBT]
    assert b.count_awaited() + b.count_late() == states[S.GENERATING] + states[S.DOWNLOADING] + states[S.SUBMITTING]
