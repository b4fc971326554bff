"""Templates of file names: what may be in one, what fills it, and what is wrong before anything is bought."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError, UsageError
from batchveo.core.models import JobSpec
from batchveo.manifest import Manifests, ReadOptions
from batchveo.manifest.filename_template import FilenameTemplate
from batchveo.manifest.problems import Fault
from batchveo.manifest.vocabulary import Vocabulary
from batchveo.provider.catalog import MODELS
from tests.helpers.manifests import T2V

JOBS = f"""
defaults: {{model: {T2V}}}
jobs:
  - {{prompt: A fox, name: a/fox, seed: 7, repeat: 2, meta: {{style: "../red"}}}}
  - {{prompt: A cat, seed: 8, meta: {{style: blue}}}}
"""
REPEATED = JOBS.replace("a/fox", "'a/fox-{index}'")


def read(folder: Path, text: str, *, filename: str | None = None) -> list[JobSpec]:
    path = folder / "m.yaml"
    path.write_text(text)
    with Manifests([path], options=ReadOptions(filename=filename)) as manifests:
        manifests.check()
        return list(manifests.specs())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("../{name}", "has an empty name, . or .."),
        ("a/../{name}", "has an empty name, . or .."),
        ("./{name}", "has an empty name, . or .."),
        ("a//{name}", "has an empty name, . or .."),
        ("{name}/", "has an empty name, . or .."),
        ("/videos/{name}", "no path within the output folder"),
        ("~/{name}", "no path within the output folder"),
        ("C:/{name}", "no path within the output folder"),
        ("{seed}\\{name}", "has a backslash"),
        ("{name}\n", "has a control character"),
        ("{name}.MP4", "ends in .mp4"),
        ("{name", "the brace {"),
        ("{nam}", "unknown placeholder {nam}"),
        ("{row.x}", "unknown placeholder {row.x}"),
        ("{name.upper}", "is not a placeholder"),
        ("{name!r}", "is not a placeholder"),
        ("videos", "has no placeholder"),
        ("/".join(["a"] * 16 + ["{name}"]), "has 17 folders and names"),
        ("", "must be a text"),
        (7, "must be a text"),
        (["{name}"], "must be a text"),
        (None, "must be a text"),
    ],
)
def test_templates_that_are_refused(text: object, message: str) -> None:
    """What leads out of the output folder, and what nothing fills."""
    with pytest.raises(Fault, match=re.escape(message)):
        FilenameTemplate(text, Vocabulary(MODELS))


def test_models_outside_of_the_catalogue_have_any_parameter() -> None:
    """As in the rest of a manifest that allows them."""
    template = FilenameTemplate("{wobble}/{name}", Vocabulary(MODELS, any_model=True))
    own = {"name": "fox", "id": "1", "model": "m", "prompt": "p", "repeat": 0}
    assert template.fill(request='{"wobble": 3}', meta="{}", own=own) == "3/fox"
    with pytest.raises(Fault, match="this job has no wobble"):
        template.fill(request="{}", meta="{}", own=own)


def test_values_fill_names_and_never_make_folders(tmp_path: Path) -> None:
    """Those of the request, of ``meta``, and what each job has."""
    fox, again, cat = read(tmp_path, "filename: '{model}/{meta.style}/{seed:03d}_{repeat}-{name}'" + REPEATED)
    model = T2V.replace("/", "_")
    assert fox.stem == f"{model}/_.._red/007_0-a_fox-0"
    assert again.stem == f"{model}/_.._red/007_1-a_fox-1"
    assert cat.stem == f"{model}/blue/008_0-{cat.name}"
    assert [job.name for job in (fox, again)] == ["a/fox-0", "a/fox-1"]


def test_without_a_template_a_slash_of_a_name_makes_no_folder(tmp_path: Path) -> None:
    """As it always was."""
    assert read(tmp_path, REPEATED)[0].stem == "a_fox-0"


def test_the_option_wins(tmp_path: Path) -> None:
    """Over the manifest's own, which is checked all the same."""
    fox, *_ = read(tmp_path, "filename: '{model}/{name}'" + REPEATED, filename="{meta.style}/{id}")
    assert fox.stem == f"_.._red/{fox.id}"
    with pytest.raises(ManifestError, match="unknown placeholder"):
        read(tmp_path, "filename: '{nam}'" + REPEATED, filename="{id}")


