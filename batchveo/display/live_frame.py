"""A snapshot of a run as the lines of a terminal of any width and height, without I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from batchveo.core.events import ThrottleChanged, ThrottleReason
from batchveo.core.formatting import (
    format_count,
    format_day_and_time,
    format_elapsed,
    format_forecast,
    format_time,
    format_usd,
    shorten_middle,
    shorten_text,
    state_words,
)
from batchveo.core.hints import format_command
from batchveo.core.models import JobState
from batchveo.display.event_text import LONGEST, Tone, explain_brake, explain_limit
from batchveo.display.table import fit_middle
from batchveo.display.terminal_features import make_file_url
from batchveo.operations.chain_rows import describe_causes
from batchveo.operations.status import ChainCounts, Flight, Snapshot, describe_open_wait

WIDEST = 160
"""Columns that the figures take at the most: longer lines are hard to read."""
LABEL = 9
GAP = 3
CELL_WORD = len("downloading")
STYLES = {
    JobState.SUBMITTING: "cyan",
    JobState.GENERATING: "cyan",
    JobState.DOWNLOADING: "cyan",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "bold red",
    JobState.IN_DOUBT: "yellow",
}
TONES = {Tone.GOOD: "green", Tone.DOUBT: "yellow", Tone.WARNING: "yellow", Tone.BAD: "red"}
FEW = 5
"""Events that come before the list of what is in flight, if there is not room for all."""
BESIDE = 170
"""Columns from which on that list has two jobs in a row."""
LEAST_BAR, LONGEST_BAR = 14, 40
"""Cells of the bar of a job in flight."""
LEAST_FOR_BAR = 60
"""Columns from which on there is a bar."""
LATE = 2.0
"""How many times longer than usual a generation takes that is marked as late."""
FLIGHT_TIME = len("1:23:45 of about 1:23:45")
CALM = (ThrottleReason.PLACES, ThrottleReason.NOTHING, ThrottleReason.RATE)
"""Brakes of a run without trouble."""
STAGES = (JobState.PENDING, JobState.SUBMITTING, JobState.GENERATING, JobState.DOWNLOADING)
ENDS = (JobState.SUCCEEDED, JobState.FAILED, JobState.IN_DOUBT, JobState.CANCELLED)


class Piece(NamedTuple):
    """A part of the bar: the states that it counts, its style, its glyph with colours and without."""

    states: tuple[JobState, ...]
    style: str
    glyph: str
    plain_glyph: str


BLOCKED = Piece((), "dim red", "━", "!")
"""Pending jobs that nothing can be made of."""
PIECES = (
    Piece((JobState.SUCCEEDED,), "green", "━", "━"),
    Piece((JobState.FAILED,), "red", "━", "×"),
    BLOCKED,
    Piece((JobState.CANCELLED,), "dim", "━", "-"),
    Piece((JobState.IN_DOUBT,), "yellow", "━", "?"),
    Piece((JobState.DOWNLOADING, JobState.GENERATING, JobState.SUBMITTING), "cyan", "━", "╍"),
    Piece((JobState.PENDING,), "dim", "─", "─"),
)


class Recent(NamedTuple):
    """A line about one of the last events; ``at`` is in seconds since the epoch, ``file`` is what it links to."""

    at: float
    text: str
    tone: Tone
    file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The room for a frame, in cells; without ``colours`` the pieces of the bar differ by their glyphs."""

    width: int
    height: int
    colours: bool = True

    @property
    def most_flights(self) -> int:
        """How many jobs in flight may find room."""
        return self.height * (2 if self.width >= BESIDE else 1)


def make_frame(shot: Snapshot, recent: Sequence[Recent], canvas: Canvas, *, title: str | None = None) -> list[Text]:
    """The lines of a frame within ``canvas``; if its height is too small, the least important lines are left out."""
    width = min(canvas.width, WIDEST)
    ranked: list[tuple[int, Text]] = [(6, Text(title, style="bold"))] if title else []
    ranked.insert(0, (9, Text()))
    ranked.append((0, _make_head(shot, width, colours=canvas.colours)))
    ranked.append((9, Text()))
    ranked += [(5, line) for line in _make_counts(shot, width)]
    ranked.append((9, Text()))
    ranked += [(rank, _make_row(label, variants, width)) for rank, label, variants in _collect_rows(shot)]
    few = min(len(recent), FEW)
    room = canvas.height - len(ranked) - (few + 1 if recent else 0)
    flights = _list_flights(shot, canvas, rows=room - 1)
    if flights:
        ranked.append((9, Text()))
        ranked += [(9, line) for line in flights]
        room -= len(flights) + 1
    if recent:
        ranked.append((9, Text()))
        ranked += [(8, format_recent(item)) for item in recent[-(few + max(room, 0)) :]]
    return [_cut_line(line, canvas.width) for line in _drop_lines(ranked, canvas.height)]


