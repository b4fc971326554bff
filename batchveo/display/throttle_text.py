"""What limits the speed of a run, in words."""

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
            return "the remaining jobs are retried" + _until(paced).replace("until", "at")
        case ThrottleReason.RATE:
            return "at your --rate"
        case ThrottleReason.CREDITS:
            return "waiting for credits"
        case ThrottleReason.DOWNLOADS:
            return "waiting for downloads to catch up"
        case ThrottleReason.BUDGET:
            return "the whole budget is reserved"
        case ThrottleReason.NOTHING:
            return "all jobs are submitted"
        case _:
            assert_never(paced.brake)


def _until(paced: ThrottleChanged) -> str:
    return "" if paced.until is None else f" until {clock_time(paced.until)}"
