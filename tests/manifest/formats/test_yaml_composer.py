"""Texts that YAML would cut short without a word: by a comma in braces, a comment, an anchor."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.errors import Problem
from batchveo.manifest.formats import text
from batchveo.manifest.formats.text import Comment, Comments
from tests.helpers.manifests import T2V, jobs, problems


def found(folder: Path, content: str, name: str = "a.yaml") -> list[Problem]:
    """What is wrong in a manifest of this content."""
    (folder / name).write_text(content, encoding="utf-8")
    return list(problems(folder / name))


@pytest.mark.parametrize(
    ("entry", "keys"),
    [
        ("prompt: A whale, breaching at dawn", ["breaching at dawn"]),
        ("prompt: Rain, neon, fog, seed: 7", ["neon"]),
        ("prompt: Rain, seed", ["seed"]),
        ("prompt: Rain, seed , duration: 8", []),  # a blank before the comma: no telling it from `seed: ,`
        ("name: one, two, prompt: A, negative_prompt: blur, text on screen", ["two", "text on screen"]),
        ("prompt: A, 'b c'", ["b c"]),
        ("prompt: A, b c : , seed: 1", ["b c"]),
        ("prompt: A, meta: {title: Cats, dogs}", ["dogs"]),
        ("prompt: A, matrix: {seed}", ["seed"]),
        ("prompt: {animal}", ["animal"]),
        ("prompt: {A lone cat}", ["A lone cat"]),
    ],
)
def test_a_comma_in_braces(entry: str, keys: list[str], tmp_path: Path) -> None:
    """What follows it is no key, whatever its name; one cut is told once, and quotes are what helps."""
    content = f"- {{model: {T2V}, {entry}}}\n"
    if not keys:
        assert len(jobs(tmp_path, content)) == 1
        return
    told = found(tmp_path, content)
    assert [problem.field for problem in told if problem.message == "is no key"] == keys
    assert all("quotes" in str(problem.suggestion) for problem in told if problem.message == "is no key")


def test_the_text_that_was_cut_is_named(tmp_path: Path) -> None:
    """The key before the comma is the one whose text needs quotes."""
    [problem] = found(tmp_path, f"- {{model: {T2V}, prompt: A, name: fox, red}}\n")
    assert problem.suggestion is not None
    assert problem.suggestion.startswith("does the name need quotes?")


@pytest.mark.parametrize(
    "entry", ["prompt: 'A cat, a dog', seed: ", "prompt: A, seed: , duration: 8", 'prompt: "A", meta: {a: ~}']
)
def test_braces_that_are_meant(entry: str, tmp_path: Path) -> None:
    """Quotes keep a comma, and a known key with a colon may be empty."""
    assert len(jobs(tmp_path, f"- {{model: {T2V}, {entry}}}\n")) == 1


@pytest.mark.parametrize(
    ("line", "field", "comment"),
    [
        ("prompt: A fox #wild", "prompt", "#wild"),
        ("prompt: Take # 2 of a fox", "prompt", "# 2 of a fox"),
        ("prompt: A fox    # my favourite", "prompt", "# my favourite"),
        ("prompt: A fox\t#tab", "prompt", "#tab"),
        ("negative_prompt: blur #1", "negative_prompt", "#1"),
        ("name: shot #4", "name", "#4"),
        ("name: shot # 4", "name", "# 4"),
        ("id: shot #4", "id", "#4"),
        ("meta: {a: 1, title: We are #1", "title", "#1"),
        ("matrix: {seed: [1, 2]}\n  meta:\n    tag: rated #1", "tag", "#1"),
        ("matrix:\n    style:\n    - oil #2\n    - clay\n  name: '{style}'", "style", "#2"),
        ("image_url: https://a.example/b.png #top", "image_url", "#top"),
        ("prompts_file: lines #2.txt", "prompts_file", "#2.txt"),
        ("prompt: A fox\n    runs\n    #fast\n  seed: 1", "prompt", "#fast"),
        ("prompt: A fox\n    # and a hare\n  seed: 1", "prompt", "# and a hare"),
        ("prompt: !!str A fox #wild", "prompt", "#wild"),
    ],
)
def test_a_comment_that_cuts(line: str, field: str, comment: str, tmp_path: Path) -> None:
    """It may have been meant as a part of the text: quotes tell."""
    told = found(tmp_path, f"- model: {T2V}\n  {line}\n")
    [problem] = [problem for problem in told if "is a comment" in problem.message]
    assert (problem.field, problem.message.partition(" is")[0]) == (field, repr(comment))
    assert "quotes" in str(problem.suggestion)
    expected = next(n for n, text in enumerate(f"\n{line}".split("\n"), 1) if comment in text)
    assert problem.line == expected


@pytest.mark.parametrize(
    "lines",
    [
        "prompt: 'A fox'  #quoted",
        'prompt: "A fox" # quoted',
        "prompt: A C#-minor fox#s",
        "prompt: |\n    A fox\n    # not a comment\n    #nor this",
        "prompt: A fox\n  # on a line of its own\n  seed: 1",
        "prompt: A fox\n\n    # after an empty line\n  seed: 1",
        "prompt: A fox\n# at the margin\n  seed: 1",
        "prompt: A\n  duration: 8 #seconds",
        "prompt: A\n  resolution: 720p  #small",
        "prompt: A\n  generate_audio: true #x",
        "prompt: A\n  seed: 7\n  meta: {a: b # why\n    }",
        "prompt: A\n  name: dragon           # file stem; optional",
        "prompt: A {style}\n  matrix:\n    style: # looks\n    - oil # the first\n    # the second\n    - clay",
        "prompt: A\n  repeat: 2 #twice",
    ],
)
def test_a_comment_that_is_meant(lines: str, tmp_path: Path) -> None:
    """After a value that says all, after quotes, and on a line of its own."""
    assert jobs(tmp_path, f"- model: {T2V}  #comment\n  {lines}\n")


def test_a_comment_in_defaults(tmp_path: Path) -> None:
    """They are texts as well."""
    [problem] = found(tmp_path, f"defaults:\n  model: {T2V}\n  prompt: A fox #wild\njobs: [{{seed: 1}}]\n")
    assert (problem.line, problem.field) == (3, "prompt")


def test_what_breaks_the_syntax_is_told_by_its_cause(tmp_path: Path) -> None:
    """In braces a comment swallows the brace too; the parser's words about that would lead astray."""
    [problem] = found(tmp_path, f"- {{model: {T2V}, prompt: A fox #wild, seed: 1}}\n- {{model: {T2V}}}\n")
    assert (problem.line, problem.field) == (1, "prompt")


