"""JSON that is not written as a manifest: read as ``--map`` says, or one problem that says what to add."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from batchveo.core.models import JobSpec
from batchveo.manifest import Extra, Manifests, ReadOptions
from tests.helpers.manifests import T2V, read, told

OPENAI = [
    {"custom_id": f"r{n}", "method": "POST", "url": "/v1/videos", "body": {"prompt": f"A {n}", "model": "sora"}}
    for n in range(3)
]
CHAT = [
    {
        "custom_id": "r",
        "body": {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "A 0"}]},
    }
]
SHAPES: list[tuple[Any, list[tuple[str | None, str]]]] = [
    (["A 0", "A 1"], [(None, "A 0"), (None, "A 1")]),
    ({"one": "A 0", "two": "A 1"}, [("one", "A 0"), ("two", "A 1")]),
    ({"one": {"caption": "A 0", "n": 1}, "two": {"caption": "A 1", "n": 2}}, [("one", "A 0"), ("two", "A 1")]),
    ([["A 0", "x"], ["A 1", "y"]], [(None, "A 0"), (None, "A 1")]),
    ({"data": [{"caption": "A 0", "id": "x"}, {"caption": "A 1", "id": "y"}]}, [(None, "A 0"), (None, "A 1")]),
    ([{"prompt_en": "A 0", "dimension": ["a", "b"]}], [(None, "A 0")]),
    ([{"image_id": 9, "caption": "A 0"}], [(None, "A 0")]),
    (OPENAI, [("r0", "A 0"), ("r1", "A 1"), ("r2", "A 2")]),
    (CHAT, [("r", "A 0")]),
    ([{"id": "a", "input": {"text": "A 0"}}], [(None, "A 0")]),
]


def options_in(suggestion: str | None) -> ReadOptions:
    """The options that a problem says to add."""
    words = (suggestion or "").removeprefix("add ").partition(", or ")[0] + " " + (suggestion or "")
    pairs = dict(re.findall(r"--map (\w+)='?([^\s',]+)'?", words.partition(", or ")[0]))
    extra = Extra.META if "--extra meta" in (suggestion or "") else Extra.ERROR
    return ReadOptions(sets={"model": T2V}, renames=pairs, extra=extra)


def names_and_prompts(found: list[JobSpec]) -> list[tuple[str, str]]:
    return [(job.name, str(job.request["prompt"])) for job in found]


@pytest.mark.parametrize(("value", "expected"), SHAPES)
@pytest.mark.parametrize("indent", [None, 2])
def test_what_the_problem_says_to_add_is_right(
    value: Any, expected: list[tuple[str | None, str]], indent: int | None, tmp_path: Path
) -> None:
    """One problem; and with what it says the file is read."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
    [problem] = told(path)
    assert "--set model=google/veo" in (problem.suggestion or "")
    found = names_and_prompts(read(path, options_in(problem.suggestion)))
    assert [prompt for _, prompt in found] == [prompt for _, prompt in expected]
    assert all(name in {None, is_} for (is_, _), (name, _) in zip(found, expected, strict=True))


@pytest.mark.parametrize("value", [OPENAI, CHAT, [{"caption": "A 0"}], ["A 0"]])
def test_the_same_in_lines(value: list[Any], tmp_path: Path) -> None:
    """JSON Lines, by their own name and under .json."""
    for name in ("a.jsonl", "a.json"):
        path = tmp_path / name
        path.write_text("\n".join(map(json.dumps, value)) + "\n")
        found = told(path)
        if name == "a.jsonl" or isinstance(value[0], dict):
            [problem] = found
            prompts = [prompt for _, prompt in names_and_prompts(read(path, options_in(problem.suggestion)))]
            assert prompts[0] == "A 0"
            assert len(prompts) == len(value)


def test_a_mapping_may_be_the_other_way_round(tmp_path: Path) -> None:
    """Captions that lead to their ids."""
    path = tmp_path / "a.json"
    path.write_text('{"A cat": "one", "A dog": "two"}')
    assert "or --map prompt=key --map name=value" in (told(path)[0].suggestion or "")
    found = read(path, ReadOptions(sets={"model": T2V}, renames={"prompt": "key", "name": "value"}))
    assert names_and_prompts(found) == [("one", "A cat"), ("two", "A dog")]


def test_json_lines_under_the_name_of_json(tmp_path: Path) -> None:
    """Known by their look, one line or many; a document stays one."""
    line = json.dumps({"model": T2V, "prompt": "A"})
    for content, count in [
        (line, 1),
        (f"\ufeff{line}\n\n{line}\n", 2),
        (f"[{line},\n{line}]", 2),
        (f'{{"jobs": [{line}]}}', 1),
        (json.dumps({"defaults": {"model": T2V}, "jobs": [{"prompt": "A"}]}, indent=2), 1),
    ]:
        (tmp_path / "a.json").write_text(content, encoding="utf-8")
        assert len(read(tmp_path / "a.json", ReadOptions())) == count, content


@pytest.mark.parametrize(
    "content", ['["A cat"]', '{"a": "A cat"}', '{\n"a": "A cat"\n}', '[\n"A cat"\n]', '{"a": {"text": "A"}}']
)
def test_standard_input_of_any_shape(content: str) -> None:
    """As in a file."""
    renames = {"prompt": "text" if "text" in content else "value"}
    options = ReadOptions(sets={"model": T2V}, renames=renames, extra=Extra.IGNORE)
    with Manifests(["-"], options=options, stdin=io.BytesIO(content.encode())) as manifests:
        assert manifests.check().jobs == 1


def test_a_manifest_with_mistakes_is_none_of_these(tmp_path: Path) -> None:
    """Each mistake is told by itself if somebody wrote a manifest."""
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"model": "{T2V}", "promt": "A"}}\n{{"prompt": "A"}}\n')
    assert [(problem.line, problem.field) for problem in told(path)] == [(1, "promt"), (2, "model")]


@pytest.mark.parametrize("content", ["[]", "{}", "7", "null", '"A cat"', "[{", "[1 2"])
def test_nothing_in_it(content: str, tmp_path: Path) -> None:
    """One problem, whatever it is."""
    path = tmp_path / "a.json"
    path.write_text(content)
    assert len(told(path)) == 1
    assert told(path, ReadOptions(sets={"model": T2V}, renames={"prompt": "value"}))


def test_a_large_document_is_streamed(tmp_path: Path) -> None:
    """The first row is there before the last is read."""
    path = tmp_path / "a.json"
    path.write_text('{"data": [' + ",\n".join(['{"caption": "A cat"}'] * 5000) + ",")
    options = ReadOptions(sets={"model": T2V}, renames={"prompt": "caption"}, extra=Extra.IGNORE)
    with Manifests([path], options=options) as manifests:
        assert next(iter(manifests.specs())).request["prompt"] == "A cat"
