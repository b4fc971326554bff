"""How problems are told: all in one go, by file and line, with what would be right, a kind of them in short."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError, Problem
from batchveo.manifest import Manifests
from batchveo.manifest.problems import FEW, Problems, cut, shown
from tests.helpers.manifests import T2V, problems


def raised(*paths: Path) -> ManifestError:
    """The error of these manifests."""
    with Manifests(paths) as manifests, pytest.raises(ManifestError) as error:
        manifests.check()
    return error.value


def test_many_of_one_kind_are_told_in_short(tmp_path: Path) -> None:
    """The first few, how many more, and where some of those are; nothing else is hidden by them."""
    rows = "".join(f"{T2V},A,{n + 5}.5\n" for n in range(1000))
    (tmp_path / "a.csv").write_text(f"model,prompt,seed\n{rows}{T2V},A,x\n{T2V},,1\n")
    error = raised(tmp_path / "a.csv")
    lines = str(error).splitlines()
    assert error.total == 1002
    assert len(lines) == FEW + 3
    assert lines[FEW] == f"  and {1001 - FEW} more like this (lines 7, 8, 9, 10, 11, …)"
    assert lines[FEW + 1].startswith(f"{tmp_path / 'a.csv'}:1003: prompt: is missing")
    assert lines[-1].startswith("1002 problems")


def test_the_rest_of_a_kind_may_be_one(tmp_path: Path) -> None:
    """Then its line is named."""
    (tmp_path / "a.jsonl").write_text(f'{{"model": "{T2V}", "prompt": 5}}\n' * (FEW + 1))
    assert f"  and 1 more like this (line {FEW + 1})" in str(raised(tmp_path / "a.jsonl")).splitlines()


def test_the_same_clash_again_and_again(tmp_path: Path) -> None:
    """Long names are cut in their middle, and what is counted is all of it."""
    name = "start " + "x" * 600 + " end"
    (tmp_path / "a.csv").write_text("model,prompt,name\n" + "".join(f"{T2V},A {n},{name}\n" for n in range(218)))
    error = raised(tmp_path / "a.csv")
    assert error.total == 217
    assert "  and 212 more like this (lines 8, 9, 10, 11, 12, …)" in str(error)
    assert len(str(error)) < 2000
    assert all("'start x" in problem.message and " end' is taken" in problem.message for problem in error.problems)


def test_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    """Whatever was noticed first: a clash of names is known last of all."""
    (tmp_path / "a.yaml").write_text(
        f"jobs:\n- {{model: {T2V}, prompt: A, name: x}}\n- {{model: {T2V}, prompt: B, name: x}}\n"
        f"- model: {T2V}\n  sed: 1\n  prompt: 5\n- {{model: {T2V}, prompt: C, name: x}}\n"
        "defaults:\n  durration: 5\n"
    )
    (tmp_path / "b.yaml").write_text("- {prompt: 5}\n")
    found = raised(tmp_path / "b.yaml", tmp_path / "a.yaml").problems
    places = [(Path(problem.file).name, problem.line) for problem in found]
    assert places == [("b.yaml", 1), *(("a.yaml", line) for line in (3, 5, 6, 7, 9))]
    found = raised(tmp_path / "a.yaml").problems
    assert [problem.line for problem in found] == [3, 5, 6, 7, 9]


def test_nothing_waits_for_a_second_round(tmp_path: Path) -> None:
    """A wrong default hides neither what a job lacks, nor a prompts file that is not there, nor a clash."""
    (tmp_path / "a.yaml").write_text(
        f"defaults: {{model: {T2V}, duration: 5, resolution: 4k}}\njobs:\n- seed: 1\n- prompts_file: none.txt\n"
        "- {prompt: A, name: x}\n- {prompt: B, name: x}\n"
    )
    assert [(problem.line, problem.field) for problem in problems(tmp_path / "a.yaml")] == [
        (1, "defaults.duration"),
        (1, "defaults.resolution"),
        (3, "prompt"),
        (4, "prompts_file"),
        (6, "name"),
    ]


def test_what_a_job_lacks_is_told_without_a_model(tmp_path: Path) -> None:
    """Every model needs a prompt."""
    (tmp_path / "a.yaml").write_text("- {seed: 1}\n- {model: nope, matrix: {seed: [1, 2]}}\n- {prmpt: A}\n")
    assert [(problem.line, problem.field) for problem in problems(tmp_path / "a.yaml")] == [
        (1, "model"),
        (1, "prompt"),
        (2, "model"),
        (2, "prompt"),
        (3, "model"),
        (3, "prmpt"),
    ]


@pytest.mark.parametrize("bad", ["[]", "x", "{a: 1}", "[[1]]", "[a, a]"])
def test_a_bad_variable_has_no_consequences(bad: str, tmp_path: Path) -> None:
    """Its placeholders are not wrong as well."""
    (tmp_path / "a.yaml").write_text(
        f"- model: {T2V}\n  prompt: A {{pet}}\n  name: '{{pet}}'\n  matrix: {{pet: {bad}, seed: [1]}}\n"
    )
    assert [problem.field for problem in problems(tmp_path / "a.yaml")] == ["matrix.pet"]


def test_a_bad_variable_that_sets_what_is_needed(tmp_path: Path) -> None:
    """Then that is not missing as well."""
    (tmp_path / "a.yaml").write_text(
        f"- {{model: {T2V}, matrix: {{prompt: []}}}}\n- {{prompt: A, matrix: {{model: 1}}}}"
    )
    assert [problem.field for problem in problems(tmp_path / "a.yaml")] == ["matrix.prompt", "matrix.model"]


def test_a_key_that_was_meant_is_not_missing_too(tmp_path: Path) -> None:
    """One mistake, one problem."""
    (tmp_path / "a.jsonl").write_text(
        f'{{"model": "{T2V}", "caption": "A"}}\n{{"model": "google/veo-3.1-i2v", "prompt": "A", "img": "https://a.b/c"}}\n'
    )
    assert [problem.field for problem in problems(tmp_path / "a.jsonl")] == ["caption", "img"]


def test_values_are_cut_in_their_middle() -> None:
    """Both ends are seen: texts of one manifest often begin alike."""
    assert (
        shown("ab" * 100)
        == "'ababababababababababababababababababab…babababababababababab'"[:1] + shown("ab" * 100)[1:]
    )
    assert (len(shown("ab" * 100)), shown("ab" * 100)[:3], shown("ab" * 100)[-3:]) == (60, "'ab", "ab'")
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "a…d"


def test_a_kind_is_told_from_another() -> None:
    """By file, field and message; values and numbers make no difference."""
    problems = Problems(["b", "a"])
    for number in range(20):
        problems.add("a", number, "seed", f"{number} is 'x{number}'")
        problems.add("b", number, "name", f"'x' is {number}, \"y\"", once=True)
    problems.add("a", 7, "seed", "is missing")
    assert [problem.file for problem in problems.list_problems()] == ["b"] * FEW + ["a"] * (FEW + 1)
    assert problems.total == 41
    assert sum(1 + problem.more for problem in problems.list_problems()) == 41


def test_a_problem_alone_has_no_others() -> None:
    """Nor a word about them."""
    problem = Problem(file="a", line=1, field="seed", message="is wrong")
    assert (problem.others, str(problem)) == (None, "a:1: seed: is wrong")


def test_everything_in_one_go(tmp_path: Path) -> None:
    """One job may be wrong in many ways, even where its model is not known."""
    path = tmp_path / "a.yaml"
    path.write_text("- model: nope\n  promt: A\n  repeat: x\n  matrix:\n    a: []\n")
    assert {(problem.line, problem.field) for problem in problems(path)} == {
        (1, "model"),
        (2, "promt"),
        (3, "repeat"),
        (5, "matrix.a"),
    }


def test_hundred_problems_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    """A file that is wrong all over does not fill the memory, or the screen."""
    (tmp_path / "a.jsonl").write_text("".join(f'{{"key{chr(97 + n)}": 1, "model": "x"}}\n' for n in range(250)))
    with Manifests([tmp_path / "a.jsonl"]) as manifests, pytest.raises(ManifestError) as raised:
        list(manifests.specs())
    shown = sum(1 + problem.more for problem in raised.value.problems)
    assert (len(raised.value.problems), raised.value.total) == (100, 750)
    assert f"... and {750 - shown} more" in str(raised.value)
