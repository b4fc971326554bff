"""A plan and the question before a purchase, as tables for a person; a plan as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from batchveo.core.formatting import (
    format_count,
    format_minute,
    format_span,
    format_usd,
    round_to_cents,
    shorten_text,
    state_words,
    write_value,
)
from batchveo.core.hints import format_command
from batchveo.core.models import JobSpec, JobState
from batchveo.display.table import (
    UNLIMITED,
    Column,
    cut_middle,
    fit_middle,
    flatten_text,
    make_table,
    open_console,
    print_lines,
)
from batchveo.engine.price_book import PriceSource
from batchveo.operations.chain_rows import describe_blocked
from batchveo.operations.estimates import RunEstimate
from batchveo.operations.image_check import ImageCheck
from batchveo.operations.manifest_diff import ManifestDiff
from batchveo.operations.model_requests import ModelRequests
from batchveo.operations.plan import Plan
from batchveo.operations.quote import ModelPlan, PurchaseQuote
from batchveo.operations.retired_models import RetiredModel, find_today

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN_PROBLEMS, SHOWN_COLLISIONS = 20, 3
SHOWN_CHANGES, SHOWN_NAMES = 10, 3
LONGEST_VALUE = 24
"""Characters of a value that a list of changes shows."""
NAME_CELLS = 24
"""Cells that a job's name may take in the sample on a narrow terminal; on a wide one, a third of it."""
COUNT_COLUMNS = tuple(Column(title, right=True, whole=True) for title in ("jobs", "to make", "each"))
SOURCE_COLUMN = Column("by", whole=True)
PRICE_COLUMN = Column("price", right=True, whole=True)
SOURCE_CELLS = 100
"""Cells of a terminal from which on the table of models shows where each price comes from."""
SOURCE_WORDS = {
    PriceSource.LISTED: "price list",
    PriceSource.BOUND: "price list, at most",
    PriceSource.SEEN: "most seen",
    PriceSource.ASSUMED: "assumed",
}
ROW_COLUMNS = (Column("", width=7, whole=True, style="dim"), Column("", indented=True))

Row = tuple[str, str]
"""A label and a text; an empty label continues the row above."""


def print_plan(made: Plan, out: TextIO, *, state: Path | None = None) -> None:
    """Write the plan for a person; ``state`` is the database that its hints name."""
    console = open_console(out)
    print_lines(console, _make_model_table(made, console.width))
    out.write("\n")
    choice = [("jobs", made.choice_note)] if made.choice_note else []
    _print_rows(
        console,
        [
            *choice,
            *_describe_money(made),
            *_describe_time(made),
            *_describe_known(made, state),
            *_list_taken(made),
            *_list_retired(made, state),
            *_list_blocked(made),
            *(("WARNING", notice.text) for notice in made.defaults),
        ],
    )
    _print_rows(console, [*_list_requests(made)])
    if made.diff is not None:
        _print_rows(console, [*_list_changes(made.diff)])
    if made.images is not None:
        _print_images(console, made.images)
    _print_rows(console, [("note", note) for note in made.notes])
    out.write("\n")
    _print_sample(console, made.sample)


def print_quote(quote: PurchaseQuote, out: TextIO, *, state: Path | None = None) -> None:
    """Write what a person is asked to buy; ``state`` is the database that its hints name."""
    console = open_console(out)
    print_lines(console, _make_model_table(quote, console.width))
    out.write("\n")
    notes = [("note", note) for note in quote.notes]
    _print_rows(console, [*_describe_money(quote), *_list_retired(quote, state), *_list_blocked(quote), *notes])


def _make_model_table(quote: PurchaseQuote, width: int) -> Table:
    """Jobs and price by model, with a total if there are several."""
    models = [*quote.models]
    if len(models) > 1:
        models.append(ModelPlan(model="total", jobs=quote.jobs, new=quote.new, usd=quote.usd, unpriced=quote.unpriced))
    sources = (SOURCE_COLUMN,) if width >= SOURCE_CELLS else ()
    return make_table(
        (Column("model"), *COUNT_COLUMNS, *sources, PRICE_COLUMN),
        [
            (m.model, f"{m.jobs:,}", f"{m.new:,}", _format_each(m), *([_name_sources(m)] if sources else ()), price)
            for m, price in ((model, _format_price(model)) for model in models)
        ],
    )


