"""Snapshots as lines, at every size."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from batchveo.core.events import SubmitsPaused, ThrottleReason
from batchveo.core.models import JobState
from batchveo.display.event_text import Tone
from batchveo.display.live_frame import Canvas, Recent, divide_cells, make_frame
from batchveo.operations.status import ChainCounts, Flight, Snapshot
from batchveo.store import Counts
from batchveo.store.waiting_jobs import BlockedCount
from tests.helpers.snapshots import HOSTILE, NOW, make_pace, make_shot

RECENT = [Recent(NOW - 9 + n, f"done: fox-{n}.mp4 ($0.78)", Tone.GOOD) for n in range(4)] + [
    Recent(NOW - 1, "failed: " + "".join(c if c.isprintable() else " " for c in HOSTILE), Tone.BAD)
]


def drawn(shot: Snapshot, width: int = 100, height: int = 40, *, recent: list[Recent] | None = None) -> str:
    canvas = Canvas(width=width, height=height)
    return "\n".join(line.plain for line in make_frame(shot, RECENT if recent is None else recent, canvas))


def test_a_night_at_a_glance() -> None:
    """Counts, speed, what is left with its spread, money, the limit and why, doubts, holds, events."""
    text = drawn(make_shot(), width=120)
    for words in (
        "441 of 1,000",
        "44.1 %",
        "2:14:09",
        "431 succeeded",
        "  7 failed",
        "196 videos/h · $152.88/h",
        "about 3 h 10 min (2 h 50 min – 3 h 40 min)",
        "$336.18 of $800.00 · $9.36 more in flight or in doubt · 3 of unknown price",
        "8 of 9 · 1 slot kept for unresolved requests · lowered from 12 by a 429",
        "in doubt   2 · waiting for the usage log",
        "held       1 need your decision, see `batchveo jobs --state-is in_doubt`",
        "done: fox-3.mp4",
    ):
        assert words in text, words


def test_chains_at_a_glance() -> None:
    """How many are done, how many jobs wait, which ones wait in vain; these do not count as done."""
    blocked = (
        BlockedCount(state="failed", jobs=40, example="fox-2", parents=12),
        BlockedCount(state="rejected", jobs=2, example="ship-1"),
    )
    counts = {"waiting": 300, "blocked": blocked, "chains": ChainCounts(total=200, done=61)}
    shot = make_shot(**counts, pace=make_pace(brake=ThrottleReason.NOTHING, limit=12))
    assert (shot.left, shot.settled_jobs) == (517, 441)
    text = drawn(shot, width=130)
    for words in (
        "441 of 1,000",
        "chains     61 of 200 done · 300 jobs wait for the video of another",
        "blocked    42 · fox-2 and 11 others failed, ship-1 was rejected, see `batchveo jobs --state-is blocked`",
        "in flight  8 of 12 · the other jobs wait for these",
    ):
        assert words in text, words
    narrow = drawn(shot, width=50)
    assert "chains     61 of 200 done · 300 jobs wait\n" in narrow
    assert "blocked    42 · fox-2 and 11 others failed\n" in narrow
    bar = make_frame(replace(shot, blocked=blocked), [], Canvas(width=110, height=40, colours=False))[1].plain
    assert bar.count("!") in (3, 4)
    assert "chains     61 of 200 done\n" in drawn(replace(shot, waiting=0))


@pytest.mark.parametrize("width", [1, 8, 20, 39, 40, 59, 79, 119, 199])
@pytest.mark.parametrize("height", [1, 5, 9, 23, 60])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    """No line is wider, nor are there more of them, whatever the names hold."""
    canvas = Canvas(width=width, height=height)
    lines = make_frame(make_shot(), RECENT, canvas, title=f"state {'x' * 200}")
    assert 1 <= len(lines) <= height
    assert all(line.cell_len <= width for line in lines)
    assert all(c.isprintable() for line in lines for c in line.plain)


def test_a_short_terminal_keeps_what_matters() -> None:
    """The bar, what is left, the money, doubts; blank lines and events go first, the oldest before others."""
    text = drawn(make_shot(), width=79, height=9)
    for words in ("441 of 1,000", "left ", "spent ", "in doubt ", "held ", "succeeded"):
        assert words in text, words
    assert "fox-0" not in text
    assert "fox-0" not in drawn(make_shot(), width=79, height=12)


def test_columns_stand_still() -> None:
    """Numbers end in the same column, however many digits they have."""

    def ends(succeeded: int) -> list[int]:
        counts = Counts(by_state={JobState.SUCCEEDED: succeeded, JobState.PENDING: 9999 - succeeded})
        text = drawn(make_shot(counts=counts, doubts=()), recent=[])
        return [match.start() for match in re.finditer("succeeded|pending|%|of 9,999", text)]

    assert ends(3) == ends(44) == ends(777) == ends(9998)


def test_wide_characters_are_counted_as_wide() -> None:
    """A name in CJK does not push a line over the edge."""
    recent = [Recent(NOW, "done: " + "狐と月" * 30, Tone.GOOD)]
    (line,) = [line for line in make_frame(make_shot(), recent, Canvas(width=60, height=40)) if "狐と" in line.plain]
    assert 58 <= cell_len(line.plain) <= 60
    assert line.plain.endswith("…")


def test_markup_in_names_is_text() -> None:
    """What looks like markup is shown as it is."""
    recent = [Recent(NOW, "done: [red]x[/red] :smile:", Tone.GOOD)]
    assert "[red]x[/red] :smile:" in drawn(make_shot(), recent=recent)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit": 12, "lowered_at": None}, "8 of 12 · your own limit"),
        ({"brake": ThrottleReason.CREDITS, "limit": 12}, "waiting for credits"),
        ({"brake": ThrottleReason.DOWNLOADS, "limit": 12}, "waiting for downloads to catch up"),
        ({"brake": ThrottleReason.BUDGET, "limit": 12}, "the whole budget is reserved"),
        ({"brake": ThrottleReason.RATE, "limit": 12}, "at your --rate"),
        ({"brake": ThrottleReason.NOTHING, "limit": 12}, "all jobs are submitted"),
        ({"brake": ThrottleReason.PAUSE, "until": NOW + 30}, "paused until "),
        ({"brake": ThrottleReason.LATER, "until": NOW + 30}, "the remaining jobs are retried at "),
    ],
)
def test_why_the_pace_is_what_it_is(changes: dict[str, object], words: str) -> None:
    """Each brake in words."""
    counts = Counts(by_state={JobState.GENERATING: 8, JobState.PENDING: 5})
    assert words in drawn(make_shot(counts=counts, pace=make_pace(**changes)))


def test_nothing_is_claimed_that_is_not_known() -> None:
    """No speed, no time left and no limit where there is none to tell."""
    start = make_shot(videos_per_hour=0.0, ahead=None, pace=None)
    assert "no video is finished yet" in drawn(start)
    assert "not known yet" in drawn(start)
    over = make_shot(going=False, pace=None, ahead=None)
    assert "559 jobs; no run is in progress" in drawn(over)
    assert "in flight" not in drawn(over).replace("in flight or in doubt", "")


def test_the_last_percent_is_not_rounded_up() -> None:
    """100.0 % is for the end."""
    nearly = Counts(by_state={JobState.SUCCEEDED: 99_999, JobState.PENDING: 1})
    assert " 99.9 %" in drawn(make_shot(counts=nearly))
    assert "100.0 %" in drawn(make_shot(counts=Counts(by_state={JobState.SUCCEEDED: 5})))


def test_without_colours_the_bar_still_tells_its_pieces() -> None:
    """By their glyphs; with colours by those."""
    grey = make_frame(make_shot(), [], Canvas(width=80, height=30, colours=False))[1].plain
    assert re.search("━+×-\\?╍─+", grey)
    bright = make_frame(make_shot(), [], Canvas(width=80, height=30))[1]
    assert {"green", "red", "yellow", "cyan", "dim"} <= {str(span.style) for span in bright.spans}


def waiting(**changes: object) -> Snapshot:
    """Nothing is left but one doubt, twelve minutes old, of at most thirty."""
    counts = Counts(by_state={JobState.SUCCEEDED: 9, JobState.IN_DOUBT: 1})
    times = {"waits_since": NOW - 720, "waits_until": NOW + 1080, "ahead": None, "doubts": ()}
    return make_shot(**{"counts": counts, "resume": "batchveo resume --state night.db", **times, **changes})


@pytest.mark.parametrize("width", [60, 100, 200])
def test_waiting_for_the_log_is_no_time_that_is_left(width: int) -> None:
    """Since when, how long at most, and that a person may end it."""
    text = "\n".join(line.plain for line in make_frame(waiting(), (), Canvas(width=width - 1, height=40)))
    assert "(12 min of at most 30 min)" in text
    assert "waiting for 1 submit to appear" in text or width == 60
    assert "Ctrl-C is safe, `batchveo resume --state night.db` continues" in text or width == 60
    assert "Ctrl-C is safe" in text
    assert "until about" not in text


def test_a_pause_says_why() -> None:
    """In as many of its words as there is room for."""
    why = SubmitsPaused(reason="cannot reach http://127.0.0.1:9 (Connection refused)", until=NOW + 8, limit=9, wait=8.0)
    shot = make_shot(slowed=why, pace=make_pace(brake=ThrottleReason.PAUSE, until=NOW + 8, limit=12))
    text = "\n".join(line.plain for line in make_frame(shot, (), Canvas(width=100, height=40)))
    assert re.search(r"paused until \d\d:\d\d:\d\d: cannot reach http://127.0.0.1:9 \(Connection refused\)", text)
    away = make_shot(
        slowed=replace(why, unreachable=True), pace=shot.pace, counts=Counts(by_state={JobState.PENDING: 9})
    )
    narrow = "\n".join(line.plain for line in make_frame(away, (), Canvas(width=59, height=40)))
    assert re.search(r"0 of 12 · paused until \d\d:\d\d:\d\d: no connection", narrow)
    calm = make_shot(slowed=why, pace=make_pace(brake=ThrottleReason.NOTHING, limit=12))
    assert "cannot reach" not in "\n".join(line.plain for line in make_frame(calm, (), Canvas(width=100, height=40)))


def flying(number: int = 8, *, width: int = 100, height: int = 40, **changes: object) -> list[str]:
    """The lines of a frame from the list of what is in flight on."""
    states = {JobState.GENERATING: number, JobState.PENDING: 90}
    flights = tuple(
        Flight(
            name=f"hero-watch-{n:03}-in-a-street-at-night", state=JobState.GENERATING, since=NOW - 60 + n, expected=80.0
        )
        for n in range(min(number, Canvas(width=width, height=height).most_flights))
    )
    shot = make_shot(**{"counts": Counts(by_state=states), "flights": flights, "doubts": (), **changes})
    text = drawn(shot, width, height).splitlines()
    first = next((n for n, line in enumerate(text) if line.startswith("in flight")), len(text))
    return text[first + 1 :]


def test_what_is_in_flight_if_there_is_room() -> None:
    """The oldest first, each with its time; the last line counts the others, and events keep their room."""
    listed = [line for line in flying() if "of about" in line]
    assert len(listed) == 8
    assert re.match(r"hero-watch-000-in-a-street-at-night  ━+─+ +1:00 of about 1:20", listed[0])
    low = flying(height=22)
    assert sum("of about" in line for line in low) == 4
    assert "and 4 more in flight" in low
    assert sum("fox-" in line for line in low) == 4
    assert not any("of about" in line for line in flying(height=16))


def test_two_jobs_in_a_row_on_a_wide_terminal() -> None:
    """Down the first column, then down the second."""
    listed = [line for line in flying(7, width=199) if "of about" in line]
    assert [re.findall(r"watch-(\d+)", line) for line in listed] == [
        ["000", "004"],
        ["001", "005"],
        ["002", "006"],
        ["003"],
    ]


def test_a_long_name_is_cut_in_the_middle() -> None:
    """Names often differ at their ends."""
    line = next(line for line in flying(width=59) if "of about" in line)
    assert re.match(r"hero-watch-0\S*…\S*-at-night +1:00 of about 1:20", line)


def test_nothing_is_listed_of_a_run_that_is_over() -> None:
    """What it left at the service is counted elsewhere."""
    assert not any("of about" in line for line in flying(going=False))


def test_more_in_flight_than_the_limit_is_no_contradiction() -> None:
    """A 429 lowers the limit below what is in flight."""
    text = drawn(make_shot(pace=make_pace(limit=7)))
    assert "in flight  8, limit 7 · lowered from 12 by a 429" in text


@given(st.lists(st.integers(0, 10**6), min_size=6, max_size=6), st.integers(0, 200))
def test_the_pieces_fill_the_width(sizes: list[int], width: int) -> None:
    """Exactly; and what is not there takes no room, where anything is."""
    cells = divide_cells(sizes, width)
    assert sum(cells) == width
    assert min(cells) >= 0
    assert not sum(sizes) or all(size or not cell for size, cell in zip(sizes, cells, strict=True))


def test_a_single_failure_among_thousands_is_seen() -> None:
    """One cell at least, while there is room."""
    assert divide_cells([9_998, 1, 0, 0, 0, 1], 40) == [38, 1, 0, 0, 0, 1]
