"""The language of gates and filters: what it reads, what it means, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.expressions import (
    MOST_CHARACTERS,
    MOST_CONDITIONS,
    MOST_DEPTH,
    And,
    Comparison,
    ExpressionError,
    FieldRef,
    Literal,
    Value,
    evaluate,
    list_fields,
    parse_expression,
    point_at,
    read_number,
    split_name,
)

FACTS: dict[str, Value] = {
    "black_seconds": 0.2,
    "width": 1280,
    "has_sound": True,
    "silent": False,
    "model": "google/veo-3.1",
    "prompt": "A Fox in Paris",
    "meta.score": "0.75",
    "meta.split": "train",
    "empty": "",
    "unknown": None,
}


def is_met(text: str) -> bool | None:
    return evaluate(parse_expression(text), lambda name: FACTS[".".join(split_name(name))])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("black_seconds < 0.5", True),
        ("black_seconds >= .2", True),
        ("black_seconds > 2e-1", False),
        ("width == 1280", True),
        ("width != 1280.0", False),
        ("1000 < width <= 1280", True),
        ("1000 < width < 1280", False),
        ("has_sound", True),
        ("not has_sound", False),
        ("has_sound == true", True),
        ("silent == false and has_sound != false", True),
        ("TRUE and not False", True),
        ("empty", False),
        ('model == "google/veo-3.1"', True),
        ("model != 'google/veo-3.1'", False),
        ('model in ["a", "google/veo-3.1"]', True),
        ('model not in ("a", "b",)', True),
        ("width in [720, 1280]", True),
        ('"fox" in prompt', True),
        ('"wolf" not in prompt', True),
        ("meta.score > 0.5", True),
        ("meta.score == 0.75", True),
        ('meta.score == "0.75"', True),
        ('meta.score == "0.750"', False),
        ('meta."split" == "train"', True),
        ("black_seconds < 0.5 and width == 1 or has_sound", True),
        ("black_seconds < 0.5 and (width == 1 or silent)", False),
        ("not black_seconds < 0.5 or has_sound", True),
        ("not (black_seconds < 0.5 or has_sound)", False),
        ("unknown == null", True),
        ("unknown != null", False),
        ("width == null", False),
        ("null != width", True),
        ("model == width", False),
        ("model != width", True),
    ],
)
def test_what_is_known_is_true_or_false(text: str, expected: bool) -> None:
    assert is_met(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unknown < 3", None),
        ("unknown == 3", None),
        ("unknown != 3", None),
        ("not unknown < 3", None),
        ("unknown in [1, 2]", None),
        ('"a" in unknown', None),
        ("unknown", None),
        ("unknown < 3 and has_sound", None),
        ("unknown < 3 and silent", False),
        ("unknown < 3 or has_sound", True),
        ("unknown < 3 or silent", None),
        ("model < 3", None),
    ],
)
def test_an_unknown_value_decides_only_if_the_rest_leaves_it_open(text: str, expected: bool | None) -> None:
    assert is_met(text) is expected


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", 0, "missing before the end"),
        ("width =", 6, "write =="),
        ("width = 3", 6, "write =="),
        ("width == 3 && has_sound", 11, "write and"),
        ("width == 3 || has_sound", 11, "write or"),
        ("!has_sound", 0, "write not"),
        ("width <> 3", 6, "write !="),
        ("width =< 3", 6, "write <="),
        ("width < ", 8, "missing before the end"),
        ("width < 3 has_sound", 10, "not expected here"),
        ("width < 3)", 9, "not expected here"),
        ("(width < 3", 10, "closing parenthesis"),
        ('model == "a', 9, "not closed"),
        ("model in []", 9, "empty"),
        ('model in ["a" "b"]', 14, "comma"),
        ("model in [veo]", 10, 'write "veo"'),
        ('model in "abc"', 9, "a list"),
        ("width not 3", 10, "not in"),
        ("width < null", 6, "== or !="),
        ("null in [3]", 5, "== or !="),
        ("null not in [3]", 5, "== or !="),
        ("model == '\ud800'", 10, "no character"),
        ("width + 3 < 4", 6, "'+' is not known"),
        ("open('x')", 4, "not expected here"),
        ("width < 3px", 8, "3px is no number"),
        ("width < 1.2.3", 8, "1.2.3 is no number"),
        ("width / 3 < 4", 6, "no arithmetic"),
        ("width # 3", 6, "'#' is not known"),
        ("has_sound is true", 10, "write =="),
        ("prompt contains 'fox'", 7, 'write "text" in FIELD'),
        ("width between 3 and 4", 6, "write 1 <= FIELD <= 2"),
        ("{{ width }} < 3", 0, "'{' is not known"),
    ],
)
def test_a_wrong_expression_names_the_place_and_what_would_be_right(text: str, place: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert caught.value.place == place
    assert words in str(caught.value)


def test_hostile_lengths_and_depths_are_refused() -> None:
    with pytest.raises(ExpressionError, match="longer than"):
        parse_expression("a" * (MOST_CHARACTERS + 1))
    for many in ("1 or " * MOST_CONDITIONS + "1", "1<" * MOST_CONDITIONS + "1 or 1"):
        with pytest.raises(ExpressionError, match=f"more than {MOST_CONDITIONS}"):
            parse_expression(many)
    for opening in ("(", "not "):
        with pytest.raises(ExpressionError, match=f"more than {MOST_DEPTH}"):
            parse_expression(opening * 500 + "a")
    deep = "(" * (MOST_DEPTH - 1) + "has_sound" + ")" * (MOST_DEPTH - 1)
    assert is_met(deep) is True


def test_the_tree_names_its_fields_with_their_places() -> None:
    tree = parse_expression('a < 3 and not (clip.score >= b or c in [1]) and "x" in d and e')
    assert [(each.name, each.place) for each in list_fields(tree)] == [
        ("a", 0),
        ("clip.score", 15),
        ("b", 29),
        ("c", 34),
        ("d", 55),
        ("e", 61),
    ]
    assert parse_expression("1 < a < 2") == And(
        (
            Comparison(Literal(1, 0), "<", FieldRef("a", 4)),
            Comparison(FieldRef("a", 4), "<", Literal(2, 8)),
        )
    )


def test_names_are_split_at_dots_but_not_inside_quotation_marks() -> None:
    assert split_name("black_seconds") == ("black_seconds",)
    assert split_name("clip.score") == ("clip", "score")
    assert split_name(r'meta."my \"key\".x"') == ("meta", 'my "key".x')


def test_a_number_may_be_a_text_but_only_a_plain_one() -> None:
    assert read_number(" 1.5e3 ") == 1500.0
    assert read_number(True) == 1.0
    for text in ("", "nan", "inf", "1_000", "٣", "0x10", "1.5 s", "9" * 50):
        assert read_number(text) is None


def test_the_caret_is_below_the_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression("width = 3")
    lines = point_at("width = 3", caught.value).splitlines()
    assert lines[1][lines[2].index("^")] == "="


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place_inside_of_it(text: str) -> None:
    place = 0
    try:
        parse_expression(text)
    except ExpressionError as error:
        place = error.place
    assert 0 <= place <= len(text)
