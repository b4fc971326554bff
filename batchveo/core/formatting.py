"""Money, numbers, times and texts in the form that every display uses.

``web/static/money.js`` is the same as ``format_usd`` in JavaScript, and rounds in the same way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from math import floor

from batchveo.core.forecast import Forecast
from batchveo.core.models import JobState


def shorten_text(text: str, width: int = 60, *, squeeze: bool = True) -> str:
    """``text`` on one line, cut to ``width`` characters; ``squeeze`` makes one space of several."""
    line = blank_unprintable(text)
    line = " ".join(line.split()) if squeeze else line
    return line if len(line) <= width else line[: width - 1] + "…"


def shorten_middle(text: str, width: int = 60) -> str:
    """``text`` on one line, cut in the middle to ``width`` characters: names often differ at their ends."""
    line = " ".join(blank_unprintable(text).split())
    if len(line) <= width:
        return line
    end = (width - 1) // 2
    return f"{line[: width - 1 - end]}…{line[len(line) - end :]}"


def blank_unprintable(text: str) -> str:
    """``text`` with a space for every character that moves a cursor, changes a colour or reverses a line."""
    return "".join(c if c.isprintable() else " " for c in text)


def is_formula(value: object) -> bool:
    """Whether a spreadsheet would take a cell for a formula."""
    return isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))


def write_value(value: object) -> str:
    """A JSON value as a manifest has it: a text as it is, ``true`` for ``True``."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def add_article(noun: str) -> str:
    """``an image``, ``a video``."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def state_words(state: JobState) -> str:
    """The name of the state in words."""
    return state.value.replace("_", " ")


def list_counts(by_state: Mapping[JobState, int], *, waiting: int = 0, blocked: int = 0) -> list[str]:
    """How many jobs are in each state, such as ``3 failed``; pending ones that wait or are blocked apart."""
    blocked = min(blocked, by_state.get(JobState.PENDING, 0))
    waiting = min(waiting, by_state.get(JobState.PENDING, 0) - blocked)
    counts = [(by_state.get(state, 0), state_words(state)) for state in JobState]
    counts[0] = (counts[0][0] - waiting - blocked, counts[0][1])
    counts[1:1] = [(waiting, "waiting"), (blocked, "blocked")]
    return [f"{number:,} {words}" for number, words in counts if number]


def format_count(number: int, noun: str) -> str:
    """``1 job``, ``2,000 jobs``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def describe_wait(doubts: int, since: float, until: float | None, now: float, *, failures: int = 0) -> str:
    """``waiting for 1 submit to appear in the usage log (12 min of at most 30 min)``.

    ``failures``: failed generations that are made again if the log shows that they were free.
    """
    ago = format_span(max(now - since, 0.0))
    most = "so far" if until is None else f"of at most {format_span(max(until - since, 0.0))}"
    kinds = ((doubts, "submit"), (failures, "failed generation"))
    parts = [format_count(number, noun) for number, noun in kinds if number]
    return f"waiting for {' and '.join(parts)} to appear in the usage log ({ago} {most})"


def format_span(seconds: float) -> str:
    """``2 d 4 h``, ``3 h 10 min``, ``12 min``, ``40 s``: as exact as a person needs."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days:,} d {hours} h"


def format_duration(seconds: float) -> str:
    """``1 h 05 min``, ``2 min 07 s``, ``3.2 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def format_elapsed(seconds: float) -> str:
    """``0:07``, ``12:40``, ``2:14:09``: for a running clock."""
    minutes, rest = divmod(int(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_forecast(ahead: Forecast) -> str:
    """``about 3 h 10 min (2 h 50 min – 3 h 40 min)``; no range if both ends read the same."""
    low, high = format_span(_round_coarsely(ahead.low)), format_span(_round_coarsely(ahead.high))
    about = f"about {format_span(_round_coarsely(ahead.likely))}"
    return about if low == high else f"{about} ({low} – {high})"


def _round_coarsely(seconds: float) -> float:
    """Seconds, as exact as a forecast is: steps of 5 s, 1 min from 1 min, 5 min from 30 min, 10 min from 5 h."""
    step = 5.0 if seconds < 60 else 60.0 if seconds < 1800 else 300.0 if seconds < 18000 else 600.0
    return round(seconds / step) * step or step


def format_time(at: float) -> str:
    """The local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def format_day_and_time(at: float, now: float) -> str:
    """The local time to the minute, with its weekday if that is not today."""
    here, there = time.localtime(now), time.localtime(at)
    same_day = here[:3] == there[:3]
    return time.strftime("%H:%M" if same_day else "%a %H:%M", there)


def format_minute(at: float) -> str:
    """Local date and time to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def format_timestamp(at: float, *, zone: bool = False) -> str:
    """Local date and time to the second; with ``zone``, also the difference to UTC: ``2027-01-15 09:00:00+0100``."""
    return time.strftime("%Y-%m-%d %H:%M:%S%z" if zone else "%Y-%m-%d %H:%M:%S", time.localtime(at))


MICROS = 1_000_000
"""Prices and charges are stored in millionths of a dollar."""
_OF_A_CENT = MICROS // 100


def round_to_cents(usd: float) -> int:
    """The nearest number of cents to ``usd`` dollars; half a cent is rounded away from zero."""
    # to millionths first: a sum such as 471.835 is no binary fraction, and would be rounded up or down by chance
    micros = floor(abs(usd) * MICROS + 0.5)
    found = (micros + _OF_A_CENT // 2) // _OF_A_CENT
    return -found if usd < 0 else found


def format_usd(usd: float) -> str:
    """US dollars and cents: ``$1,234.50``, ``-$0.50``."""
    total = round_to_cents(usd)
    dollars, rest = divmod(abs(total), 100)
    return f"{'-' if total < 0 else ''}${dollars:,}.{rest:02}"


def format_rate(usd: float) -> str:
    """US dollars for one unit, as exact as the rate is, down to a millionth: ``$0.13``, ``$0.0525``, ``$0.000003``."""
    cents = round(usd * MICROS) / MICROS
    return format_usd(usd) if abs(cents * 100 - round(cents * 100)) < 1e-6 else f"${cents:,.6f}".rstrip("0")
