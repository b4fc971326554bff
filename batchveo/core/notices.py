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
class WarningNotice(Notice):
    """A notice that is a warning."""

    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCreated(Notice):
    """The run made a new database, at the absolute path ``state``."""

    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStarting(Notice):
    """Ray is started on this machine if ``address`` is ``local``; else the run joins the cluster there."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRejected(Notice):
    """The clip of ``job`` fails a gate, for ``reason``.

    ``take``: the name of the take that is made in its place; ``None`` if no try is left.
    """

    job: str
    reason: str
    take: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksAwaited(Notice):
    """All videos are stored; the run only waits for the checks of ``clips``."""

    clips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksUnavailable(WarningNotice):
    """Clips of the database at ``state`` cannot be measured on this machine, because of ``error``."""

    error: str
    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipNotMeasured(WarningNotice):
    """The clip of ``job`` cannot be read for its checks, because of ``error``."""

    job: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkNotFilled(WarningNotice):
    """``job`` cannot get its input from the video of ``parent``, for ``reason``; it is left to the next run."""

    job: str
    parent: str
    reason: str
    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsNotRemoved(WarningNotice):
    """Inputs of finished jobs stay in ``bucket`` for now, for ``reason``."""

    bucket: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFailed(WarningNotice):
    """The hook of ``option`` failed for ``job``, for ``reason``; ``is_last``: further failures get no line."""

    option: str
    job: str
    reason: str
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksAwaited(Notice):
    """All else is done; the run waits at most ``seconds`` for the hooks of ``videos``."""

    videos: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsRemembered(Notice):
    """A resumed run has these ``options`` from the run before, each with its value."""

    options: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsLeftOut(Notice):
    """The run before had these ``options``, which a resumed run does not take over."""

    options: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDropped(WarningNotice):
    """The run has no budget, that of the run before was ``last_usd`` US dollars."""

    last_usd: float


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
class JobsRepeated(WarningNotice):
    """``jobs`` of the manifests are equal to an earlier one; ``first`` names the first of them."""

    jobs: int
    first: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphansLeftOut(WarningNotice):
    """``jobs`` that were chosen are left out, since a job that they are made from was not."""

    jobs: int


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
class DefaultsDiffer(WarningNotice):
    """``jobs`` new jobs are bought already, but for defaults that are written out now, or were ``left_out`` since."""

    jobs: int
    written: Mapping[str, object]
    left_out: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherKeyNeeded(WarningNotice):
    """``jobs`` in flight or in doubt were submitted with an API key that is not given now."""

    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationResumed(Notice):
    """A resumed run puts its videos into ``output``."""

    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationChanged(WarningNotice):
    """The run puts its videos into ``output``, those before it went to ``before``."""

    output: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckingVideos(Notice):
    """Many ``videos`` in ``output`` that the database lacks are about to be read to their ends."""

    videos: int
    output: Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationUnlisted(WarningNotice):
    """``output`` cannot be listed; so only the videos of the first ``jobs`` jobs are looked for."""

    output: Destination
    reason: str
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideosRecovered(Notice):
    """Finished ``videos`` in ``output`` are imported, and not bought again."""

    videos: int
    output: Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class VideosRefetched(WarningNotice):
    """``videos`` in ``output`` are damaged or missing, and downloaded again.

    ``examples``: some of these jobs, by name, each with what is wrong.
    """

    videos: int
    output: Destination
    examples: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsReplaced(WarningNotice):
    """For ``jobs`` of the manifests, ``output`` has videos that were made in their place, by another prompt or model.

    ``examples``: some of these jobs, by name.
    """

    jobs: int
    output: Destination
    examples: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarsUseless(WarningNotice):
    """``sidecars`` in ``output`` lead to no video, so that these videos are bought; ``examples`` as above."""

    sidecars: int
    output: Destination
    examples: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherServiceVideos(WarningNotice):
    """``videos`` in ``output`` were made by the sandbox for a run with a real service, or the other way round."""

    videos: int
    output: Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageBegan(WarningNotice):
    """Polls do not reach the service, for the reason ``reason``."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageEnded(WarningNotice):
    """Polls reach the service again; ``polls`` of them did not."""

    polls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollsFailing(WarningNotice):
    """Polls of ``job`` keep failing.

    ``unknown``: the service does not know the generation; ``key`` is the key's label.
    """

    job: str
    reason: str
    unknown: bool
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationPutAside(WarningNotice):
    """The generation of ``job`` holds no slot any more, and is polled seldom; the facts are as in ``PollsFailing``."""

    job: str
    reason: str
    unknown: bool
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVideosIgnored(WarningNotice):
    """The generation of ``job`` has more videos than the one that is fetched, at the URLs ``others``."""

    job: str
    others: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUnknown(WarningNotice):
    """A poll of ``job`` answered the undocumented status ``word``."""

    job: str
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpectedError(WarningNotice):
    """An error that should not happen, in a step of ``job``."""

    job: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLeft(WarningNotice):
    """The download of ``job`` is left to the next run."""

    job: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargesUnknown(WarningNotice):
    """Neither log nor ledger could be read for ``generations`` failed generations."""

    generations: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogUnread(WarningNotice):
    """The usage log cannot be read."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBlocked(WarningNotice):
    """Nothing more is submitted with the key of the label ``key``."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitsCutOff(WarningNotice):
    """The last run ended during ``submits`` requests; their outcome is unknown."""

    submits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsAwaited(WarningNotice):
    """The run waits for credits."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsReturned(Notice):
    """The account has grown to ``balance_usd`` US dollars, and submits resume."""

    balance_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPriceReserved(WarningNotice):
    """``model`` has no listed price: ``usd``, by the most that a video of it has cost, is reserved for a job.

    ``assumed_usd``: the lower price that the user assumes; ``None`` without one.
    """

    model: str
    usd: float
    assumed_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetExceeded(WarningNotice):
    """Videos cost more than was reserved for them, so that ``committed_usd`` is more than ``budget_usd``."""

    committed_usd: float
    budget_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPutAside(WarningNotice):
    """``jobs`` pending jobs of a model that is refused with every key are skipped in this run."""

    model: str
    jobs: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPutAside(WarningNotice):
    """A refused job is skipped in this run."""

    job: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationUnrecorded(WarningNotice):
    """A generation of ``job`` was accepted, but the database cannot be written."""

    job: str
    generation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayGeneration(WarningNotice):
    """An earlier attempt of ``job`` was accepted too; ``service`` are the options that name the service."""

    job: str
    generation: str
    state: Path
    service: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationTakenTwice(WarningNotice):
    """The service names for ``job`` a generation that another job has."""

    job: str
    generation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRepeated(WarningNotice):
    """The video of ``job`` has the same bytes as the one of ``other``."""

    job: str
    other: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersStarted(Notice):
    """``started`` of ``wanted`` workers run on ``machines`` machines of a cluster."""

    started: int
    wanted: int
    machines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorLost(WarningNotice):
    """The coordinator's process on the cluster ended, and starts again."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorSilent(WarningNotice):
    """The coordinator's process on the cluster does not answer, and is started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsMissed(Notice):
    """``events`` events of the cluster were dropped before they were read."""

    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitsEnded(WarningNotice):
    """The run submits no more jobs, for the reason ``reason``."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSilent(WarningNotice):
    """A worker on the cluster does not call any more; others take over its jobs."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost(WarningNotice):
    """The process of a worker on the cluster ended; others take over its jobs."""

    worker: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNotStarted(WarningNotice):
    """No worker can be started on the cluster now."""

    reason: str