def _format_each(model: ModelPlan) -> str:
    """The price of one job, or the range of prices; empty if none is known."""
    if model.lowest_usd is None or model.highest_usd is None:
        return ""
    low, high = format_usd(model.lowest_usd), format_usd(model.highest_usd)
    return low if round_to_cents(model.lowest_usd) == round_to_cents(model.highest_usd) else f"{low} to {high}"


def _name_sources(model: ModelPlan) -> str:
    return ", ".join(SOURCE_WORDS[source] for source in model.sources) if model.lowest_usd is not None else ""


def _format_price(model: ModelPlan) -> str:
    if model.new and model.unpriced == model.new:
        return "not known"
    return f"{format_usd(model.usd)}{'+' if model.unpriced else ''}"


def _print_rows(console: Console, rows: Sequence[Row]) -> None:
    print_lines(console, make_table(ROW_COLUMNS, rows, header=False))


def _describe_money(quote: PurchaseQuote) -> Iterator[Row]:
    """The price in words, and whether balance and budget suffice for it."""
    least = "at least " if quote.unpriced else ""
    price = "not known" if quote.unpriced and not quote.usd else f"{least}{format_usd(quote.usd)}"
    yield "price", price + _describe_unpriced(quote)
    if quote.prices_since is not None:
        yield "prices", f"the last known, of {format_minute(quote.prices_since)}: the service sends no prices now"
    if quote.most_usd > quote.usd:
        yield "takes", _describe_takes(quote)
    yield "balance", _compare(quote.balance_usd, quote.short_usd, quote.unpriced)
    for label, usd in quote.balances.items():
        yield "", f"{label} {format_usd(usd)}"
    if quote.budget_usd is not None:
        spent = f" ({format_usd(quote.committed_usd)} of it spent)" if quote.committed_usd else ""
        stops = "; a run stops when the budget is used" if quote.over_usd else ""
        yield "budget", _compare(quote.budget_usd, quote.over_usd, quote.unpriced, spent) + stops


def _list_blocked(quote: PurchaseQuote) -> Iterator[Row]:
    """Jobs that are not bought, since a run cannot make them now."""
    for each in quote.blocked:
        yield "blocked", f"{describe_blocked(each)}; not counted as new"


def describe_shortfall(quote: PurchaseQuote) -> str | None:
    """What balance and budget lack for the price; ``None`` if they suffice, or are not known."""
    lacking = (("balance", quote.short_usd), ("budget", quote.over_usd))
    parts = [f"the {name} is {format_usd(usd)} short" for name, usd in lacking if usd]
    return " and ".join(parts) or None


def _describe_takes(quote: PurchaseQuote) -> str:
    """What the takes of clips that gates reject cost at most, and on average by what was rejected so far."""
    text = f"with takes of rejected clips at most {format_usd(quote.most_usd)}"
    if quote.average_usd is not None:
        models = [model for model in quote.models if model.further_usd]
        judged, rejected = sum(model.judged for model in models), sum(model.rejected for model in models)
        seen = f"{rejected:,} of {format_count(judged, 'clip')} rejected so far"
        text += f", on average about {format_usd(quote.average_usd)} ({seen})"
    if quote.budget_usd is not None and not quote.over_usd and quote.committed_usd + quote.most_usd > quote.budget_usd:
        text += "; the budget may end before that"
    return text


def _compare(usd: float | None, lacking: float | None, unpriced: int, remark: str = "") -> str:
    """An amount of money, and whether it suffices; ``lacking`` dollars are short, below 0 none."""
    if usd is None or lacking is None:
        return "not known"
    verdict = f"NOT enough, {format_usd(lacking)} short" if lacking > 0 else "enough"
    return f"{format_usd(usd)}{remark}: {verdict}" + (" for what has a price" if unpriced and not lacking else "")