def test_each_manifest_has_its_own(tmp_path: Path) -> None:
    """And none of them holds for the next file."""
    for name, top in (("a", "filename: 'x/{name}'"), ("b", "")):
        (tmp_path / f"{name}.yaml").write_text(f"{top}\njobs: [{{model: {T2V}, prompt: P, name: {name}}}]")
    with Manifests([tmp_path / "a.yaml", tmp_path / "b.yaml"]) as manifests:
        assert [job.stem for job in manifests.specs()] == ["x/a", "b"]


@pytest.mark.parametrize("text", ["{meta.scene}/{name}", "{resolution}/{name}"])
def test_a_job_without_the_value_is_a_problem_at_its_line(tmp_path: Path, text: str) -> None:
    """Each of them, before anything is bought: no folder is named by a guess."""
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, f"filename: '{text}'" + REPEATED)
    field = text.partition("/")[0]
    assert {(problem.line, problem.field) for problem in caught.value.problems} == {(4, "filename"), (5, "filename")}
    assert f"take {field} out" in str(caught.value)


@pytest.mark.parametrize("value", ["{style: x}", "[1, 2]", "''", "null"])
def test_a_value_that_is_no_text_is_a_problem(tmp_path: Path, value: str) -> None:
    """A mapping, a list, nothing."""
    with pytest.raises(ManifestError, match="filename"):
        read(tmp_path, f"filename: '{{meta.s}}/{{name}}'\njobs: [{{model: {T2V}, prompt: P, meta: {{s: {value}}}}}]")


def test_it_comes_before_the_jobs(tmp_path: Path) -> None:
    """They are read from the top, however many they are."""
    with pytest.raises(ManifestError, match="comes after jobs") as caught:
        read(tmp_path, f"jobs: [{{model: {T2V}, prompt: P}}]\nfilename: '{{name}}'")
    assert caught.value.problems[0].line == 2


def test_a_json_manifest_may_begin_with_it(tmp_path: Path) -> None:
    """A table whose rows have a column of this name is still a table."""
    (tmp_path / "m.json").write_text(
        f'{{"filename": "x/{{name}}", "jobs": [{{"model": "{T2V}", "prompt": "P", "name": "a"}}]}}'
    )
    with Manifests([tmp_path / "m.json"]) as manifests:
        assert [job.stem for job in manifests.specs()] == ["x/a"]
    (tmp_path / "rows.json").write_text(f'{{"filename": "a", "model": "{T2V}", "prompt": "P"}}\n' * 2)
    options = ReadOptions(renames={"name": "filename"})
    with (
        Manifests([tmp_path / "rows.json"], options=options) as manifests,
        pytest.raises(ManifestError, match="taken already"),
    ):
        manifests.check()


def test_rows_of_a_table_are_named_by_the_option(tmp_path: Path) -> None:
    """A CSV has no keys beside its rows."""
    (tmp_path / "m.csv").write_text(f"model,prompt,name,meta.split\n{T2V},P,a,train\n{T2V},P2,b,test\n")
    with Manifests([tmp_path / "m.csv"], options=ReadOptions(filename="{meta.split}/{name}")) as manifests:
        assert [job.stem for job in manifests.specs()] == ["train/a", "test/b"]


def test_an_option_that_is_refused_is_a_usage_error() -> None:
    """Before a manifest is read."""
    with pytest.raises(UsageError, match=r"--filename: .* no path within the output folder \(--output"):
        Manifests([], options=ReadOptions(filename="/x/{name}"))
