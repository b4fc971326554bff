"""Names and kinds of fields, and the values that they have of a job."""

from __future__ import annotations

import pytest

from batchveo.core.expressions import ExpressionError
from batchveo.core.fields import FIELDS, find_in, find_level, parse_condition, read_field
from batchveo.core.gates import Verdict
from batchveo.core.measures import MEASURES, CheckLevel, Measures
from batchveo.core.models import Job, JobState

NUMBERS = {"large": 2**64, "larger": -(10**400), "nan": float("nan")}
JOB = Job(
    seq=1,
    id="abc",
    name="fox",
    stem="fox",
    state=JobState.SUCCEEDED,
    model="google/veo-3.1",
    request={"prompt": "A fox", "seed": 7, "shots": [1], "inner": {"a": 1.5}},
    meta={
        "split": "train",
        "a.b": "whole",
        "a": {"c": True},
        "large": 2**64,
        "larger": -(10**400),
        "nan": float("nan"),
    },
    submitted_at=100.0,
    completed_at=130.5,
    cost_usd=0.8,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "fox"),
        ("state", "succeeded"),
        ("prompt", "A fox"),
        ("seed", 7),
        ("resolution", None),
        ("request.seed", 7),
        ("request.shots", None),
        ("request.inner.a", 1.5),
        ("meta.split", "train"),
        ("meta.a.b", "whole"),
        ("meta.a.c", True),
        ("meta.nothing", None),
        ("meta.large", float(2**64)),
        ("meta.larger", float("-inf")),
        ("meta.nan", None),
        ("generation_seconds", 30.5),
        ("cost_usd", 0.8),
        ("bytes", None),
        ("width", 1280),
        ("clip.score", 0.3),
        ("clip.other", None),
        ("take", 1),
        ("submitted_at", "1970-01-01T00:01:40.000000"),
        ("finished_at", None),
        ("cause", None),
    ],
)
def test_each_name_has_the_value_of_the_job(name: str, value: object) -> None:
    assert read_field(name, JOB, Measures(level=CheckLevel.BASIC, width=1280), {"clip.score": 0.3}) == value


def test_every_field_can_be_read_of_a_job_without_anything() -> None:
    bare = Job(seq=1, id="a", name="a", stem="a", state=JobState.PENDING, model="m", request={})
    for name in FIELDS:
        read_field(name, bare)


def test_the_values_of_a_verdict_are_those_of_gates() -> None:
    assert FIELDS["verdict"].choices == tuple(Verdict)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('state == "done"', 9, "one of pending, submitting, in_doubt"),
        ('verdict in ["accepted", "good"]', 24, "one of accepted, rejected, open"),
        ("black_second < 1", 0, "did you mean black_seconds"),
        ("score < 1", 0, "SOURCE.score a score"),
        ('black_seconds < "a"', 16, "a number of s"),
        ("1 < 2 and width == true", 19, "a number"),
        ("has_sound == 3", 13, "true or false"),
        ("has_sound < true", 0, "by == or !="),
        ("model == 3", 9, 'write "3"'),
        ("model in [3]", 10, 'write "3"'),
        ("model.name == 3", 0, "not a field"),
        ("'3' in width", 7, "a number"),
        ("'true' in has_sound", 10, "true or false"),
        ("model == veo", 9, '"veo" a text'),
        ('finished_at >= "2026-11-27T21:05Z"', 15, "a time in UTC"),
        ('submitted_at in ["2026", "yesterday"]', 25, "a time in UTC"),
        ("has_sound == yes", 13, "did you mean true?"),
    ],
)
def test_a_slip_is_refused_with_its_place(text: str, place: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text)
    assert caught.value.place == place
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["verdict", "picked", "state", "error"])
def test_a_gate_cannot_name_what_follows_from_it(name: str) -> None:
    parse_condition(f"{name} == null")
    with pytest.raises(ExpressionError, match="a gate cannot name"):
        parse_condition(f"{name} == null", in_gate=True)


def test_the_level_of_checks_is_that_of_the_measures_that_are_named() -> None:
    assert find_level(parse_condition('meta.split == "a"')) is CheckLevel.NONE
    assert find_level(parse_condition("black_seconds < 1")) is CheckLevel.BASIC
    assert find_level(parse_condition("black_seconds < 1 or blur > 1")) is CheckLevel.ALL
    assert set(MEASURES) <= set(FIELDS)


def test_values_in_mappings_are_found_by_their_whole_name_first() -> None:
    assert find_in({"a.b": 1, "a": {"b": 2}}, ("a", "b")) == 1
    assert find_in({"a": {"b": 2}}, ("a", "b")) == 2
    assert find_in({"a": [1]}, ("a",)) is None
    assert find_in({}, ()) is None
