"""Why a run goes as fast as it goes, in words."""

from __future__ import annotations

from typing import assert_never

from batchveo.core.events import ThrottleChanged, ThrottleReason
from batchveo.core.formatting import clock_time


def limit_words(paced: ThrottleChanged) -> tuple[str, ...]:
    """Why the in-flight limit is what it is: the same at length and in short."""
    if paced.limit >= paced.ceiling:
        return ("your own limit",)
    why = f"lowered from {paced.ceiling:,} by a 429"
    when = "" if paced.lowered_at is None else f" at {clock_time(paced.lowered_at)}"
    return f"{why}{when}, climbing again", why, "lowered by a 429"


def brake_words(paced: ThrottleChanged) -> str | None:
    """What holds the submits besides the limit; ``None`` where nothing else does."""
    match paced.brake:
        case ThrottleReason.PLACES:
            return None
        case ThrottleReason.PAUSE:
            return "paused" + _until(paced)
        case ThrottleReason.LATER:
            return "what is left is tried again" + _until(paced).replace("until", "at")
        case ThrottleReason.RATE:
            return "held to your own rate"
        case ThrottleReason.CREDITS:
            return "waiting for credits"
        case ThrottleReason.DOWNLOADS:
            return "waiting for downloads, which pile up"
        case ThrottleReason.BUDGET:
            return "the budget is reserved in full"
        case ThrottleReason.NOTHING:
            return "all is submitted"
        case _:
            assert_never(paced.brake)


def _until(paced: ThrottleChanged) -> str:
    return "" if paced.until is None else f" until {clock_time(paced.until)}"