def _describe_unpriced(quote: PurchaseQuote) -> str:
    text = ""
    if quote.unpriced:
        models = ", ".join(f"{m.unpriced:,} of {m.model}" for m in quote.models if m.unpriced)
        text = f"; no price for {format_count(quote.unpriced, 'job')} ({models}): --assume-price gives one"
    parts = (
        (quote.bound, "at the most that the price list allows"),
        (quote.seen, "at the most that was seen so far"),
        (quote.assumed, "at the assumed price"),
    )
    return text + "".join(f"; {format_count(jobs, 'job')} {words}" for jobs, words in parts if jobs)


def _describe_time(made: Plan) -> Iterator[Row]:
    night = made.night
    if night is None or not made.new:
        return
    if night.forecast is None:
        models = ", ".join(night.unknown) if night.sources else "these models"
        yield "time", f"not known: no generation times of {models} yet"
        return
    between = f"{format_span(night.forecast.low)} to {format_span(night.forecast.high)} in 8 runs of 10"
    yield "time", f"about {format_span(night.forecast.likely)}, {between} (from {' and '.join(night.sources)})"


def _describe_known(made: Plan, state: Path | None) -> Iterator[Row]:
    """The jobs that the database has already, and those that repeat a request."""
    counts = dict(made.by_state)
    done, pending = counts.pop(JobState.SUCCEEDED, 0), counts.pop(JobState.PENDING, 0)
    failed, cancelled = counts.pop(JobState.FAILED, 0), counts.pop(JobState.CANCELLED, 0)
    numbers = ((done, "already done"), (sum(counts.values()), "in progress"), (pending, "pending"))
    parts = [f"{number:,} {words}" for number, words in numbers if number]
    skipped = " and ".join(f"{n:,} {word}" for n, word in ((failed, "failed"), (cancelled, "cancelled")) if n)
    if skipped:
        states = ["--state-is", "failed", "--state-is", "cancelled"] if cancelled else []
        parts.append(f"{skipped} (skipped; `{format_command('retry', *states, state=state)}` sets them to pending)")
    if parts:
        yield "so far", ", ".join(parts)
    if made.repeated:
        yield (
            "repeats",
            f"{format_count(made.repeated, 'job')} repeat an earlier request and will be charged separately",
        )


def _list_taken(made: Plan) -> Iterator[Row]:
    if not made.colliding:
        return
    yield "names", f"{made.colliding:,} already taken; their files get a suffix, ~ and an id"
    shown = made.collisions[:SHOWN_COLLISIONS]
    for collision in shown:
        yield "", f"{collision.place}: {collision.name}, by {collision.by}"
    if made.colliding > len(shown):
        yield "", f"... and {made.colliding - len(shown):,} more"


def _list_changes(diff: ManifestDiff) -> Iterator[Row]:
    """What is new, changed and gone, each with some names."""
    yield "new", _count_names([job.name for job in diff.new])
    groups: dict[str, list[str]] = {}
    for job in diff.changed:
        groups.setdefault(", ".join(map(_write_change, job.fields.items())), []).append(job.name)
    yield "changed", f"{len(diff.changed):,}" + ("; each is a new job, and bought" if groups else "")
    for words, names in sorted(groups.items(), key=lambda group: -len(group[1]))[:SHOWN_CHANGES]:
        yield "", f"  {words}: {_count_names(names)}"
    if len(groups) > SHOWN_CHANGES:
        yield "", f"  ... and {len(groups) - SHOWN_CHANGES:,} other changes; --json prints all"
    if diff.gone is None:
        yield "gone", "not known, since only some of the jobs are chosen"
        return
    states = ", ".join(f"{jobs:,} {state_words(state)}" for state, jobs in diff.gone_by_state.items())
    yield "gone", _count_names([job.name for job in diff.gone]) + (f": {states}" if states else "")


def _write_change(change: tuple[str, tuple[object, object]]) -> str:
    """``duration 8 → 4``; of long values, such as prompts, only the name of the field."""
    name, pair = change
    old, new = ("absent" if value is None else write_value(value) for value in pair)
    return f"{name} {old} → {new}" if max(len(old), len(new)) <= LONGEST_VALUE else name


