"""A plan at a terminal of any width, and in a pipe."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from batchveo.core.models import JobState
from batchveo.display.plan import make_plan_row, print_plan, print_quote
from batchveo.operations.image_check import ImageCheck, ImageProblem
from batchveo.operations.model_requests import ModelRequests
from batchveo.operations.plan import Collision, Plan
from batchveo.operations.quote import ModelPlan
from tests.helpers.factories import make_spec
from tests.helpers.snapshots import HOSTILE

PROMPT = "東京の夜、雨が降る静かな路地で猫が歩いている場面をゆっくりと映す、長い物語" * 3
NOTE = "a run stops here: " + "these jobs are in another database too, which is beside the manifest; " * 3
PLAN = Plan(
    models=[
        ModelPlan(model="google/veo-3.1-first-last-image-to-video", jobs=1_200, new=1_000, usd=780.0),
        ModelPlan(model="kling/v9", jobs=2, new=2, unpriced=2),
    ],
    balance_usd=500.0,
    balances={"main": 400.0, "spare": 100.0},
    budget_usd=900.0,
    committed_usd=12.5,
    notes=[NOTE],
    repeated=3,
    by_state={JobState.SUCCEEDED: 190, JobState.GENERATING: 4, JobState.FAILED: 5, JobState.CANCELLED: 1},
    colliding=5,
    collisions=[Collision(name=HOSTILE, source="m.yaml", line=n, by="another job") for n in range(5)],
    sample=[
        make_spec(HOSTILE, request={"prompt": PROMPT}),
        make_spec("fox", request={"prompt": f"A fox\x1b[2J\n{HOSTILE}"}),
    ],
)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("LINES", "50")  # rich takes COLUMNS of a dumb terminal only with it


def shown(plan: Plan, out: io.StringIO) -> list[str]:
    print_plan(plan, out, state=Path("night.db"))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_plan_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Texts wrap beside their labels, and wide characters count twice; the sample is cut."""
    monkeypatch.setenv("COLUMNS", str(width))
    lines = shown(PLAN, Screen())
    assert all(cell_len(line) <= width and line.isprintable() and line == line.rstrip() for line in lines)
    assert len({cell_len(line) for line in lines if line.endswith((" price", " $780.00", "not known"))}) <= 2
    assert next(line for line in lines if line.startswith("total")).split() == ["total", "1,202", "1,002", "$780.00+"]
    words = " ".join(" ".join(lines).split())
    for part in (
        "price at least $780.00; no price for 2 jobs (2 of kling/v9): --assume-price gives one",
        "balance $500.00: NOT enough, $280.00 short",
        "main $400.00 spare $100.00",
        "budget $900.00 ($12.50 of it spent): enough for what has a price",
        "190 already done, 4 in progress, 5 failed and 1 cancelled (skipped; `batchveo retry",
        "repeats 3 jobs repeat an earlier request",
        "names 5 already taken",
        "... and 2 more",
        NOTE.strip(),
    ):
        assert part in words, part
    assert lines[-3] == "for example"
    assert "…" in lines[-2]
    assert lines[-2].endswith("長い物語")


def test_a_pipe_gets_whole_values_without_colours() -> None:
    """A line for each text, however long it is."""
    lines = shown(PLAN, io.StringIO())
    assert lines[0].split() == ["model", "jobs", "to", "make", "each", "by", "price"]
    assert f"note     {NOTE.strip()}" in lines
    assert lines[-2].endswith(PROMPT)
    assert not any("\x1b" in line or "…" in line for line in lines)


def test_the_table_shows_each_price_and_where_it_comes_from() -> None:
    """The range of one model's prices; nothing for a model without any."""
    models = [
        ModelPlan(model="a", jobs=4, new=3, usd=3.0, lowest_usd=0.5, highest_usd=1.5, seen=1, bound=1),
        ModelPlan(model="b", jobs=1, new=1, usd=2.0, lowest_usd=2.0, highest_usd=2.0, assumed=1),
        ModelPlan(model="c", jobs=1, new=1, unpriced=1),
    ]
    lines = shown(replace(PLAN, models=models), io.StringIO())
    rows = [line.split() for line in lines[1:4]]
    assert rows[0] == [
        "a",
        "4",
        "3",
        "$0.50",
        "to",
        "$1.50",
        *["price", "list,", "price", "list,", "at", "most,", "most", "seen"],
        "$3.00",
    ]
    assert rows[1] == ["b", "1", "1", "$2.00", "assumed", "$2.00"]
    assert rows[2] == ["c", "1", "1", "not", "known"]
    for words in ("the most that the price list allows", "the most that was seen so far", "the assumed price"):
        assert f"; 1 job at {words}" in " ".join(lines)
    row = make_plan_row(replace(PLAN, models=models))
    assert (row["seen"], row["bound"], row["assumed"], row["unpriced"]) == (1, 1, 1, 1)


