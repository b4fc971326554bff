"""A table of models, or of any other field: clips, success, gates, price, time, votes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batchveo.core.errors import UsageError
from batchveo.core.expressions import ExpressionError, FieldRef, Value, list_fields, write_text
from batchveo.core.fields import parse_condition
from batchveo.core.preferences import Duel, WinRate, estimate_win_rates, list_preferred
from batchveo.store import Store
from batchveo.store.conditions import text_of

MOST_OPTIONS = 200
"""Rows of a table: a field of which each job has another value compares nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One row: the jobs with one ``value`` of the field, ``None`` if they have none. Money is US dollars.

    ``success_rate``: the part of finished jobs that became clips. ``rejected_by``: clips that each gate rejected.
    ``usd_per_second``: of clips whose length is measured. ``picked``: by people.
    """

    value: Value
    clips: int
    failed: int
    accepted: int
    rejected: int
    rejected_by: Mapping[str, int] = field(default_factory=dict)
    usd_per_clip: float | None = None
    usd_per_second: float | None = None
    median_seconds: float | None = None
    p90_seconds: float | None = None
    picked: int = 0
    rejected_by_people: int = 0
    rating: float | None = None
    win_rate: WinRate | None = None

    @property
    def success_rate(self) -> float:
        """Clips as a part of finished jobs."""
        return self.clips / (self.clips + self.failed)

    def make_row(self) -> dict[str, object]:
        """The fields of the JSON object."""
        win = self.win_rate
        return {
            "value": self.value,
            "clips": self.clips,
            "failed": self.failed,
            "success_rate": round(self.success_rate, 4),
            "accepted": self.accepted,
            "rejected": self.rejected,
            "rejected_by": dict(self.rejected_by),
            "usd_per_clip": _round(self.usd_per_clip, 6),
            "usd_per_second": _round(self.usd_per_second, 6),
            "median_seconds": _round(self.median_seconds, 3),
            "p90_seconds": _round(self.p90_seconds, 3),
            "picked": self.picked,
            "rejected_by_people": self.rejected_by_people,
            "rating": _round(self.rating, 3),
            "win_rate": None if win is None else round(win.rate, 4),
            "win_rate_low": None if win is None else _round(win.low, 4),
            "win_rate_high": None if win is None else _round(win.high, 4),
            "comparisons": 0 if win is None else win.duels,
            "prompts_compared": 0 if win is None else win.prompts,
            "enough_votes": win is not None and win.is_enough,
        }


def compare_clips(store: Store, by: str = "model") -> list[Compared]:
    """The table by a field: the rows with most clips first. Raises ``UsageError`` if there is no such field."""
    by = check_axis(by)
    times: dict[Value, list[float]] = defaultdict(list)
    for row in store.figures.list_times(by):
        times[text_of(row["value"])].append(row["seconds"])
    gates: dict[Value, Counter[str]] = defaultdict(Counter)
    for row in store.figures.count_rejections(by):
        gates[text_of(row["value"])][row["gate"] or ""] += row["clips"]
    standings = {text_of(row["value"]): row for row in store.figures.list_standings(by)}
    rates = _estimate_rates(store, by)
    found = []
    for row in store.figures.list_figures(by):
        value = text_of(row["value"])
        seconds = sorted(times[value])
        standing = standings.get(value)
        found.append(
            Compared(
                value=value,
                **{name: row[name] for name in ("clips", "failed", "accepted", "rejected")},
                rejected_by=dict(gates[value].most_common()),
                usd_per_clip=row["usd"] / row["priced"] if row["priced"] else None,
                usd_per_second=row["usd_of_timed"] / row["seconds"] if row["seconds"] else None,
                median_seconds=_find_quantile(seconds, 0.5),
                p90_seconds=_find_quantile(seconds, 0.9),
                picked=standing["picked"] if standing else 0,
                rejected_by_people=standing["rejected_by_people"] if standing else 0,
                rating=standing["rating"] if standing else None,
                win_rate=rates.get(_name_option(value)),
            )
        )
    if len(found) > MOST_OPTIONS:
        raise UsageError(f"{by} has {len(found):,} values: compare by a field with at most {MOST_OPTIONS}")
    return sorted(found, key=lambda one: (-one.clips, write_text(one.value)))


def check_axis(text: str) -> str:
    """The name of a field, as ``model``, ``seed`` or ``meta.style``; raises ``UsageError``."""
    name = text.strip()
    try:
        refs: Sequence[FieldRef] = list(list_fields(parse_condition(f"{name} != null").expression))
    except ExpressionError as error:
        raise UsageError(str(error)) from None
    if len(refs) != 1 or refs[0].name != name:
        raise UsageError(f"{text!r} is not the name of a field, such as model or meta.style")
    return name


def _estimate_rates(store: Store, by: str) -> dict[str, WinRate]:
    """The win rates of values, from votes on clips of the same prompt with different values."""
    pairs = list_preferred(store.votes.list_votes())
    seqs = {seq for pair in pairs for seq in pair}
    rows = {row["seq"]: row for row in store.figures.read_values(by, seqs)}
    values = {seq: text_of(row["value"]) for seq, row in rows.items()}
    prompts = {seq: write_text(text_of(row["prompt"])) for seq, row in rows.items()}
    return estimate_win_rates(
        [
            # of a matrix that changes the prompt too, the same one of the two, whoever won
            Duel(min(prompts[better], prompts[worse]), _name_option(values[better]), _name_option(values[worse]))
            for better, worse in pairs
            if values[better] != values[worse]
        ]
    )


def _name_option(value: Value) -> str:
    return f"{type(value).__name__} {write_text(value)}"


def _find_quantile(ordered: Sequence[float], part: float) -> float | None:
    """The value below which ``part`` of the sorted values are, between two neighbours in proportion."""
    if not ordered:
        return None
    place = part * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _round(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)