def _count_names(names: Sequence[str]) -> str:
    """``3 (fox, owl, cat)``."""
    if not names:
        return "0"
    shown = ", ".join(shorten_text(name, NAME_CELLS) for name in names[:SHOWN_NAMES])
    return f"{len(names):,} ({shown}{', ...' if len(names) > SHOWN_NAMES else ''})"


def _list_retired(quote: PurchaseQuote, state: Path | None) -> Iterator[Row]:
    """Models that end, each with what a person can do: before a job is in the database, edit the manifest."""
    today = find_today()
    for retired in quote.retired:
        yield "WARNING", retired.describe(today)
        new = retired.retirement.successor or "another model"
        yield "", f"name {new} in the manifest; for jobs of the database: `{retired.format_retry(state)}`"


def _list_requests(made: Plan) -> Iterator[Row]:
    """What each model gets, and what it lacks of that which the others get."""
    for number, requests in enumerate(made.requests):
        yield ("" if number else "sends"), f"{requests.model}: {', '.join(map(_write_field, requests.sent.items()))}"
        if requests.refused:
            yield "", f"  takes no {', '.join(requests.refused)}"
        if requests.absent:
            assumed = (
                name if default is None else f"{name} (the service assumes {write_value(default)})"
                for name, default in requests.absent.items()
            )
            yield "", f"  gets no {', '.join(assumed)}"


def _write_field(field: tuple[str, Sequence[str]]) -> str:
    name, values = field
    return f"{name} {' | '.join(values)}" if values else name


def _print_images(console: Console, check: ImageCheck) -> None:
    verdict = "all good" if check.sizes else "all can be read"
    if check.problems:
        verdict = f"{len(check.problems):,} cannot be used"
    sizes = "" if check.sizes else "; sizes not checked, which needs pip install 'batchveo[media]'"
    _print_rows(console, [("images", f"{check.checked:,} checked: {verdict}{sizes}")])
    for problem in check.problems[:SHOWN_PROBLEMS]:
        image = shorten_text(problem.image) if problem.image.startswith("data:") else problem.image
        others = f" ({format_count(problem.jobs, 'job')})" if problem.jobs > 1 else ""
        # one unbroken line, so that a person can copy the address
        console.file.write(flatten_text(f"{problem.place}: {image} {problem.problem}{others}") + "\n")
    if len(check.problems) > SHOWN_PROBLEMS:
        _print_rows(console, [("", f"... and {len(check.problems) - SHOWN_PROBLEMS:,} more; --json prints all")])


