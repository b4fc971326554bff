"""What a run tells a person, as facts. The sentence of each is in ``core.sentences``, and nowhere else.

To add a notice: a class here, with the facts as its fields, and a function of the same facts in ``core.sentences``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from batchveo.core.destination import Destination
from batchveo.core.events import Message
from batchveo.core.models import JobState
from batchveo.core.sentences import SENTENCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Message):
    """A message that is made of facts; its ``text`` is their sentence."""

    text: str = field(init=False)

    def __post_init__(self) -> None:
        facts = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in ("text", "warning")}
        # written once, as the record is made: a frozen record has no other way
        object.__setattr__(self, "text", SENTENCES[type(self).__name__](**facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCreated(Notice):
    """The run made a new database, at the absolute path ``state``."""

    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStarting(Notice):
    """Ray is started on this machine if ``address`` is ``local``; else the run joins the cluster there."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsRemembered(Notice):
    """A resumed run has these ``options`` from the run before, each with its value."""

    options: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDropped(Notice):
    """The run has no budget, that of the run before was ``last_usd`` US dollars."""

    last_usd: float
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsImported(Notice):
    """What the manifests hold: ``named`` jobs, of which ``new`` are added to the database at ``state``.

    ``choice`` says which jobs of the manifests were chosen, if not all.
    """

    named: int
    new: int
    done: int
    cancelled: int
    choice: str | None
    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsRepeated(Notice):
    """``jobs`` of the manifests are equal to an earlier one; ``first`` names the first of them."""

    jobs: int
    first: str | None
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsRenamed(Notice):
    """``jobs`` that are not submitted yet have a new name in the manifests."""

    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsNoLongerNamed(Notice):
    """Jobs of the database at ``state``, by their state, that its manifests name no longer.

    ``service``: the options that select the service of the database.
    """

    by_state: Mapping[JobState, int]
    state: Path
    service: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherKeyNeeded(Notice):
    """``jobs`` in flight or in doubt were submitted with an API key that is not given now."""

    jobs: int
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationResumed(Notice):
    """A resumed run puts its videos into ``output``."""

    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationChanged(Notice):
    """The run puts its videos into ``output``, those before it went to ``before``."""

    output: str
    before: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckingVideos(Notice):
    """Many ``videos`` in ``output`` that the database lacks are about to be read to their ends."""

    videos: int
    output: Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationUnlisted(Notice):
    """``output`` cannot be listed; so only the videos of the first ``jobs`` jobs are looked for."""

    output: Destination
    reason: str
    jobs: int
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VideosRecovered(Notice):
    """Finished ``videos`` in ``output`` are imported, and not bought again."""

    videos: int
    output: Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class VideosRefetched(Notice):
    """``videos`` in ``output`` are damaged or missing, and downloaded again.

    ``examples``: some of these jobs, by name, each with what is wrong.
    """

    videos: int
    output: Destination
    examples: Sequence[tuple[str, str]]
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarsUseless(Notice):
    """``sidecars`` in ``output`` lead to no video, so that these videos are bought; ``examples`` as above."""

    sidecars: int
    output: Destination
    examples: Sequence[tuple[str, str]]
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherServiceVideos(Notice):
    """``videos`` in ``output`` were made by the sandbox for a run with a real service, or the other way round."""

    videos: int
    output: Destination
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageBegan(Notice):
    """Polls do not reach the service, for the reason ``reason``."""

    reason: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageEnded(Notice):
    """Polls reach the service again; ``polls`` of them did not."""

    polls: int
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PollsFailing(Notice):
    """Polls of ``job`` keep failing.

    ``unknown``: the service does not know the generation; ``key`` is the key's label.
    """

    job: str
    reason: str
    unknown: bool
    key: str | None
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationPutAside(Notice):
    """The generation of ``job`` holds no slot any more, and is polled seldom; the facts are as in ``PollsFailing``."""

    job: str
    reason: str
    unknown: bool
    key: str | None
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVideosIgnored(Notice):
    """The generation of ``job`` has more videos than the one that is fetched, at the URLs ``others``."""

    job: str
    others: Sequence[str]
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUnknown(Notice):
    """A poll of ``job`` answered the undocumented status ``word``."""

    job: str
    word: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpectedError(Notice):
    """An error that should not happen, in a step of ``job``."""

    job: str
    reason: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLeft(Notice):
    """The download of ``job`` is left to the next run."""

    job: str
    reason: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargesUnknown(Notice):
    """Neither log nor ledger could be read for ``generations`` failed generations."""

    generations: int
    error: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LogUnread(Notice):
    """The usage log cannot be read."""

    error: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBlocked(Notice):
    """Nothing more is submitted with the key of the label ``key``."""

    key: str
    reason: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitsCutOff(Notice):
    """The last run ended during ``submits`` requests; their outcome is unknown."""

    submits: int
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsAwaited(Notice):
    """The run waits for credits."""

    reason: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsReturned(Notice):
    """The account has grown to ``balance_usd`` US dollars, and submits resume."""

    balance_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPutAside(Notice):
    """``jobs`` pending jobs of a model that is refused with every key are skipped in this run."""

    model: str
    jobs: int
    reason: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPutAside(Notice):
    """A refused job is skipped in this run."""

    job: str
    reason: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationUnrecorded(Notice):
    """A generation of ``job`` was accepted, but the database cannot be written."""

    job: str
    generation: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayGeneration(Notice):
    """An earlier attempt of ``job`` was accepted too; ``service`` are the options that name the service."""

    job: str
    generation: str
    state: Path
    service: Sequence[str]
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationTakenTwice(Notice):
    """The service names for ``job`` a generation that another job has."""

    job: str
    generation: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRepeated(Notice):
    """The video of ``job`` has the same bytes as the one of ``other``."""

    job: str
    other: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersStarted(Notice):
    """``started`` of ``wanted`` workers run on ``machines`` machines of a cluster."""

    started: int
    wanted: int
    machines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorLost(Notice):
    """The coordinator's process on the cluster ended, and starts again."""

    error: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorSilent(Notice):
    """The coordinator's process on the cluster does not answer, and is started again."""

    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsMissed(Notice):
    """``events`` events of the cluster were dropped before they were read."""

    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitsEnded(Notice):
    """The run submits no more jobs, for the reason ``reason``."""

    reason: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSilent(Notice):
    """A worker on the cluster does not call any more; others take over its jobs."""

    worker: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost(Notice):
    """The process of a worker on the cluster ended; others take over its jobs."""

    worker: str
    error: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNotStarted(Notice):
    """No worker can be started on the cluster now."""

    reason: str
    warning: bool = True