def test_an_error_of_the_syntax_after_good_jobs(tmp_path: Path) -> None:
    """What was wrong in an earlier job does not hide it."""
    told = found(tmp_path, f"- {{model: {T2V}, prompt: A, b}}\n- model: {T2V}\n  prompt: A: b\n")
    assert [problem.line for problem in told] == [1, 3]
    assert "colon" in str(told[1].suggestion)


def test_an_anchor_that_nobody_names(tmp_path: Path) -> None:
    """``&`` at the beginning of a text takes its first word away."""
    [problem] = found(tmp_path, f"- model: {T2V}\n  prompt: &fox in the snow\n")
    assert problem.line == 2
    assert "'&fox in the snow'" in str(problem.suggestion)
    content = f"- {{model: {T2V}, prompt: &fox A fox in the snow}}\n- {{model: {T2V}, prompt: *fox, seed: 1}}\n"
    assert [job.request["prompt"] for job in jobs(tmp_path, content)] == ["A fox in the snow"] * 2


@pytest.mark.parametrize("content", ["negative_promt", "a dog", "Prompt text"])
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.yaml", f"- model: {T2V}\n  prompt: A\n  KEY:\n"),
        ("b.yaml", f"- model: {T2V}\n  prompt: A\n  KEY: null\n"),
        ("c.yaml", f"- &a {{model: {T2V}, prompt: A, KEY: ~}}\n"),
        ("d.yaml", f"- {{model: {T2V}, prompt: A, <<: {{KEY: ~}}}}\n"),
        ("e.yaml", f"defaults: {{model: {T2V}, KEY: ~}}\njobs: [{{prompt: A}}]\n"),
        ("a.json", f'[{{"model": "{T2V}", "prompt": "A", "KEY": null}}]'),
        ("a.jsonl", f'{{"model": "{T2V}", "prompt": "A", "KEY": null}}\n'),
        ("a.csv", f"model,prompt,KEY\n{T2V},A,\n"),
    ],
)
def test_an_unknown_key_is_wrong_whatever_its_value(name: str, form: str, content: str, tmp_path: Path) -> None:
    """Null too, in every format and nesting: somebody meant something by it."""
    [problem] = found(tmp_path, form.replace("KEY", content), name)
    assert str(problem.field).removeprefix("defaults.") == content
    assert problem.suggestion


