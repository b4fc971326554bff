"""A plan, as text for a person and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from batchveo.core.formatting import format_count, format_minute, format_span, format_usd
from batchveo.core.hints import format_command
from batchveo.core.models import JobSpec, JobState
from batchveo.display.columns import LABEL, UNBOUNDED, cells, fit, labelled, line_of, middle, pad
from batchveo.operations.estimates import RunEstimate
from batchveo.operations.image_check import ImageCheck
from batchveo.operations.plan import Collision, Plan
from batchveo.operations.quote import ModelPlan, PurchaseQuote

NUMBERS = (8, 9, 12)
"""Columns of the table's numbers: jobs, to make, price."""
SHOWN_PROBLEMS, SHOWN_COLLISIONS = 20, 3


def plan_row(made: Plan) -> dict[str, object]:
    """``batchveo plan --json``. Fields are added over time, never taken away."""
    return {
        "jobs": made.jobs,
        "named": made.named,
        "new": made.new,
        "estimated_usd": round(made.usd, 6),
        "unpriced": made.unpriced,
        "balance_usd": made.balance_usd,
        "models": [_model_row(model) for model in made.models],
        "repeated": made.repeated,
        "sample": [{"name": s.name, "model": s.model, "prompt": s.request.get("prompt")} for s in made.sample],
        "notes": list(made.notes),
        "assumed": made.assumed,
        "short_usd": None if made.short_usd is None else round(made.short_usd, 6),
        "budget_usd": made.budget_usd,
        "committed_usd": round(made.committed_usd, 6),
        "over_budget_usd": None if made.over_usd is None else round(made.over_usd, 6),
        "prices_at": made.prices_since,
        "by_state": {state.value: jobs for state, jobs in made.by_state.items()},
        "colliding": made.colliding,
        "collisions": [{"name": c.name, "source": c.source, "line": c.line, "by": c.by} for c in made.collisions],
        "balances_usd": {label: round(usd, 6) for label, usd in made.balances.items()},
        "night": None if made.night is None else _night_row(made.night),
        "images": None if made.images is None else _images_row(made.images),
    }


def plan_text(made: Plan, width: int, *, state: Path | None = None) -> str:
    """The plan for a person, in ``width`` columns; ``state`` is the database that its hints name."""
    return "\n".join(
        [
            *_table(made, width),
            "",
            *([labelled("jobs", made.choice_note, width)] if made.choice_note else []),
            *_money(made, width),
            *_night(made.night, made.new, width),
            *_standing(made, width, state),
            *_names(made, width),
            *(_images(made.images, width) if made.images else ()),
            *(labelled("note", note, width) for note in made.notes),
            "",
            *_sample(made.sample, width),
        ]
    )


def format_offer(offer: PurchaseQuote, width: int) -> str:
    """What a person is asked to buy."""
    notes = [labelled("note", note, width) for note in offer.notes]
    return "\n".join([*_table(offer, width), "", *_money(offer, width), *notes])


def _table(offer: PurchaseQuote, width: int) -> Iterator[str]:
    """Jobs and price by model, numbers at the right."""
    room = min(max([len(m.model) for m in offer.models] + [5]), max(width - sum(NUMBERS), 8))
    yield pad("model", room) + "".join(f"{head:>{n}}" for head, n in zip(_HEADS, NUMBERS, strict=True))
    total = ModelPlan(
        model="total",
        jobs=offer.jobs,
        new=offer.new,
        usd=offer.usd,
        unpriced=offer.unpriced,
        assumed=offer.assumed,
    )
    for row in (*offer.models, *([total] if len(offer.models) > 1 else [])):
        numbers = (f"{row.jobs:,}", f"{row.new:,}", _price(row))
        yield pad(middle(row.model, room), room) + "".join(
            f"{number:>{n}}" for number, n in zip(numbers, NUMBERS, strict=True)
        )


_HEADS = ("jobs", "to make", "price")


def _money(offer: PurchaseQuote, width: int) -> Iterator[str]:
    """The price in words, and whether balance and budget suffice for it."""
    least = "at least " if offer.unpriced else ""
    price = "not known" if offer.unpriced and not offer.usd else f"{least}{format_usd(offer.usd)}"
    yield labelled("price", price + _unquotable(offer), width)
    if offer.prices_since is not None:
        yield labelled(
            "prices", f"the last known, of {format_minute(offer.prices_since)}: the service sends no prices now", width
        )
    yield labelled("balance", _enough(offer.balance_usd, offer.short_usd, offer.unpriced), width)
    yield from (_indented(f"{label} {format_usd(usd)}", width) for label, usd in offer.balances.items())
    if offer.budget_usd is not None:
        spent = f" ({format_usd(offer.committed_usd)} of it spent)" if offer.committed_usd else ""
        enough = _enough(offer.budget_usd, offer.over_usd, offer.unpriced, spent)
        stops = "; a run stops when the budget is used" if offer.over_usd else ""
        yield labelled("budget", enough + stops, width)


def _enough(usd: float | None, lacking: float | None, unpriced: int, aside: str = "") -> str:
    if usd is None or lacking is None:
        return "not known"
    verdict = f"NOT enough, {format_usd(lacking)} short" if lacking > 0 else "enough"
    return f"{format_usd(usd)}{aside}: {verdict}" + (" for what has a price" if unpriced and not lacking else "")


