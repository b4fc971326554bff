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
