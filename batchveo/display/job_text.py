"""One job as text: what is known of it, its history, and each event and request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TextIO

from batchveo.core.formatting import (
    format_count,
    format_duration,
    format_span,
    format_timestamp,
    format_usd,
    state_words,
    write_value,
)
from batchveo.core.gates import Verdict
from batchveo.core.links import fill_links
from batchveo.core.models import Job, JobState
from batchveo.display.table import GAP, Column, flatten_text, make_table, open_console, print_lines
from batchveo.operations.job_report import JobReport, describe_measured
from batchveo.store.chain_queries import Tie
from batchveo.store.links import describe_part
from batchveo.store.queries import MICRO

INDENT = " " * GAP


def print_job(report: JobReport, out: TextIO, *, now: float) -> None:
    """Print everything known of a job; ``now``: seconds since the epoch."""
    from rich.padding import Padding
    from rich.text import Text

    console = open_console(out)
    job = report.job
    print_lines(console, Text(f"{flatten_text(job.name)}: {_describe_state(report, now)}"))
    print_lines(console, Padding(Text(_explain_state(report)), (0, 0, 0, GAP)))
    sections: dict[str, Iterable[Sequence[str]]] = {
        "job": _list_facts(report),
        "made from": ((tie.job.name, report.states[tie.job.seq], _describe_taken(tie)) for tie in report.parents),
        "made from it": (
            (tie.job.name, report.states[tie.job.seq], describe_part(tie.part)) for tie in report.children
        ),
        "takes": map(_make_take, report.family),
        "history": _list_history(report),
        "requests": _list_requests(report),
    }
    for title, rows in sections.items():
        lines = [[f"{INDENT}{row[0]}", *row[1:]] for row in rows]
        if lines:
            out.write(f"\n{title}\n")
            columns = [Column("", indented=True, whole=True), *(Column("") for _ in lines[0][1:])]
            print_lines(console, make_table(columns, lines, header=False))
    if report.next_steps:
        out.write("\nnext\n")
    for step in report.next_steps:
        # a line of its own, which the terminal may wrap: so it can be pasted
        out.write(f"{INDENT}{step.command}\n")
        print_lines(console, Padding(Text(step.effect), (0, 0, 0, 2 * GAP)))


def _describe_state(report: JobReport, now: float) -> str:
    job = report.job
    words = "held in doubt" if job.held else report.wait.state if report.wait else state_words(job.state)
    ago = format_span(max(now - report.since, 0.0))
    return f"{words} since {format_timestamp(report.since)}, {ago} ago"


def _explain_state(report: JobReport) -> str:
    if report.wait is None:
        return report.job.state.sentence
    if report.wait.cause is None:
        return f"Waits for the video of another job: {report.wait.reason}."
    return f"Cannot be made without the video of another job: {report.wait.reason}."


def _list_facts(report: JobReport) -> Iterator[tuple[str, str]]:
    """What is known of the job, by name; without what is not known."""
    job = report.job
    measured, standing = describe_measured(report), report.standing
    facts = {
        "error": job.error,
        "id": job.id,
        "model": job.model,
        "prompt": job.prompt,
        "request": _list_values(_list_sent(report)),
        "meta": _list_values(job.meta),
        "manifest": _describe_place(job),
        "chain": _describe_chain(report),
        "cost": _describe_cost(report),
        "generation": job.generation_id,
        "API key": job.api_key_label,
        "file": _describe_file(report),
        "SHA-256": job.sha256,
        "verdict": _describe_verdict(report),
        "measures": _list_values(measured),
        "scores": _list_values(report.scores),
        "people": _describe_standing(report) if standing.picks or standing.rejects or standing.rating else "",
    }
    return ((name, value) for name, value in facts.items() if value)


_SHOWN_BEFORE = ("model", "prompt")
_HASH_SHOWN = 12


def _list_sent(report: JobReport) -> dict[str, object]:
    """What is sent besides model and prompt; what is taken from other jobs in words."""
    names = {tie.job.id: tie.job.name for tie in report.parents}
    sent = {name: value for name, value in report.job.request.items() if name not in _SHOWN_BEFORE}
    return {
        name: fill_links(value, lambda link: f"{describe_part(link.part)} of {names.get(link.parent, link.parent)}")
        for name, value in sent.items()
    }


def _list_values(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {write_value(value)}" for name, value in values.items() if value not in ([], None))


def _describe_place(job: Job) -> str:
    place = f"{job.source or job.manifest}{'' if job.line is None else f':{job.line}'}"
    return f"{place}, repeat {job.index}" if job.index else place


def _describe_chain(report: JobReport) -> str:
    place = report.place
    return "" if place is None else f"link {report.job.link} of {place.links}, the first is {place.name} ({place.id})"


def _describe_cost(report: JobReport) -> str:
    job = report.job
    charged = "" if job.cost_usd is None else f"{format_usd(job.cost_usd)} charged"
    others = report.reserved_usd - (job.cost_usd or 0.0)
    if others < MICRO:
        return charged
    reserved = f"{format_usd(others)} reserved: it may be charged"
    return f"{charged}, {reserved}" if charged else reserved


def _describe_file(report: JobReport) -> str:
    if report.video is None:
        return ""
    size = report.job.bytes
    known = ", ".join(
        filter(None, ("" if size is None else _format_size(size), "missing" if report.is_there is False else ""))
    )
    return f"{report.video} ({known})" if known else str(report.video)


def _format_size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size:,} bytes"


def _describe_verdict(report: JobReport) -> str:
    return report.judgements[-1][1].sentence if report.job.verdict is not None and report.judgements else ""


def _describe_standing(report: JobReport) -> str:
    standing = report.standing
    rating = "" if standing.rating is None else f"rating {standing.rating:.1f}"
    picks = format_count(standing.picks, "pick") if standing.picks else ""
    rejects = format_count(standing.rejects, "reject") if standing.rejects else ""
    return ", ".join(filter(None, (picks, rejects, rating)))


def _describe_taken(tie: Tie) -> str:
    """The part of a parent's video that a job is made from, and the video that it was taken from."""
    if tie.taken_from is None:
        return f"{describe_part(tie.part)}, not taken yet"
    take = "" if tie.taken_from == tie.job.name else f" of {tie.taken_from}"
    video = "" if tie.sha256 is None else f", from the video with SHA-256 {tie.sha256[:_HASH_SHOWN]}…"
    return f"{describe_part(tie.part)}{take}{video}"