def test_what_a_model_does_not_take_is_below_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indented, on each line that the terminal needs."""
    monkeypatch.setenv("COLUMNS", "40")
    refused = ["keyframes", "loop", "resolution", "style"]
    requests = [ModelRequests(model="veo2", sent={"prompt": []}, refused=refused)]
    lines = shown(replace(PLAN, requests=requests), Screen())
    at = lines.index("sends    veo2: prompt")
    assert lines[at + 1 : at + 3] == ["           takes no keyframes, loop,", "           resolution, style"]


def test_problems_of_images_are_not_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address can be copied from a narrow terminal; what is too much is counted."""
    monkeypatch.setenv("COLUMNS", "60")
    address = f"https://example.org/{'x' * 90}.png"
    problems = [ImageProblem(image=address, problem="HTTP 404", source="m.yaml", line=n, jobs=2) for n in range(22)]
    lines = shown(replace(PLAN, images=ImageCheck(checked=30, sizes=True, problems=problems)), Screen())
    assert "images   30 checked: 22 cannot be used" in lines
    assert lines.count(f"m.yaml:7: {address} HTTP 404 (2 jobs)") == 1
    assert "         ... and 2 more; --json prints all" in lines


def test_the_question_has_models_and_money_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person needs to say yes or no."""
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    print_quote(PLAN, screen)
    assert "budget   $900.00" in screen.getvalue()
    assert "for example" not in screen.getvalue()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"judged": 40, "rejected": 10}, "at most $21.00, on average about $12.38 (10 of 40 clips rejected so far)"),
        ({}, "with takes of rejected clips at most $21.00"),
        ({"judged": 1, "rejected": 0}, "on average about $10.00 (0 of 1 clip rejected so far)"),
    ],
)
def test_takes_have_a_line_in_the_plan_and_in_the_question(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, int], words: str
) -> None:
    """At most, and on average if clips of the model were judged."""
    monkeypatch.setenv("COLUMNS", "200")
    model = ModelPlan(model="veo2", jobs=9, new=9, usd=10.0, further_usd={2: 2.0, 1: 7.0}, **changes)
    plan = replace(PLAN, models=[model], budget_usd=None)
    screen = Screen()
    print_quote(plan, screen)
    for lines in (shown(plan, Screen()), screen.getvalue().splitlines()):
        [line] = [line for line in lines if line.startswith("takes")]
        assert words in line
    row = make_plan_row(plan)
    assert (row["estimated_usd"], row["most_usd"]) == (10.0, 21.0)
    average = {0: None, 1: 10.0, 40: 12.375}[changes.get("judged", 0)]
    assert row["average_usd"] == average
    models = row["models"]
    assert isinstance(models, list)
    found = [(part["most_usd"], part["average_usd"], part["judged"]) for part in models]
    assert found == [(21.0, average, changes.get("judged", 0))]


def test_a_budget_below_all_takes_is_mentioned() -> None:
    """If it suffices without them; else its own line says so."""
    model = ModelPlan(model="veo2", jobs=1, new=1, usd=10.0, further_usd={1: 10.0})
    for budget, is_mentioned in ((None, False), (32.5, False), (32.4, True), (22.5, True), (22.4, False)):
        lines = shown(replace(PLAN, models=[model], budget_usd=budget), Screen())
        assert ("the budget may end before that" in " ".join(" ".join(lines).split())) is is_mentioned, budget


def test_without_gates_there_is_no_line_of_takes() -> None:
    """And both sums in JSON are the price."""
    assert not any(line.startswith("takes") for line in shown(PLAN, Screen()))
    assert (make_plan_row(PLAN)["most_usd"], make_plan_row(PLAN)["average_usd"]) == (780.0, 780.0)


@given(st.text(max_size=200))
def test_no_text_is_wider_than_the_terminal(text: str) -> None:
    """In any script; and nothing controls the terminal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "60")
        named = replace(PLAN, sample=[make_spec(text or "x", request={"prompt": text})], notes=[text])
        for line in shown(named, Screen()):
            assert cell_len(line) <= 60
            assert line.isprintable()
