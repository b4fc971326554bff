"""A generation, whose whole fate is settled when it is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from batchveo.sandbox.faults import ENDINGS, VIDEO, Faults
from batchveo.sandbox.seeded_random import SeededRandom
from batchveo.sandbox.settings import Settings
from batchveo.sandbox.validate import Order

_KEPT = 4096
_REASONS = (
    "The prompt could not be turned into a video. Try another wording.",
    "The generated video was withheld by the safety filters.",
    "The model failed to process the request.",
)


class Status(StrEnum):
    """How far a generation is, in the documented words."""

    QUEUED = "queued"
    GENERATING = "generating"
    COMPLETED = "completed"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One accepted submit; times are seconds since the epoch, ``file`` is its video's opaque name."""

    ordinal: int
    id: str
    file: str
    model: str
    request: Mapping[str, object]
    request_id: str
    client_request_id: str | None
    submitted_at: float
    started_at: float
    ready_at: float
    known_at: float
    seconds: int
    portrait: bool
    credits: int
    failure: str | None = None
    ending: str = ""
    """The fault that it ends by, of ``ENDINGS``."""
    flaw: str = ""
    """What is wrong with its video, of ``VIDEO``."""

    def status(self, now: float) -> Status:
        """How far it is at this moment."""
        if now < self.ready_at:
            return Status.QUEUED if now < self.started_at else Status.GENERATING
        return Status.COMPLETED if self.failure is None else Status.ERROR

    @property
    def is_charged(self) -> bool:
        """Whether it costs its price in the end."""
        return self.failure is None or self.ending == "charged-error"

    def charged(self, now: float) -> int:
        """The credits it has cost by this moment."""
        return self.credits if now >= self.ready_at and self.is_charged else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """Draws what becomes of each accepted submit."""

    settings: Settings
    dice: SeededRandom
    names: SeededRandom
    faults: Faults

    def draw(
        self,
        order: Order,
        *,
        ordinal: int,
        now: float,
        request_id: str,
        client_request_id: str | None,
        legacy: bool,
    ) -> Generation:
        """The generation made of this order, with its future."""
        settings = self.settings
        takes = self.dice.log_normal(settings.generation_median, settings.generation_sigma, "takes", ordinal)
        ending = self.faults.pick(ENDINGS, ordinal) or ""
        failed = ending and ending != "no-url"
        hidden = self.faults.strikes("poll-404", ordinal)
        return Generation(
            ordinal=ordinal,
            id=self._id(order, ordinal, legacy=legacy),
            file=self.names.digest("file", ordinal).hex(),
            model=order.named,
            request=_shortened(order.request),
            request_id=request_id,
            client_request_id=client_request_id,
            submitted_at=now,
            started_at=now + settings.queued_share * takes,
            ready_at=now + takes,
            known_at=now + settings.unknown_for if hidden else now,
            seconds=order.seconds,
            portrait=order.portrait,
            credits=order.credits,
            failure=self.dice.choice(_REASONS, "reason", ordinal) if failed else None,
            ending=ending,
            flaw=self.faults.pick(VIDEO, ordinal) or "",
        )

    def _id(self, order: Order, ordinal: int, *, legacy: bool) -> str:
        style = self.settings.id_style
        if style == "long" or (style == "by-path" and legacy):
            return f"{UUID(bytes=self.names.digest('id', ordinal), version=4)}:{order.named}"
        return f"f_X_{self.names.word(17, 'id', ordinal)}"


def _shortened(request: Mapping[str, object]) -> dict[str, object]:
    # Data URIs run to megabytes, and thousands of generations are kept.
    return {name: _short(value) if isinstance(value, str) else value for name, value in request.items()}


def _short(text: str) -> str:
    if len(text) <= _KEPT:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:64]}... ({len(text)} characters, SHA-256 {digest})"
