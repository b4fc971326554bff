"""The table of moves, whole."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.models import JobState
from batchveo.core.outcomes import (
    AbsentFromLog,
    Accepted,
    Blocked,
    Charged,
    Completed,
    Denied,
    DiskRefused,
    Downloaded,
    DownloadError,
    FailedInLog,
    FoundInLog,
    GenerationFailed,
    NotCharged,
    Outcome,
    PollError,
    Refused,
    RejectedTemporarily,
    StillGenerating,
    Stop,
    Stuck,
    SubmitUncertain,
    Throttled,
    UrlExpired,
    Withdrawn,
)
from batchveo.core.state_machine import MOVES, next_state
from tests.helpers.factories import make_job

S = JobState
FETCHED = Downloaded(folder="/v", file="a.mp4", bytes=3, sha256="00")

TABLE: list[tuple[JobState, Outcome, JobState | None]] = [
    (S.SUBMITTING, Accepted(generation_id="g"), S.GENERATING),
    (S.SUBMITTING, Throttled(reason="429"), S.PENDING),
    (S.SUBMITTING, RejectedTemporarily(reason="503"), S.PENDING),
    (S.SUBMITTING, Refused(reason="400"), S.FAILED),
    (S.SUBMITTING, Blocked(stop=Stop.KEY, reason="401"), S.PENDING),
    (S.SUBMITTING, Blocked(stop=Stop.CREDITS, reason="403"), S.PENDING),
    (S.SUBMITTING, SubmitUncertain(reason="reset"), S.IN_DOUBT),
    (S.SUBMITTING, Denied(reason="403"), S.PENDING),
    (S.SUBMITTING, Withdrawn(reason="404"), S.PENDING),
    (S.IN_DOUBT, FoundInLog(generation_id="g"), S.GENERATING),
    (S.IN_DOUBT, FailedInLog(reason="no"), S.PENDING),
    (S.IN_DOUBT, AbsentFromLog(settled=False), None),
    (S.IN_DOUBT, AbsentFromLog(settled=True), S.IN_DOUBT),
    (S.IN_DOUBT, AbsentFromLog(settled=True, resubmit=True), S.PENDING),
    (S.GENERATING, StillGenerating(word="queued"), None),
    (S.GENERATING, PollError(reason="502"), None),
    (S.GENERATING, Blocked(stop=Stop.KEY, reason="401"), None),
    (S.GENERATING, Completed(url="https://x/v.mp4"), S.DOWNLOADING),
    (S.GENERATING, GenerationFailed(reason="content policy"), S.FAILED),
    (S.GENERATING, Stuck(reason="completed, but without a video URL"), S.GENERATING),
    (S.GENERATING, Charged(usd=1.0), S.GENERATING),
    (S.GENERATING, FailedInLog(reason="not charged"), S.FAILED),
    (S.GENERATING, AbsentFromLog(settled=False), None),
    (S.GENERATING, AbsentFromLog(settled=True), S.GENERATING),
    (S.FAILED, FailedInLog(reason="not charged"), S.PENDING),
    (S.FAILED, Charged(usd=1.0), S.FAILED),
    (S.FAILED, NotCharged(reason="no charge"), S.FAILED),
    (S.DOWNLOADING, FETCHED, S.SUCCEEDED),
    (S.DOWNLOADING, DownloadError(reason="reset"), S.DOWNLOADING),
    (S.DOWNLOADING, DownloadError(reason="403", stale_url=True), S.GENERATING),
    (S.DOWNLOADING, UrlExpired(), S.GENERATING),
    (S.DOWNLOADING, DiskRefused(reason="full"), None),
]


@pytest.mark.parametrize(("state", "outcome", "to"), TABLE, ids=lambda v: getattr(v, "value", type(v).__name__))
def test_every_outcome_leads_where_the_table_says(state: S, outcome: Outcome, to: S | None) -> None:
    """Each pair of state and outcome has one next state."""
    move = next_state(make_job(state), outcome, now=100.0, jitter=0.5)
    assert (move.to if move else None) == to


def test_the_table_above_has_every_kind_of_outcome() -> None:
    """No outcome is without a row."""
    assert {type(outcome) for _, outcome, _ in TABLE} == set(Outcome.__args__)


def test_only_the_services_own_word_fails_a_job() -> None:
    """Of all outcomes, a refusal, the service's error status and its log's word are the only ones."""
    failing = {(s, type(o)) for s, o, to in TABLE if to is S.FAILED and s is not S.FAILED}
    assert failing == {(S.SUBMITTING, Refused), (S.GENERATING, GenerationFailed), (S.GENERATING, FailedInLog)}


def test_what_may_exist_never_goes_back_to_pending_unasked() -> None:
    """From in doubt to pending: only by the log's word or the user's own choice."""
    back = {(type(o), getattr(o, "resubmit", None)) for s, o, to in TABLE if s is S.IN_DOUBT and to is S.PENDING}
    assert back == {(FailedInLog, None), (AbsentFromLog, True)}


LEGAL = {(state, type(outcome)) for state, outcome, _ in TABLE}


@given(st.sampled_from(sorted(S)), st.sampled_from([outcome for _, outcome, _ in TABLE]))
def test_a_move_is_in_the_table_or_an_error(state: S, outcome: Outcome) -> None:
    """Whatever is asked, no move leaves the table."""
    try:
        move = next_state(make_job(state), outcome, now=0.0, jitter=0.0)
    except ValueError:
        assert (state, type(outcome)) not in LEGAL
        return
    assert move is None or move.to in MOVES[state]


def test_every_state_can_be_reached_and_left() -> None:
    """No state is a trap but the four that end a job, and a person can reopen three of those."""
    assert set(itertools.chain.from_iterable(MOVES.values())) == set(S)
    assert all(MOVES[state] for state in S)


def test_the_third_failed_download_asks_for_a_fresh_url() -> None:
    """A URL that keeps failing may be stale without saying so."""
    job = make_job(S.DOWNLOADING, troubles=2)
    move = next_state(job, DownloadError(reason="reset"), now=0.0, jitter=0.0)
    assert move is not None
    assert (move.to, move.set["not_before"]) == (S.GENERATING, 4.0)


def test_a_named_wait_is_kept_and_others_back_off() -> None:
    """Retry-After decides where it comes; troubles in a row decide otherwise."""
    job = make_job(S.SUBMITTING, troubles=3)
    named = next_state(job, RejectedTemporarily(reason="503", retry_after=7.0), now=10.0, jitter=0.0)
    other = next_state(job, RejectedTemporarily(reason="503"), now=10.0, jitter=0.0)
    assert named is not None
    assert other is not None
    assert (named.set["not_before"], other.set["not_before"]) == (17.0, 18.0)


def test_what_is_held_says_what_the_log_told() -> None:
    """Silence invites another purchase; a log that could not be read does not."""
    unread = AbsentFromLog(settled=True, reason="the usage log cannot be read")
    move = next_state(make_job(S.IN_DOUBT), unread, now=0.0, jitter=0.0)
    assert move is not None
    assert move.detail == "the usage log cannot be read; held until a person settles it"


def test_a_held_job_is_held_once() -> None:
    """Silence about a held job is no news."""
    job = make_job(S.IN_DOUBT, held=True)
    assert next_state(job, AbsentFromLog(settled=True), now=0.0, jitter=0.0) is None


def test_a_second_completion_keeps_the_first_time_and_price() -> None:
    """Polling again for a fresh URL does not rewrite when the generation was done."""
    job = make_job(S.GENERATING, completed_at=5.0, cost_usd=1.0)
    move = next_state(job, Completed(url="https://x/2.mp4"), now=9.0, jitter=0.0)
    assert move is not None
    assert "completed_at" not in move.set
    assert "cost_usd" not in move.set
