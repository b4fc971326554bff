"""The records that travel between the rooms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class JobState(StrEnum):
    """The states of a job. Each set of states that the package asks for is a property here, and nowhere else."""

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
        """What this state means, in one sentence."""
        return _SENTENCES[self]

    @property
    def is_terminal(self) -> bool:
        """Succeeded, failed or cancelled: a run does nothing more for it, unless it makes a failed one again."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)

    @property
    def is_complete(self) -> bool:
        """Succeeded or cancelled: no run has anything to do for the job. A failed one may be made again."""
        return self in (JobState.SUCCEEDED, JobState.CANCELLED)

    @property
    def is_unsettled(self) -> bool:
        """Submitted, or about to be, and neither given back nor terminal: it may cost money, or has."""
        return self in (JobState.SUBMITTING, JobState.IN_DOUBT, JobState.GENERATING, JobState.DOWNLOADING)

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
        """What stands in the request for it until it is sent."""
        return f"{INPUT_PREFIX}{self.sha256}"


INPUT_PREFIX = "batchveo-input:"
"""Marks a request value that stands for an input file kept in the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One video asked for by a manifest, fully expanded and validated.

    ``id`` is derived from the normalised request, the repeat index and the manifest's own ``id``; the same
    request in the same place always has the same one. ``name`` is as the user wrote it, ``stem`` is the name
    made safe for every file system (no extension; what is unique among all jobs is decided by the store).
    ``index`` is the repeat index from 0. ``tries``: how often it may be made if it fails free; ``None``: as the
    run says. ``manifest`` is the file that asked for it; ``source`` and ``line`` are where its prompt stands,
    which may be a prompts file.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the state holds it. Times are seconds since the epoch, UTC; money is US dollars.

    ``api_key_label``: the label of the API key it was last submitted with; ``None`` for the only one, which has none.
    ``service``: what the run that took it on called its service, an address or ``sandbox``.
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

    @property
    def key(self) -> str | None:
        """``api_key_label`` by its former name, for scripts written before it changed."""
        return self.api_key_label

    @property
    def prompt(self) -> str:
        """The prompt as it is sent; empty where an unvalidated model has none."""
        prompt = self.request.get("prompt", "")
        return prompt if isinstance(prompt, str) else str(prompt)