def _unquotable(offer: PurchaseQuote) -> str:
    words = [f"{m.unpriced:,} of {m.model}" for m in offer.models if m.unpriced]
    told = (
        f"; no price for {format_count(offer.unpriced, 'job')} ({', '.join(words)}): --assume-price gives one"
        if words
        else ""
    )
    return told + (f"; {format_count(offer.assumed, 'job')} at the assumed price" if offer.assumed else "")


def _price(row: ModelPlan) -> str:
    if row.new and row.unpriced == row.new:
        return "not known"
    return f"{format_usd(row.usd)}" + ("+" if row.unpriced else "")


def _night(night: RunEstimate | None, new: int, width: int) -> Iterator[str]:
    if night is None or not new:
        return
    if night.forecast is None:
        of = ", ".join(night.unknown) if night.sources else "these models"
        yield labelled("time", f"not known: no generation times of {of} yet", width)
        return
    between = f"{format_span(night.forecast.low)} to {format_span(night.forecast.high)} in 8 runs of 10"
    known = f" (from {' and '.join(night.sources)})"
    yield labelled("time", f"about {format_span(night.forecast.likely)}, {between}{known}", width)


def _standing(made: Plan, width: int, state: Path | None) -> Iterator[str]:
    """What the state has of these jobs already."""
    counts = dict(made.by_state)
    done, failed = counts.pop(JobState.SUCCEEDED, 0), counts.pop(JobState.FAILED, 0)
    cancelled, pending = counts.pop(JobState.CANCELLED, 0), counts.pop(JobState.PENDING, 0)
    under_way = sum(counts.values())
    parts = [f"{done:,} already done"] if done else []
    parts += [f"{under_way:,} in progress"] if under_way else []
    parts += [f"{pending:,} pending"] if pending else []
    skipped = [f"{n:,} {word}" for n, word in ((failed, "failed"), (cancelled, "cancelled")) if n]
    back = format_command(
        "retry", *(["--state-is", "failed", "--state-is", "cancelled"] if cancelled else []), state=state
    )
    parts += [f"{' and '.join(skipped)} (skipped; `{back}` sets them to pending)"] if skipped else []
    if parts:
        yield labelled("so far", ", ".join(parts), width)
    if made.repeated:
        repeats = f"{format_count(made.repeated, 'job')} repeat an earlier request and will be charged separately"
        yield labelled("repeats", repeats, width)


def _names(made: Plan, width: int) -> Iterator[str]:
    if not made.colliding:
        return
    shown = made.collisions[:SHOWN_COLLISIONS]
    yield labelled("names", f"{made.colliding:,} already taken; their files get a suffix, ~ and an id", width)
    yield from (_indented(f"{_place(c)}: {c.name}, by {c.by}", width) for c in shown)
    if made.colliding > len(shown):
        yield _indented(f"... and {made.colliding - len(shown):,} more", width)


def _images(check: ImageCheck, width: int) -> Iterator[str]:
    verdict = (
        f"{len(check.problems):,} cannot be used"
        if check.problems
        else "all good"
        if check.sizes
        else "all can be read"
    )
    sizes = "" if check.sizes else "; sizes not checked, which needs pip install 'batchveo[media]'"
    yield labelled("images", f"{check.checked:,} checked: {verdict}{sizes}", width)
    for problem in check.problems[:SHOWN_PROBLEMS]:
        others = f" ({format_count(problem.jobs, 'job')})" if problem.jobs > 1 else ""
        # whole, not cut: whoever mends it wants to copy it
        yield line_of(f"{problem.place}: {_image(problem.image)} {problem.problem}{others}")
    if len(check.problems) > SHOWN_PROBLEMS:
        yield _indented(f"... and {len(check.problems) - SHOWN_PROBLEMS:,} more; --json prints all", width)


def _image(image: str) -> str:
    return fit(image, 60) if image.startswith("data:") else image


def _sample(specs: Sequence[JobSpec], width: int) -> Iterator[str]:
    most = 24 if width < UNBOUNDED else width
    room = min(max([cells(fit(s.name, most)) for s in specs] + [0]), most)
    yield "first jobs"
    for spec in specs:
        yield f"  {pad(fit(spec.name, room), room)}  {fit(str(spec.request.get('prompt', '')), width - room - 4)}"


def _model_row(m: ModelPlan) -> dict[str, object]:
    return {
        "model": m.model,
        "jobs": m.jobs,
        "new": m.new,
        "usd": round(m.usd, 6),
        "unpriced": m.unpriced,
        "assumed": m.assumed,
    }


def _night_row(night: RunEstimate) -> dict[str, object]:
    seconds = night.forecast
    return {
        "low_seconds": None if seconds is None else round(seconds.low, 1),
        "likely_seconds": None if seconds is None else round(seconds.likely, 1),
        "high_seconds": None if seconds is None else round(seconds.high, 1),
        "sources": list(night.sources),
        "unknown": list(night.unknown),
    }


def _images_row(check: ImageCheck) -> dict[str, object]:
    problems = [
        {"image": p.image, "problem": p.problem, "source": p.source, "line": p.line, "jobs": p.jobs}
        for p in check.problems
    ]
    return {"checked": check.checked, "sizes": check.sizes, "problems": problems}


def _place(c: Collision) -> str:
    return c.source if c.line is None else f"{c.source}:{c.line}"


def _indented(text: str, width: int) -> str:
    return " " * LABEL + fit(text, width - LABEL)
