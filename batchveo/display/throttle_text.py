"""Why a run goes as fast as it goes, in words."""

from __future__ import annotations

from typing import assert_never

from batchveo.core.events import Brake, Paced
from batchveo.core.formatting import clock_time


def limit_words(paced: Paced) -> tuple[str, ...]:
    """Why the in-flight limit is what it is: the same at length and in short."""
    if paced.limit >= paced.ceiling:
        return ("your own limit",)
    why = f"lowered from {paced.ceiling:,} by a 429"
    when = "" if paced.lowered_at is None else f" at {clock_time(paced.lowered_at)}"
    return f"{why}{when}, climbing again", why, "lowered by a 429"


def brake_words(paced: Paced) -> str | None:
    """What holds the submits besides the limit; ``None`` where nothing else does."""
    match paced.brake:
        case Brake.PLACES:
            return None
        case Brake.PAUSE:
            return "paused" + _until(paced)
        case Brake.LATER:
            return "what is left is tried again" + _until(paced).replace("until", "at")
        case Brake.RATE:
            return "held to your own rate"
        case Brake.CREDITS:
            return "waiting for credits"
        case Brake.DOWNLOADS:
            return "waiting for downloads, which pile up"
        case Brake.BUDGET:
            return "the budget is reserved in full"
        case Brake.NOTHING:
            return "all is submitted"
        case _:
            assert_never(paced.brake)


def _until(paced: Paced) -> str:
    return "" if paced.until is None else f" until {clock_time(paced.until)}"
