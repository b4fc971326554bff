"""Names and values of scores, as a stranger's tool may give them."""

from __future__ import annotations

from typing import Any

import pytest

from batchveo.core.expressions import evaluate
from batchveo.core.fields import parse_condition, read_field
from batchveo.core.scores import ScoreError, check_source, read_scores
from tests.helpers.factories import make_job


@pytest.mark.parametrize(
    ("values", "scores"),
    [
        ({"score": 1}, {"t.score": 1}),
        ({"score": 0.5, "label": " dog ", "good": False}, {"t.score": 0.5, "t.label": "dog", "t.good": False}),
        ({"clip": {"score": 1, "more": {"x": 2}}}, {"clip.score": 1, "clip.more.x": 2}),
        ({"vbench.motion": 3}, {"vbench.motion": 3}),
        ({"a": None, "b": "", "c": "  ", "d": {}}, {}),
        ({"big": 10**30, "deep": -(10**30)}, {"t.big": 1e30, "t.deep": -1e30}),
        ({"猫": 1, "my score": 2}, {"t.猫": 1, "t.my score": 2}),
    ],
)
def test_scores_get_whole_names(values: dict[str, Any], scores: dict[str, Any]) -> None:
    assert read_scores(values, "t") == scores


DEEP: dict[str, Any] = {"x": 1}
for _ in range(20):
    DEEP = {"d": DEEP}


@pytest.mark.parametrize(
    "values",
    [
        {"a": [1]},
        {"a": float("nan")},
        {"a": float("-inf")},
        {"a": 10**400},
        {"a": "\ud800"},
        {"a": "x" * 20_001},
        {"": 1},
        {"a..b": 1},
        {".a": 1},
        {"x" * 300: 1},
        {"\udfff": 1},
        {"meta.x": 1},
        {"request": {"x": 1}},
        {"blur.x": 1},
        {"9.x": 1},
        DEEP,
        {"a": b"x"},
    ],
)
def test_what_is_no_score(values: dict[str, Any]) -> None:
    with pytest.raises(ScoreError):
        read_scores(values, "t")


@pytest.mark.parametrize("name", ["", "9a", "a b", "a.b", "blur", "meta", "name", "x" * 201, "a'; DROP TABLE jobs"])
def test_what_is_no_source(name: str) -> None:
    with pytest.raises(ScoreError):
        check_source(name)


def test_every_score_can_be_named_in_a_condition() -> None:
    scores = read_scores({"my score": 2, "猫": 1, "a": {"b-c": 3}}, "t")
    condition = parse_condition('t."my score" == 2 and t.猫 == 1 and a.b-c == 3')
    assert evaluate(condition.expression, lambda name: read_field(name, make_job(), scores=scores)) is True