@pytest.mark.parametrize("value", ["null", '"x"'])
def test_an_unknown_key_of_a_model_that_is_not_known(value: str, tmp_path: Path) -> None:
    """What is sent as it is must be something."""
    line = f'{{"model": "kling/v9", "prompt": "A", "motion": {value}}}\n'
    if value != "null":
        assert jobs(tmp_path, line, "a.jsonl", any_model=True)[0].request["motion"] == "x"
        return
    with pytest.raises(Exception, match="motion: has no value"):
        jobs(tmp_path, line, "a.jsonl", any_model=True)


def test_a_known_key_with_null_unsets(tmp_path: Path) -> None:
    """Also one that this job's model does not take: a default is for other models."""
    content = f'{{"model": "{T2V}", "prompt": "A", "seed": null, "image_url": null, "name": null}}\n'
    assert jobs(tmp_path, content, "a.jsonl")[0].request == {"model": T2V, "prompt": "A"}


PIECES = st.lists(st.sampled_from(["a", "#", " ", "\n", "\t", "é", " #", "b #c", "\n  #d"]), max_size=30)


@given(pieces=PIECES, data=st.data())
def test_comments_do_not_depend_on_the_pieces(pieces: list[str], data: st.DataObject) -> None:
    """Where one piece of the file ends and the next begins makes no difference to where comments are."""
    whole = "".join(pieces)
    cuts = data.draw(st.sets(st.integers(1, max(1, len(whole)))))
    edges = [0, *sorted(cut for cut in cuts if cut < len(whole) and whole[cut - 1] != "#"), len(whole)]
    at_once, in_pieces = Comments(), Comments()
    at_once.add_text(whole)
    for start, end in pairwise(edges):
        in_pieces.add_text(whole[start:end])

    def places(comments: Comments) -> list[tuple[int, Comment]]:
        told = ((place, comments.find_after(place)) for place in range(len(whole) + 1))
        return [(place, comment._replace(text="")) for place, comment in told if comment is not None]

    assert places(at_once) == places(in_pieces)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_comments_of_a_file_in_small_pieces(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file streams by; the same comments are noticed however it comes."""
    read = text.YamlText.read
    monkeypatch.setattr(text.YamlText, "read", lambda self, _: read(self, size))
    told = found(tmp_path, f"- model: {T2V} # fine\n  prompt: A füchsin 🦊 #wild\n- {{model: {T2V}, name: b #1\n  }}\n")
    assert [problem.line for problem in told if "comment" in problem.message] == [2, 3]


def test_a_long_file(tmp_path: Path) -> None:
    """Far from its beginning, with comments all over."""
    good = f"- model: {T2V}  # the model #\n  # a line of its own\n  prompt: 'A # {{index}}' # quoted\n" * 1500
    (tmp_path / "a.yaml").write_text(good + f"- model: {T2V}\n  prompt: The end #of it\n", encoding="utf-8")
    [problem] = problems(tmp_path / "a.yaml")
    assert problem.line == 4502


def test_json_has_no_comments(tmp_path: Path) -> None:
    """Nor texts without quotes."""
    content = json.dumps([{"model": T2V, "prompt": "A #fox, a {{dog}} # cat"}])
    assert jobs(tmp_path, content, "a.json")[0].request["prompt"] == "A #fox, a {dog} # cat"
