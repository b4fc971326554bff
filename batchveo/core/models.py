"""Jobs: their states, what a manifest asks for, and what the database stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from batchveo.core.links import ChainPlace


class JobState(StrEnum):
    """The states of a job. Every set of states that the code asks for is a property here, and only here."""

    PENDING = "pending"
    SUBMITTING = "submitting"
    IN_DOUBT = "in_doubt"
    GENERATING = "generating"
    DOWNLOADING = "downloading"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def sentence(self) -> str:
        """The meaning of this state, in one sentence."""
        return _SENTENCES[self]

    @property
    def is_terminal(self) -> bool:
        """Succeeded, failed or cancelled: a run does nothing more for the job, except to make a failed one again."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)

    @property
    def is_complete(self) -> bool:
        """Succeeded or cancelled: no run has anything to do for the job. A failed one may be made again."""
        return self in (JobState.SUCCEEDED, JobState.CANCELLED)

    @property
    def is_unsettled(self) -> bool:
        """Submitting, in doubt, generating or downloading: it may cost money, or has cost some."""
        return self in (JobState.SUBMITTING, JobState.IN_DOUBT, JobState.GENERATING, JobState.DOWNLOADING)

    @property
    def may_be_bought(self) -> bool:
        """Unsettled or succeeded: the same request again would buy the same video twice."""
        return self.is_unsettled or self is JobState.SUCCEEDED

    @property
    def is_in_flight(self) -> bool:
        """Submitting, generating or downloading: unsettled, and not in doubt."""
        return self.is_unsettled and self is not JobState.IN_DOUBT

    @property
    def is_accepted(self) -> bool:
        """Generating or downloading: the service has accepted the job, and its video is not stored yet."""
        return self in (JobState.GENERATING, JobState.DOWNLOADING)

    @property
    def awaits_generation(self) -> bool:
        """Pending, submitting, in doubt or generating: its video is still to be made."""
        return not self.is_terminal and self is not JobState.DOWNLOADING


