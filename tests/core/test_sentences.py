"""The sentences of the notices."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import fields
from pathlib import Path

import pytest

from batchveo.core import notices
from batchveo.core.events import Message
from batchveo.core.models import JobState
from batchveo.core.sentences import SENTENCES

KINDS = {kind.__name__: kind for kind in vars(notices).values() if isinstance(kind, type) and issubclass(kind, Message)}
OURS = {name: kind for name, kind in KINDS.items() if kind.__base__ is notices.Notice}
DATABASE = Path("/s/new.db")
EXAMPLES = (("fox", "it is empty"), ("owl", "it is cut off"))

CASES = [
    (notices.ClusterStarting(address="local"), "starting Ray on this machine, which takes some ten seconds"),
    (notices.ClusterStarting(address="auto"), "joining the cluster of this machine"),
    (notices.ClusterStarting(address="head:6379"), "joining Ray at head:6379"),
    (
        notices.OptionsRemembered(options={"--tries": 2, "--wait-for-credits": True, "--settle": 60.0}),
        "as the run before: --tries 2, --wait-for-credits, --settle 60",
    ),
    (
        notices.BudgetDropped(last_usd=5),
        "the last run had a budget of $5.00; this one has none: use --budget to limit it",
    ),
    (
        notices.JobsImported(named=2, new=1, done=1, cancelled=0, choice=None, state=DATABASE),
        "2 jobs named: 1 new, 1 done already",
    ),
    (
        notices.JobsImported(named=9, new=1, done=0, cancelled=3, choice="the first 4 of 9 jobs", state=DATABASE),
        (
            "the first 4 of 9 jobs: 1 new, 0 done already, 3 cancelled and skipped "
            "(`batchveo retry --state-is cancelled --state /s/new.db` brings them back)"
        ),
    ),
    (
        notices.JobsNoLongerNamed(by_state={JobState.IN_DOUBT: 2}, state=DATABASE, service=()),
        "no longer named by the manifest: 2 in doubt",
    ),
    (
        notices.JobsNoLongerNamed(by_state={JobState.PENDING: 1}, state=DATABASE, service=("--sandbox",)),
        (
            "no longer named by the manifest: 1 pending; the pending ones are left alone (`batchveo resume --sandbox "
            "--state /s/new.db` makes them, `batchveo cancel JOB --state /s/new.db` drops one)"
        ),
    ),
    (
        notices.VideosRecovered(videos=1, output=Path("videos")),
        "imported 1 finished video found in videos; nothing is bought for it",
    ),
    (
        notices.VideosRefetched(videos=2, output=Path("videos"), examples=EXAMPLES),
        (
            "2 videos damaged or missing in videos, with a sidecar (fox: it is empty, owl: it is cut off): downloaded "
            "again by generation id, not bought"
        ),
    ),
    (
        notices.SidecarsUseless(sidecars=7, output=Path("videos"), examples=EXAMPLES),
        "7 sidecars in videos of no use (fox: it is empty, owl: it is cut off, and 5 more); these videos are bought",
    ),
]


def test_each_notice_has_its_sentence() -> None:
    """It takes the facts of the class, by their names; there is no sentence without a class."""
    assert SENTENCES.keys() == OURS.keys()
    for name, kind in OURS.items():
        facts = {item.name for item in fields(kind)} - {"text", "warning"}
        assert inspect.signature(SENTENCES[name]).parameters.keys() == facts, name


@pytest.mark.parametrize(("notice", "text"), CASES, ids=lambda value: type(value).__name__)
def test_sentences(notice: notices.Notice, text: str) -> None:
    """As a person reads them; scripts find the same in ``text``."""
    assert isinstance(notice, Message)
    assert notice.text == text


def test_a_notice_passes_between_processes() -> None:
    """A run on a cluster sends its events to the process that shows them."""
    notice = notices.DatabaseCreated(state=DATABASE)
    assert pickle.loads(pickle.dumps(notice)) == notice