def _make_take(take: Job) -> tuple[str, str, str]:
    decided = {Verdict.REJECTED: "rejected by its gates", Verdict.ACCEPTED: "accepted by its gates"}
    return take.name, state_words(take.state), decided.get(Verdict(take.verdict), "") if take.verdict else ""


def _list_history(report: JobReport) -> Iterator[tuple[str, str, str, str]]:
    """Each move, with the time since the one before."""
    before = report.job.created_at
    yield format_timestamp(before), "", "added", ""
    for move in report.moves:
        after = f"+{format_duration(max(move['at'] - before, 0.0))}"
        before = move["at"]
        stays = move["from_state"] == move["to_state"]
        words = "" if stays else state_words(JobState(move["to_state"]))
        yield format_timestamp(move["at"]), after, words, move["detail"] if move["detail"] != move["to_state"] else ""


def _list_requests(report: JobReport) -> Iterator[tuple[str, str, str, str]]:
    for attempt in report.attempts:
        sent, ended = attempt["sent_at"], attempt["ended_at"]
        took = "" if sent is None or ended is None else f"answered after {format_duration(max(ended - sent, 0.0))}"
        if ended is None:
            took = "not sent" if sent is None else "no answer yet"
        price = "" if attempt["price_usd"] is None else format_usd(attempt["price_usd"])
        yield f"{attempt['number']}  {attempt['client_request_id']}", price, took, attempt["generation_id"] or ""


def print_log(rows: Iterable[Mapping[str, object]], out: TextIO) -> None:
    """Print the rows of ``make_log_rows``, a line each; at a terminal long ones wrap below their beginning."""
    lines = []
    for row in rows:
        at = datetime.fromisoformat(str(row["at"])).timestamp()
        lines.append((format_timestamp(at, zone=True), _describe_log_row(row)))
    if out.isatty():
        print_lines(open_console(out), make_table([Column("", whole=True), Column("")], lines, header=False))
    else:
        out.write("".join(f"{at}  {flatten_text(text)}\n" for at, text in lines))


def _describe_log_row(row: Mapping[str, object]) -> str:
    number, request = row.get("number"), row.get("client_request_id")
    match row["event"]:
        case "added":
            text = f"added by {row['manifest']}" if row["manifest"] else "added"
        case "state":
            stays = row["from"] == row["to"]
            moved = "" if stays else f"{_name_state(row['from'])} -> {_name_state(row['to'])}"
            detail = row["detail"] if row["detail"] != row["to"] else ""
            text = ": ".join(str(part) for part in (moved, detail) if part)
        case "prepared":
            price = row["price_usd"]
            reserved = "" if price is None else f", {format_usd(float(str(price)))} reserved"
            text = f"request {number} prepared: {request}{reserved}"
        case "sent":
            text = f"request {number} leaves"
        case "answered":
            parts = (_name_state(row["outcome"]), row["detail"], row["generation_id"])
            text = f"request {number} ends: {', '.join(dict.fromkeys(str(part) for part in parts if part))}"
        case "verdict":
            text = f"{row['verdict']} by {row['gate']}" if row["gate"] else str(row["verdict"])
        case _:
            rating = "" if row["rating"] is None else f" {row['rating']}"
            text = f"{row['person']}: {str(row['kind']).replace('_', ' ')}{rating}"
    return text


def _name_state(state: object) -> str:
    return str(state).replace("_", " ")
