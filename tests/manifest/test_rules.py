"""What the parameters of a model take, and what leaves open who makes a video."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError
from batchveo.manifest import Manifests
from batchveo.manifest.rules import find_floating
from batchveo.provider.catalog import MODELS
from tests.helpers.manifests import I2V, T2V, jobs, problems

FIXED = "auto_fix: false, enhance_prompt: false, provider: google"


def test_cells_are_trimmed(tmp_path: Path) -> None:
    """Blanks after a comma; what a prompt says is sent as it was written."""
    [job] = jobs(
        tmp_path,
        "model, prompt, resolution, image_url, generate_audio , aspect_ratio\n"
        f"{I2V} , A cat , 720p, https://a.example/b.png , true ,\t16:9 \n",
        "a.csv",
    )
    assert job.request == {
        "model": I2V,
        "prompt": " A cat ",
        "resolution": "720p",
        "image_url": "https://a.example/b.png",
        "generate_audio": True,
        "aspect_ratio": "16:9",
    }
    [other] = jobs(
        tmp_path,
        "model,prompt,resolution,image_url,generate_audio,aspect_ratio\n"
        f"{I2V},A cat,720p,https://a.example/b.png,true,16:9\n",
        "b.csv",
    )
    assert other.id == job.id


@pytest.mark.parametrize("text", ["\u200b", "\ufeff \u2060", "\u00a0"])
def test_a_prompt_that_shows_nothing(text: str, tmp_path: Path) -> None:
    """Marks without a width are no words."""
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompt: '{text}'}}\n", encoding="utf-8")
    [problem] = problems(tmp_path / "a.yaml")
    assert problem.message == "is empty"


def test_cells_of_blanks_are_empty(tmp_path: Path) -> None:
    """As a spreadsheet leaves them."""
    [job] = jobs(tmp_path, f"model,prompt,seed,name,meta.a\n{T2V},A, ,\t,  \n , , , , \n", "a.csv")
    assert (job.request, job.meta) == ({"model": T2V, "prompt": "A"}, {})


def strict_problems(
    path: Path, text: str, *, any_model: bool = False
) -> list[tuple[int | None, str | None, str | None]]:
    path.write_text(text, encoding="utf-8")
    with Manifests([path], strict_provenance=True, allow_unknown_model=any_model) as reading:
        try:
            reading.check()
        except ManifestError as error:
            return [(problem.line, problem.field, problem.suggestion) for problem in error.problems]
    return []


def test_what_is_absent_counts_as_its_default(tmp_path: Path) -> None:
    """All that is left open is told at once, each with what to write."""
    found = strict_problems(tmp_path / "m.yaml", "- {model: google/veo-3.1-t2v, prompt: a}\n")
    assert found == [
        (1, "auto_fix", "write auto_fix: false"),
        (1, "enhance_prompt", "write enhance_prompt: false"),
        (1, "provider", "write provider: google, or provider: fal"),
    ]


def test_what_is_fixed_passes(tmp_path: Path) -> None:
    """Every parameter only where the model has it, in the job or in the defaults."""
    text = f"""
defaults: {{model: google/veo-3.1-t2v, {FIXED}}}
jobs:
  - {{prompt: a}}
  - {{prompt: b, provider: fal}}
  - {{prompt: c, model: veo2, auto_fix: null, provider: null}}
  - {{prompt: d, model: google/veo-3.1-i2v, image_url: "https://e.org/x", auto_fix: null, enhance_prompt: null}}
  - {{prompt: e, model: google/veo3-1-extend-video, video_url: "https://e.org/x.mp4", enhance_prompt: null}}
"""
    assert strict_problems(tmp_path / "m.yaml", text) == []


def test_a_default_is_told_once_where_it_stands(tmp_path: Path) -> None:
    """And a matrix at its variable."""
    text = """defaults:
  model: google/veo-3.1-t2v
  auto_fix: true
  enhance_prompt: false
jobs:
  - {prompt: a, provider: fal}
  - {prompt: b, provider: fal}
  - prompt: c
    auto_fix: false
    matrix: {provider: [google, AUTO]}
"""
    found = strict_problems(tmp_path / "m.yaml", text)
    assert [(line, field) for line, field, _ in found] == [(3, "defaults.auto_fix"), (10, "matrix.provider")]


def test_every_row_of_a_table_is_looked_at(tmp_path: Path) -> None:
    """The rows that go the short way too: one that says true after many that say false."""
    head = "model,prompt,auto_fix,enhance_prompt,provider\n"
    rows = [f"google/veo-3.1-t2v,p {n},false,no,google\n" for n in range(50)]
    rows[30] = "google/veo-3.1-t2v,p,false,yes,google\n"
    rows[40] = "google/veo-3.1-t2v,p,,false,Auto\n"
    found = strict_problems(tmp_path / "m.csv", head + "".join(rows))
    assert [(line, field) for line, field, _ in found] == [
        (32, "enhance_prompt"),
        (42, "provider"),
        (42, "auto_fix"),
    ]


def test_a_model_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """Whatever is written for it."""
    found = strict_problems(tmp_path / "m.yaml", f"- {{model: x/y, prompt: a, {FIXED}}}\n", any_model=True)
    assert [(line, field) for line, field, _ in found] == [(1, "model")]


def test_without_the_wish_nothing_changes(tmp_path: Path) -> None:
    """Such manifests are good ones otherwise."""
    path = tmp_path / "m.yaml"
    path.write_text("- {model: google/veo-3.1-t2v, prompt: a}\n")
    with Manifests([path]) as reading:
        assert reading.check().jobs == 1


@pytest.mark.parametrize("model", MODELS)
def test_every_model_of_the_catalogue_is_judged_by_its_parameters(model: str) -> None:
    """What has such a parameter on by default, or has no documented default, leaves it open."""
    params = MODELS[model].params
    risky = {"auto_fix": True, "enhance_prompt": True, "enable_prompt_expansion": True, "provider": "auto"}
    expected = [name for name, value in risky.items() if name in params and params[name].default in (value, None)]
    assert [name for name, _ in find_floating(MODELS[model])] == expected


def test_strict_provenance_of_other_makers(tmp_path: Path) -> None:
    """What fixes it is named by the model's own values; an undocumented default counts as open."""
    found = strict_problems(tmp_path / "m.yaml", "- {model: kling-video/v1.6/standard/text-to-video, prompt: a}\n")
    assert found == [(1, "provider", "write provider: kling, or provider: klingai, or provider: fal")]
    model = next(
        model
        for model in MODELS.values()
        if "enable_prompt_expansion" in model.params and model.params["enable_prompt_expansion"].default is None
    )
    url = "https://a.example/1.mp4"
    found = strict_problems(tmp_path / "m.yaml", f"- {{model: {model.id}, prompt: a, video_url: {url}}}\n")
    assert (1, "enable_prompt_expansion", "write enable_prompt_expansion: false") in found