_SENTENCES = {
    JobState.PENDING: "Waits for its turn to be submitted.",
    JobState.SUBMITTING: "Its request is on the way; the outcome is not known yet.",
    JobState.IN_DOUBT: "Its request may or may not have been accepted; the usage log will tell.",
    JobState.GENERATING: "Accepted and paid for; the service is making the video.",
    JobState.DOWNLOADING: "The video is finished and is being fetched.",
    JobState.SUCCEEDED: "The video was stored and verified.",
    JobState.FAILED: "The service refused this job for good, or reported an error for it.",
    JobState.CANCELLED: "Withdrawn before it was submitted.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A local file that a request carries as a data URI, known by its content."""

    sha256: str
    media_type: str
    path: str

    @property
    def reference(self) -> str:
        """The value that represents the file in the request until it is sent."""
        return f"{INPUT_PREFIX}{self.sha256}"


INPUT_PREFIX = "batchveo-input:"
"""The beginning of a request value that represents an input file in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogInfo:
    """Which catalogue of models jobs are validated against.

    ``digest`` identifies its data. ``made`` is the day of the service's documents in it, ``source`` the version or
    file that it comes from; both are empty if they are not known.
    """

    digest: str
    made: str = ""
    source: str = ""


def find_prompt(request: Mapping[str, object]) -> str:
    """The prompt of a request; without one, those of its shots, a line each (``multi_prompt: [{prompt: ...}]``)."""
    prompt = request.get("prompt")
    if prompt is not None:
        return str(prompt)
    parts = (part for value in request.values() if isinstance(value, list) for part in value)
    shots = (part.get("prompt") for part in parts if isinstance(part, Mapping))
    return "\n".join(shot for shot in shots if isinstance(shot, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One video that a manifest asks for, expanded and validated.

    ``id`` follows from the normalised request, the repeat index and the manifest's own ``id``, so it is always the
    same. ``name`` is as the user wrote it; ``stem`` is the name made safe for every file system, without extension
    (the store makes it unique among all jobs). ``index`` is the repeat index from 0. ``tries``: how often the video
    may be made if it fails without a charge; ``None``: the setting of the run. ``manifest`` is the file that asks for
    it; ``source`` and ``line`` are the place of its prompt, perhaps in a prompts file. ``unchecked`` are the fields of
    the request that the manifest excludes from validation. ``policy``: what is checked of its clip, as
    ``CheckPolicy.to_json`` writes it; ``None`` if nothing is. ``priority``: jobs with a higher one are submitted first.
    ``chain``: its parents, and its place in their chain; ``None`` for a job without parents.
    """

    id: str
    name: str
    stem: str
    model: str
    request: Mapping[str, object]
    index: int = 0
    meta: Mapping[str, object] = field(default_factory=dict)
    inputs: tuple[InputFile, ...] = ()
    tries: int | None = None
    manifest: str = ""
    source: str = ""
    line: int | None = None
    unchecked: tuple[str, ...] = ()
    policy: str | None = None
    priority: int = 0
    chain: ChainPlace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the database stores it. Times are seconds since the epoch, UTC; money is US dollars.

    ``api_key_label``: the label of the API key of its last submit; ``None`` if there is only one key, without a label.
    ``service``: the service of the run that submitted it, an address or ``sandbox``.
    ``troubles``: failures in a row of the current step. ``tried``: generations that ended with an error.
    ``catalog``: the digest of the catalogue of models that it was validated against when it was added; ``None`` if it
    was not. ``unchecked``: the fields that the manifest excludes from that. ``policy``: as in ``JobSpec``.
    ``verdict``: what its gates say of its clip, a ``Verdict``; ``None`` before that. ``take``: which take it is, from
    1; ``take_of``: the number of the first one, ``None`` if it is that; ``asked``: whether a person asked for it.
    ``priority``: as in ``JobSpec``. ``chain``: the number of the first job of its chain, ``None`` if it is in none;
    ``link``: its place there, from 1; ``waits``: for how many videos of other jobs it waits. ``place``: what its
    sidecar says of its chain, and of the jobs that it was made in place of, as JSON.
    """

    seq: int
    id: str
    name: str
    stem: str
    state: JobState
    model: str
    request: Mapping[str, object]
    index: int = 0
    meta: Mapping[str, object] = field(default_factory=dict)
    manifest: str = ""
    source: str = ""
    line: int | None = None
    held: bool = False
    attempts: int = 0
    troubles: int = 0
    tries: int | None = None
    tried: int = 0
    not_before: float = 0.0
    client_request_id: str | None = None
    api_key_label: str | None = None
    service: str | None = None
    generation_id: str | None = None
    video_url: str | None = None
    url_expires_at: float | None = None
    error: str | None = None
    cost_usd: float | None = None
    folder: str | None = None
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    created_at: float = 0.0
    submitted_at: float | None = None
    doubted_at: float | None = None
    completed_at: float | None = None
    finished_at: float | None = None
    catalog: str | None = None
    unchecked: tuple[str, ...] = ()
    policy: str | None = None
    verdict: str | None = None
    take: int = 1
    take_of: int | None = None
    asked: bool = False
    priority: int = 0
    chain: int | None = None
    link: int = 1
    waits: int = 0
    place: str | None = None

    @property
    def key(self) -> str | None:
        """``api_key_label`` by its former name, for older scripts."""
        return self.api_key_label

    @property
    def family(self) -> int:
        """The number of its first take: all takes of one job have the same."""
        return self.seq if self.take_of is None else self.take_of

    @property
    def time(self) -> float:
        """When it finished; else when it was submitted, or added."""
        times = (self.finished_at, self.submitted_at, self.created_at)
        return next(time for time in times if time is not None)

    @property
    def prompt(self) -> str:
        """The prompt as it is sent, or those of its shots; empty if the request has none."""
        return find_prompt(self.request)
