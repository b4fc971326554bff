"""Models in words."""

from __future__ import annotations

from datetime import date

import pytest

from batchveo.display.model_text import describe_in_short, describe_rule, list_parameter_rows
from batchveo.provider.catalog import MODELS, Model, Rule
from batchveo.provider.catalog.parameters import Media, Param, ParamType
from batchveo.provider.retirement import Retirement


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(any_of=("prompt", "shots")), "prompt or shots is needed"),
        (Rule(given=("last",), any_of=("first",)), "last needs first"),
        (Rule(given=("a", "b"), excludes=("c", "d")), "a and b does not go with c or d"),
        (Rule(given=("last",), only={"duration": (8,)}), "with last, duration must be 8"),
        (Rule(only={"audio": (True, False)}), "audio must be true or false"),
    ],
)
def test_rules_in_words(rule: Rule, words: str) -> None:
    assert describe_rule(rule) == words


def test_every_rule_of_the_catalogue_has_words() -> None:
    assert all(describe_rule(rule) for model in MODELS.values() for rule in model.rules)


def test_an_ending_is_short() -> None:
    row = Retirement(id="a", status="withdrawn", shutdown_at=date(2026, 6, 30), replaced_by=("b", "c"))
    assert describe_in_short(row) == "withdrawn 2026-06-30, use b or c"
    assert describe_in_short(Retirement(id="a", status="deprecated")) == "deprecated"


def test_rows_of_nested_parts_choices_bounds_and_defaults() -> None:
    text, url = Param(type=ParamType.STRING), Param(type=ParamType.STRING, media=Media.IMAGE, takes_data=True)
    frame = Param(type=ParamType.ANY, alternatives=(
        Param(type=ParamType.OBJECT, fields={"url": url}),
        Param(type=ParamType.OBJECT, fields={"id": text, "url": text}),
    ))  # fmt: skip
    styles = Param(type=ParamType.ARRAY, items=Param(type=ParamType.STRING, choices=("a", "b")), max_length=2)
    params = {
        "size": Param(type=ParamType.STRING, choices=("720P", "1080P"), default="720P", is_assumed=True),
        "sound": Param(type=ParamType.BOOLEAN, default=True, required=True),
        "frame": frame,
        "styles": styles,
        "tags": Param(type=ParamType.ARRAY, items=text),
    }
    rows = [row[:4] for row in list_parameter_rows(Model(id="m", params=params))]
    assert rows == [
        ("size", "720P, 1080P", "720P (not documented)", ""),
        ("sound", "true or false", "true", "yes"),
        ("frame", "an object with url or an object with id and url", "", ""),
        ("frame.url", "an image URL or data URI or a text", "", ""),
        ("frame.id", "a text", "", ""),
        ("styles", "a list of at most 2 texts", "", ""),
        ("styles[]", "a, b", "", ""),
        ("tags", "a list of texts", "", ""),
    ]
