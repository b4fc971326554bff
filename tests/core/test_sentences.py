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
BASES = (notices.Notice, notices.WarningNotice)
OURS = {name: kind for name, kind in KINDS.items() if kind.__base__ in BASES and kind not in BASES}
DATABASE = Path("/s/new.db")
EXAMPLES = (("fox", "it is empty"), ("owl", "it is cut off"))

CASES = [
    (
        notices.DefaultsDiffer(jobs=9, written={"duration": 8}, left_out={}),
        (
            "9 of these jobs differ from finished ones only by duration: 8, which is the default; without that line "
            "they are not bought again"
        ),
    ),
    (
        notices.DefaultsDiffer(jobs=1, written={}, left_out={"duration": 8, "generate_audio": True}),
        (
            "1 of these jobs differs from finished ones only by the absence of duration: 8, generate_audio: true, "
            "which are the defaults; with those lines it is not bought again"
        ),
    ),
    (
        notices.DefaultsDiffer(jobs=2, written={"resolution": "1080p"}, left_out={"duration": 8}),
        (
            "2 of these jobs differ from finished ones only by resolution: 1080p and the absence of duration: 8, which "
            "are the defaults; written as before they are not bought again"
        ),
    ),
    (
        notices.LinkNotFilled(job="fox-2", parent="fox-1", reason="No such file or directory", state=DATABASE),
        (
            "fox-2 still waits: what it takes from the video of fox-1 cannot be had: No such file or directory. "
            "The next run tries again; if that video is missing or damaged, "
            "`batchveo verify --refetch --state /s/new.db` lets it be fetched first"
        ),
    ),
    (notices.ClusterStarting(address="local"), "starting Ray on this machine, which takes some ten seconds"),
    (notices.ClusterStarting(address="auto"), "joining the cluster of this machine"),
    (notices.ClusterStarting(address="head:6379"), "joining Ray at head:6379"),
    (
        notices.OptionsRemembered(options={"--tries": 2, "--wait-for-credits": True, "--settle": 60.0}),
        "as the run before: --tries 2, --wait-for-credits, --settle 60",
    ),
    (
        notices.OptionsLeftOut(options=["--notify", "--ray auto"]),
        "the run before also had --notify, --ray auto; give them again if this run is to have them",
    ),
    (
        notices.BudgetDropped(last_usd=5),
        "the last run had a budget of $5.00; this one has none: use --budget to limit it",
    ),
    (
        notices.SeenPriceReserved(model="kling/v9", usd=0.8, assumed_usd=None),
        "no price is listed for kling/v9: $0.80 is reserved for a video, by the most seen so far",
    ),
    (
        notices.SeenPriceReserved(model="kling/v9", usd=0.8, assumed_usd=0.5),
        (
            "no price is listed for kling/v9: $0.80, more than the assumed $0.50, is reserved for a video, by the most "
            "seen so far"
        ),
    ),
    (
        notices.BudgetExceeded(committed_usd=6.0, budget_usd=5.0),
        (
            "videos cost more than was reserved for them: $6.00 are spent or reserved, and the budget is $5.00; "
            "nothing more is bought until it suffices again"
        ),
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
        notices.OrphansLeftOut(jobs=1),
        "1 of the chosen jobs is left out: a job before it in its chain was not chosen",
    ),
    (
        notices.OrphansLeftOut(jobs=2),
        "2 of the chosen jobs are left out: jobs before them in their chains were not chosen",
    ),
    (
        notices.VideosRefetched(videos=2, output=Path("videos"), examples=EXAMPLES),
        (
            "2 videos damaged or missing in videos, with a sidecar (fox: it is empty, owl: it is cut off): downloaded "
            "again by generation id, not bought"
        ),
    ),
    (
        notices.JobsReplaced(jobs=2, output=Path("videos"), examples=("fox", "owl")),
        (
            "2 jobs of the manifests got another prompt or model by `retry` before (fox, owl): cancelled again, not "
            "bought, since the videos that replace them are in videos"
        ),
    ),
    (
        notices.SidecarsUseless(sidecars=7, output=Path("videos"), examples=EXAMPLES),
        "7 sidecars in videos of no use (fox: it is empty, owl: it is cut off, and 5 more); these videos are bought",
    ),
    (notices.OutageBegan(reason="cannot reach https://x"), "cannot reach https://x: polling again"),
    (notices.OutageEnded(polls=1_200), "polls reach the service again, after 1,200 in vain"),
    (notices.PollsFailing(job="fox", reason="HTTP 500", unknown=False, key="a"), "fox: polls keep failing: HTTP 500"),
    (
        notices.PollsFailing(job="fox", reason="HTTP 404", unknown=True, key=None),
        "fox: polls keep failing: HTTP 404; is the key one of the account that bought it? No other can ask for it",
    ),
    (
        notices.GenerationPutAside(job="fox", reason="HTTP 404", unknown=True, key="a"),
        (
            "fox: put aside, and polled seldom from now on: HTTP 404; is key 'a' one of the account that bought it? "
            "No other can ask for it"
        ),
    ),
    (
        notices.OtherVideosIgnored(job="fox", others=("https://a/2", "https://a/3")),
        "fox: the service made more than one video; the first is fetched, not https://a/2, https://a/3",
    ),
    (
        notices.StatusUnknown(job="fox", word="napping"),
        "fox: the service says 'napping', a status it does not document; polling on",
    ),
    (notices.UnexpectedError(job="fox", reason="unexpected KeyError"), "fox: unexpected KeyError; please report this"),
    (notices.DownloadLeft(job="fox", reason="HTTP 403"), "fox: left to the next run: HTTP 403"),
    (
        notices.ChargesUnknown(generations=2, error="HTTP 500"),
        "neither log nor ledger tells whether 2 generations were charged: HTTP 500",
    ),
    (notices.LogUnread(error="HTTP 500"), "the usage log cannot be read yet: HTTP 500"),
    (notices.KeyBlocked(key="a", reason="HTTP 401"), "no more jobs are submitted with key 'a': HTTP 401"),
    (
        notices.SubmitsCutOff(submits=1),
        "1 submit was cut off by the end of the last run; looking it up in the log",
    ),
    (
        notices.SubmitsCutOff(submits=2),
        "2 submits were cut off by the end of the last run; looking them up in the log",
    ),
    (notices.SubmitsEnded(reason="the key is refused"), "no more jobs are submitted: the key is refused"),
    (notices.CreditsAwaited(reason="no credits"), "no credits; waiting for a top-up"),
    (notices.CreditsReturned(balance_usd=20), "the balance is $20.00; going on"),
    (
        notices.ModelPutAside(model="veo2", jobs=3, reason="HTTP 404"),
        "veo2 is put aside with its pending jobs, 3 now: HTTP 404",
    ),
    (notices.JobPutAside(job="fox", reason="HTTP 403"), "fox: put aside: HTTP 403"),
    (
        notices.GenerationUnrecorded(job="fox", generation="g1"),
        "fox: generation g1 was accepted, but cannot be recorded",
    ),
    (
        notices.StrayGeneration(job="fox", generation="g1", state=DATABASE, service=("--sandbox",)),
        ("fox: generation g1 of an earlier attempt was accepted too; see `batchveo audit --sandbox --state /s/new.db`"),
    ),
    (
        notices.GenerationTakenTwice(job="fox", generation="g1"),
        "fox: the service names generation g1, which is another job's",
    ),
    (notices.VideoRepeated(job="fox", other="owl"), "fox: byte for byte the same video as owl"),
    (notices.WorkersStarted(started=2, wanted=2, machines=1), "2 workers have started, on 1 machine"),
    (notices.WorkersStarted(started=2, wanted=4, machines=3), "2 of 4 workers have started, on 3 machines"),
    (notices.CoordinatorLost(error="it died"), "the coordinator was lost, and starts again: it died"),
    (notices.WorkerSilent(worker="w2"), "worker w2 is silent; its jobs go to others"),
    (notices.WorkerLost(worker="w2", error="it died"), "worker w2 was lost; its jobs go to others: it died"),
    (notices.WorkerNotStarted(reason="no room"), "a worker cannot be started: no room"),
    (notices.CoordinatorSilent(), "the coordinator is silent; it is started again"),
    (notices.EventsMissed(events=1_200), "1,200 events came too fast to be shown"),
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