def _print_sample(console: Console, specs: Sequence[JobSpec]) -> None:
    """Some of the jobs, a line each; on a terminal long names and prompts are cut in the middle."""
    from rich.cells import cell_len
    from rich.text import Text

    width = max((cell_len(flatten_text(spec.name)) for spec in specs), default=0)
    if console.width < UNLIMITED:
        width = min(width, max(console.width // 3, NAME_CELLS))
    console.file.write("for example\n")
    for spec in specs:
        prompt = cut_middle(flatten_text(str(spec.request.get("prompt", ""))), console.width - width - 4)
        print_lines(console, Text(f"  {fit_middle(spec.name, width)}  {prompt}"))


def make_plan_row(made: Plan) -> dict[str, object]:
    """``batchveo plan --json``. Fields are added over time, never removed."""
    return {
        "jobs": made.jobs,
        "named": made.named,
        "new": made.new,
        "estimated_usd": round(made.usd, 6),
        "unpriced": made.unpriced,
        "balance_usd": made.balance_usd,
        "models": [_make_model_row(model) for model in made.models],
        "requests": [_make_requests_row(requests) for requests in made.requests],
        "repeated": made.repeated,
        "sample": [{"name": s.name, "model": s.model, "prompt": s.request.get("prompt")} for s in made.sample],
        "notes": list(made.notes),
        "blocked": sum(each.jobs for each in made.blocked),
        "assumed": made.assumed,
        "seen": made.seen,
        "bound": made.bound,
        "short_usd": None if made.short_usd is None else round(made.short_usd, 6),
        "budget_usd": made.budget_usd,
        "committed_usd": round(made.committed_usd, 6),
        "most_usd": round(made.most_usd, 6),
        "average_usd": None if made.average_usd is None else round(made.average_usd, 6),
        "over_budget_usd": None if made.over_usd is None else round(made.over_usd, 6),
        "prices_at": made.prices_since,
        "by_state": {state.value: jobs for state, jobs in made.by_state.items()},
        "colliding": made.colliding,
        "collisions": [{"name": c.name, "source": c.source, "line": c.line, "by": c.by} for c in made.collisions],
        "balances_usd": {label: round(usd, 6) for label, usd in made.balances.items()},
        "retired": [_make_retired_row(retired) for retired in made.retired],
        "night": None if made.night is None else _make_night_row(made.night),
        "defaults": [
            {"jobs": each.jobs, "written": dict(each.written), "left_out": dict(each.left_out)}
            for each in made.defaults
        ],
        "diff": None if made.diff is None else _make_diff_row(made.diff),
        "images": None if made.images is None else _make_images_row(made.images),
    }


def _make_model_row(model: ModelPlan) -> dict[str, object]:
    return {
        "model": model.model,
        "jobs": model.jobs,
        "new": model.new,
        "usd": round(model.usd, 6),
        "unpriced": model.unpriced,
        "assumed": model.assumed,
        "seen": model.seen,
        "bound": model.bound,
        "lowest_usd": None if model.lowest_usd is None else round(model.lowest_usd, 6),
        "highest_usd": None if model.highest_usd is None else round(model.highest_usd, 6),
        "most_usd": round(model.most_usd, 6),
        "average_usd": None if model.average_usd is None else round(model.average_usd, 6),
        "judged": model.judged,
        "rejected": model.rejected,
    }


def _make_requests_row(requests: ModelRequests) -> dict[str, object]:
    """What one model gets; a field without values varies."""
    return {
        "model": requests.model,
        "sent": {name: list(values) for name, values in requests.sent.items()},
        "refused": list(requests.refused),
        "absent": dict(requests.absent),
    }


def _make_retired_row(retired: RetiredModel) -> dict[str, object]:
    """One row of the service's feed, with the name that the jobs give the model."""
    row = retired.retirement
    return {
        "model": retired.model,
        "id": row.id,
        "status": str(row.status),
        "deprecated_at": row.deprecated_at and row.deprecated_at.isoformat(),
        "shutdown_at": row.shutdown_at and row.shutdown_at.isoformat(),
        "replaced_by": list(row.replaced_by),
        "reason": row.reason,
    }


def _make_night_row(night: RunEstimate) -> dict[str, object]:
    seconds = night.forecast
    return {
        "low_seconds": None if seconds is None else round(seconds.low, 1),
        "likely_seconds": None if seconds is None else round(seconds.likely, 1),
        "high_seconds": None if seconds is None else round(seconds.high, 1),
        "sources": list(night.sources),
        "unknown": list(night.unknown),
    }


def _make_diff_row(diff: ManifestDiff) -> dict[str, object]:
    return {
        "new": [{"id": job.id, "name": job.name} for job in diff.new],
        "changed": [
            {
                "id": job.id,
                "name": job.name,
                "former_id": job.former.id,
                "former_state": job.former.state,
                "fields": {name: {"old": old, "new": new} for name, (old, new) in job.fields.items()},
            }
            for job in diff.changed
        ],
        "gone": None
        if diff.gone is None
        else [{"id": job.id, "name": job.name, "state": job.state} for job in diff.gone],
    }


def _make_images_row(check: ImageCheck) -> dict[str, object]:
    names = ("image", "problem", "source", "line", "jobs")
    problems = [{name: getattr(problem, name) for name in names} for problem in check.problems]
    return {"checked": check.checked, "sizes": check.sizes, "problems": problems}