def _list_flights(shot: Snapshot, canvas: Canvas, *, rows: int) -> list[Text]:
    """What is in flight, the oldest first, in at most ``rows`` lines; the last one counts what has no room."""
    beside = 2 if canvas.width >= BESIDE else 1
    number = shot.in_flight + shot.counts[JobState.DOWNLOADING]
    if not shot.going or not shot.flights or rows < 1:
        return []
    lines = -(-number // beside)
    shown = min(lines, len(shot.flights), rows if lines <= rows else rows - 1)
    if shown < 1:
        return []
    width = (canvas.width - GAP * (beside - 1)) // beside
    flights = shot.flights[: shown * beside]
    bar = 0 if width < LEAST_FOR_BAR else width - FLIGHT_TIME - 4 - max(cell_len(flight.name) for flight in flights)
    bar = bar and min(max(bar, LEAST_BAR), LONGEST_BAR)
    cells = [_make_flight(flight, shot.now, width, bar=bar, colours=canvas.colours) for flight in flights]
    # down the first column, then down the second, so that the order of the ages can be read
    columns = [cells[n : n + shown] for n in range(0, len(cells), shown)]
    listed = [Text(" " * GAP).join(row) for row in zip_longest(*columns, fillvalue=Text())]
    rest = number - len(cells)
    return [*listed, Text(f"and {rest:,} more in flight", style="dim")] if rest > 0 else listed


def _make_flight(flight: Flight, now: float, width: int, *, bar: int, colours: bool) -> Text:
    """Name, progress in ``bar`` cells and time of one job, in exactly ``width`` cells."""
    elapsed = max(now - flight.since, 0.0)
    is_generating, expected = flight.state is JobState.GENERATING, flight.expected
    usual = f" of about {format_elapsed(round(expected))}" if is_generating and expected else ""
    time = Text(f"{format_elapsed(elapsed):>7}")
    time.append(f"{usual:<{FLIGHT_TIME - 7}}", style="yellow" if expected and elapsed > LATE * expected else "dim")
    progress = Text(f"{state_words(flight.state):<{bar}}", style="cyan")
    if is_generating and bar:
        done = int(min(elapsed / expected, 1.0) * bar) if expected else 0
        progress = Text(("━" if colours else "╍") * done, style="cyan").append("─" * (bar - done), style="dim")
    parts = [progress, time] if bar else [time]
    name = Text(fit_middle(flight.name, width - sum(part.cell_len + 2 for part in parts)))
    return Text("  ").join([name, *parts])


def _drop_lines(ranked: list[tuple[int, Text]], height: int) -> list[Text]:
    """As many lines as fit; those of the highest rank are left out first, and of one rank the first ones."""
    while len(ranked) > height:
        worst = max(rank for rank, _ in ranked)
        ranked.pop(next(n for n, (rank, _) in enumerate(ranked) if rank == worst))
    return [line for _, line in ranked]


def _cut_line(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line


def _make_head(shot: Snapshot, width: int, *, colours: bool) -> Text:
    total = f"{shot.counts.total:,}"
    done = f"{shot.settled_jobs:,}"
    left = f"{done:>{len(total)}} of {total}  "
    right = Text(f"  {_format_percent(shot.settled)} %")
    if shot.begun is not None and shot.going and width >= 60:
        right.append(f"  {format_elapsed(shot.now - shot.begun):>8}", style="dim")
    line = Text().append(left, style="bold")
    line.append_text(Text("").join(_draw_bar(shot, max(width - len(left) - right.cell_len, 4), colours=colours)))
    return line.append_text(right)


def _format_percent(share: float) -> str:
    """Never 100.0 before the last one."""
    return f"{min(share * 100, 99.9 if share < 1 else 100.0):5.1f}"


def _draw_bar(shot: Snapshot, width: int, *, colours: bool) -> list[Text]:
    cells = divide_cells([_count_jobs(shot, piece) for piece in PIECES], width)
    return [
        Text((piece.glyph if colours else piece.plain_glyph) * number, style=piece.style)
        for piece, number in zip(PIECES, cells, strict=True)
    ]


def _count_jobs(shot: Snapshot, piece: Piece) -> int:
    if piece is BLOCKED:
        return shot.blocked_jobs
    jobs = sum(shot.counts[state] for state in piece.states)
    return max(jobs - shot.blocked_jobs, 0) if JobState.PENDING in piece.states else jobs


def divide_cells(sizes: Sequence[int], width: int) -> list[int]:
    """Divide ``width`` cells in proportion to ``sizes``.

    Each size above 0 gets a cell, at the cost of the largest, as long as there is room. If all are 0, the last one
    gets all cells.
    """
    total = sum(sizes)
    if not total:
        return [0] * (len(sizes) - 1) + [width]
    ends = [width * sum(sizes[: n + 1]) // total for n in range(len(sizes))]
    cells = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    for n, size in enumerate(sizes):
        widest = max(range(len(cells)), key=cells.__getitem__)
        if size and not cells[n] and cells[widest] > 1:
            cells[n], cells[widest] = 1, cells[widest] - 1
    return cells


def _make_counts(shot: Snapshot, width: int) -> list[Text]:
    """All states in a grid of even columns: stages in one half, ends in the other."""
    digits = len(f"{shot.counts.total:,}")
    most = (width + GAP) // (digits + 1 + CELL_WORD + GAP)
    columns = 4 if most >= 4 else 2 if most >= 2 else 1
    pairs = list(zip(STAGES, ENDS, strict=True))
    order = [*STAGES, *ENDS] if columns == 4 else [state for pair in pairs for state in pair]
    cells = [_make_count(shot, state, digits) for state in order if columns > 1 or shot.counts[state]]
    rows = [cells[n : n + columns] for n in range(0, len(cells), columns)]
    return [Text(" " * GAP).join(row) for row in rows]


def _make_count(shot: Snapshot, state: JobState, digits: int) -> Text:
    number = shot.counts[state]
    style = STYLES.get(state, "") if number else "dim"
    cell = Text().append(f"{number:>{digits},} ", style=style)
    return cell.append(f"{state_words(state):<{CELL_WORD}}", style="" if number else "dim")


Variants = list[Text]


def _collect_rows(shot: Snapshot) -> list[tuple[int, str, Variants]]:
    """Rank, label and text of each row, the text in variants of decreasing length."""
    rows = [
        (3, "speed", _describe_speed(shot)),
        (1, "left", _describe_time_left(shot)),
        (2, "spent", _describe_spending(shot)),
        (4, "in flight", _describe_in_flight(shot)),
    ]
    if shot.going and shot.waits_since is not None:
        rows.append((2, "", _describe_interruption(shot)))
    waiting = shot.counts[JobState.IN_DOUBT] - shot.counts.held
    if waiting:
        rows.append((1, "in doubt", _describe_doubts(shot, waiting)))
    if shot.counts.held:
        rows.append((1, "held", _describe_held(shot)))
    if shot.chains is not None:
        rows.append((4, "chains", _describe_chains(shot, shot.chains)))
    if shot.blocked:
        rows.append((1, "blocked", _describe_blocked(shot)))
    return [(rank, label, variants) for rank, label, variants in rows if variants]


def _make_row(label: str, variants: Variants, width: int) -> Text:
    line = Text().append(f"{label:<{LABEL}}  ", style="dim")
    fits = (text for text in variants if line.cell_len + text.cell_len <= width)
    return line.append_text(next(fits, variants[-1]))


def _describe_speed(shot: Snapshot) -> Variants:
    if not shot.videos_per_hour:
        return [Text("no video is finished yet", style="dim")] if shot.going and shot.left else []
    videos = f"{shot.videos_per_hour:,.0f} videos/h"
    return [Text(f"{videos} · {format_usd(shot.usd_per_hour)}/h"), Text(videos)]


def _describe_time_left(shot: Snapshot) -> Variants:
    if not shot.going:
        return [Text(f"{format_count(shot.left, 'job')}; no run is in progress")] if shot.left else []
    if shot.waits_since is not None:
        return _describe_waiting(shot)
    if shot.ahead is None:
        return [Text("not known yet", style="dim")] if shot.left else []
    words = format_forecast(shot.ahead)
    about, _, bounds = words.partition(" (")
    until = Text(f"until about {format_day_and_time(shot.now + shot.ahead.likely, shot.now)}", style="dim")
    short = [Text(bounds.rstrip(")"))] if bounds else []
    return [Text(f"{words} · ").append_text(until), Text(words), *short, Text(about)]


def _describe_waiting(shot: Snapshot) -> Variants:
    words = describe_open_wait(shot)
    times = words[words.rindex("(") :]
    return [Text(words), Text(f"waiting for the usage log {times}"), Text(f"waiting for the log {times}")]


def _describe_interruption(shot: Snapshot) -> Variants:
    safe = "Ctrl-C is safe"
    return [Text(f"{safe}, `{shot.resume}` continues", style="dim"), Text(f"{safe}, `resume` continues", style="dim")]


def _describe_spending(shot: Snapshot) -> Variants:
    spent = format_usd(shot.spent)
    if shot.budget is not None:
        spent += f" of {format_usd(shot.budget)}"
    more = shot.committed - shot.spent
    short = f" · {format_usd(more)} more" if more >= 0.005 else ""
    long = f"{short} in flight or in doubt" if short else ""
    unknown = f" · {shot.unpriced:,} of unknown price" if shot.unpriced else ""
    return [Text(spent + long + unknown), Text(spent + long), Text(spent + short), Text(spent)]


def _describe_in_flight(shot: Snapshot) -> Variants:
    number, pace = f"{shot.in_flight:,}", shot.pace
    if pace is None:
        return [Text(number)] if shot.going else []
    # after a 429 the limit is below what is in flight: "8 of 7" would read like an error
    number += f" of {pace.limit:,}" if shot.in_flight <= pace.limit else f", limit {pace.limit:,}"
    brake = explain_brake(pace) or _find_kept_slots(shot, pace)
    if pace.brake is ThrottleReason.NOTHING and (shot.waiting or shot.blocked):
        brake = "the other jobs wait for these" if shot.waiting else "all other jobs are blocked"
    is_lowered = pace.limit < pace.ceiling
    style = "yellow" if is_lowered or pace.brake not in CALM else "dim"
    why = explain_limit(pace) if is_lowered or brake is None else ()
    reasons = [f"{brake} · {words}" for words in why] if brake else list(why)
    if brake and shot.slowed is not None and pace.brake in (ThrottleReason.PAUSE, ThrottleReason.LATER):
        causes = [*_cut_cause(shot.slowed.reason), *(["no connection"] if shot.slowed.unreachable else [])]
        reasons = [*(f"{brake}: {cause}" for cause in causes), *reasons]
    reasons += [brake, brake.partition(" until ")[0]] if brake else []
    return [*(Text(f"{number} · ").append(words, style=style) for words in reasons), Text(number)]


def _cut_cause(reason: str) -> list[str]:
    """``reason`` on one line: whole, then cut to shorter lengths, so that a narrow terminal shows its beginning."""
    cause = shorten_text(reason, LONGEST)
    return [_cut_line(Text(cause), cell_len(cause) * percent // 100).plain for percent in (100, 80, 60, 40)]


def _find_kept_slots(shot: Snapshot, pace: ThrottleChanged) -> str | None:
    # a submit in doubt may be generating: until it is resolved it takes a slot
    free = pace.limit - shot.in_flight
    doubts = shot.counts[JobState.IN_DOUBT] - shot.counts.held
    if pace.brake is not ThrottleReason.PLACES or not 0 < free <= doubts:
        return None
    return f"{format_count(free, 'slot')} kept for unresolved requests"


def _describe_doubts(shot: Snapshot, waiting: int) -> Variants:
    what = Text(f"{waiting:,} · waiting for the usage log", style="yellow")
    return [*_add_names(what, shot, held=False), what]


def _describe_held(shot: Snapshot) -> Variants:
    look = format_command("jobs", "--state-is", "in_doubt", state=shot.state)
    short = Text(f"{shot.counts.held:,} need your decision", style="bold yellow")
    what = Text(f"{shot.counts.held:,} need your decision, see `{look}`", style="bold yellow")
    return [*_add_names(what, shot, held=True), what, *_add_names(short, shot, held=True), short]


def _describe_chains(shot: Snapshot, chains: ChainCounts) -> Variants:
    done = f"{chains.done:,} of {chains.total:,} done"
    if not shot.waiting:
        return [Text(done)]
    wait = f"{format_count(shot.waiting, 'job')} {'waits' if shot.waiting == 1 else 'wait'}"
    wordings = (f"{wait} for the video of another", wait)
    return [*(Text(f"{done} · ").append(words, style="dim") for words in wordings), Text(done)]


def _describe_blocked(shot: Snapshot) -> Variants:
    number, causes = f"{shot.blocked_jobs:,}", ", ".join(map(describe_causes, shot.blocked))
    look = format_command("jobs", "--state-is", "blocked", state=shot.state)
    style = "bold red"
    return [
        Text(number, style=style).append(f" · {causes}, see `{look}`"),
        Text(number, style=style).append(f" · {causes}"),
        Text(number, style=style).append(f" · {describe_causes(shot.blocked[0])}"),
        Text(number, style=style),
    ]


def _add_names(what: Text, shot: Snapshot, *, held: bool) -> Variants:
    """``what`` with the names of jobs in doubt, from all that are known down to one."""
    names = [shorten_middle(job.name, 30) for job in shot.doubts if job.held is held]
    return [what.copy().append(": " + ", ".join(names[:n]), style="dim") for n in range(len(names), 0, -1)]


def format_recent(item: Recent) -> Text:
    """The time of an event and its text, whose first word has the colour of its tone."""
    word, colon, rest = item.text.partition(": ")
    line = Text().append(f"{format_time(item.at)}  ", style="dim")
    line.append(word, style=TONES.get(item.tone, "")).append(colon)
    return line.append(rest, style=Style(link=make_file_url(item.file)) if item.file else "")
