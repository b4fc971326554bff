"""The list of models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from batchveo.cli import catalog_refresh, status_of
from batchveo.cli.commands import models
from batchveo.provider import ApiClient
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.catalog.user_catalog import find_user_file
from batchveo.sandbox import Service, Settings, running
from tests.helpers.model_service import BASE, ModelService, make_row
from tests.helpers.openapi_documents import make_document

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> ModelService:
    """The service that the command asks; it has the models of the package."""
    found = ModelService(*MODELS)
    for module in (models, catalog_refresh):
        monkeypatch.setattr(module, "ApiClient", partial(ApiClient, transport=found.transport))
        monkeypatch.setattr(module, "BASE_URL", BASE)
    return found


def list_models(capsys: Captured, *arguments: str) -> Sequence[str]:
    """The names in the list that the command prints."""
    assert status_of(["models", *arguments]) == 0
    return [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]


def test_models_by_any_part_of_their_names(capsys: Captured) -> None:
    """All, some, the parameters of some; status 1 if there is none."""
    assert status_of(["models"]) == 0
    assert "google/veo-3.1-i2v-fast" in capsys.readouterr().out
    assert status_of(["models", "veo", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"google/veo3", "veo2"} <= {row["id"] for row in rows}
    assert status_of(["models", "reference"]) == 0
    assert "image_urls" in capsys.readouterr().out
    assert status_of(["models", "nothing"]) == 1


def test_names_that_no_model_has(capsys: Captured) -> None:
    """Each is named, with what is like it, also if others are found."""
    assert status_of(["models", "veo2", "luma/ray2"]) == 0
    found = capsys.readouterr()
    assert "veo2\tprompt" in found.out
    assert "no model is called luma/ray2 (did you mean luma/ray-2" in found.err
    assert status_of(["models", "luma/ray2"]) == 1
    assert "no model is called luma/ray2 (did you mean luma/ray-2" in capsys.readouterr().err


def test_models_by_what_they_make_videos_from(capsys: Captured) -> None:
    from_image = list_models(capsys, "--kind", "image")
    assert "google/veo-3.1-i2v" in from_image
    assert "veo-3.1-lite-generate-001" in from_image
    assert "google/veo-3.1-t2v" not in from_image
    assert "google/veo-3.1-first-last-image-to-video" in list_models(capsys, "--kind", "frames")


def test_models_by_what_they_take(capsys: Captured) -> None:
    both = list_models(capsys, "--takes", "last_image_url", "--takes", "seed")
    assert "bytedance/seedance-1-5-pro" in both
    assert "google/veo-3.1-first-last-image-to-video" not in both
    assert "luma/ray-2" in list_models(capsys, "--takes", "keyframes.frame0.url")
    assert status_of(["models", "--takes", "last_image_ulr"]) == 1
    assert "no model takes last_image_ulr (did you mean last_image_url" in capsys.readouterr().err


def test_parts_of_parameters_have_a_row_each(capsys: Captured) -> None:
    assert status_of(["models", "luma/ray-2"]) == 0
    out, err = capsys.readouterr()
    assert "luma/ray-2\tkeyframes.frame0.url\tan image URL\t\tyes\t" in out
    assert f"digest {MODELS.digest}" in err


def test_the_json_of_a_model_has_all_that_is_known(capsys: Captured) -> None:
    assert status_of(["models", "klingai/video-v3-pro-text", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["inputs"] == ["text"]
    assert row["rules"] == ["prompt or multi_prompt is needed", "prompt does not go with multi_prompt"]
    assert row["ends"] is None
    assert row["continues"] == []
    assert row["parameters"]["prompt"].keys() >= {"type", "choices", "default"}


def test_how_a_model_continues_a_chain(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the heading at a terminal, and in JSON."""
    assert status_of(["models", "google/gemini-omni-flash-preview", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["continues"] == [
        {"takes": "frame", "parameter": "image_url", "in_request": True},
        {"takes": "generation_id", "parameter": "previous_interaction_id", "in_request": True},
    ]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for model, words in (
        ("google/veo-3.1-i2v", "begins with the last frame"),
        ("veo-3.1-t2v", "only as the first link"),
    ):
        assert status_of(["models", model]) == 0
        assert f"in a chain: {words}" in capsys.readouterr().out


def test_a_catalogue_that_is_named(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the option, the variable or a config file."""
    path = tmp_path / "mine.json"
    path.write_text('{"format": 1, "made": "2026-01-01", "models": {"mine": {"params": {}}}}', "utf-8")
    assert list_models(capsys, "--catalogue", str(path)) == ["mine"]
    monkeypatch.setenv("BATCHVEO_CATALOGUE", str(path))
    assert list_models(capsys) == ["mine"]
    assert "veo2" in list_models(capsys, "--catalogue", "builtin")
    monkeypatch.delenv("BATCHVEO_CATALOGUE")
    monkeypatch.chdir(tmp_path)
    Path("batchveo.toml").write_text(f'[models]\ncatalogue = "{path}"\n', "utf-8")
    assert list_models(capsys) == ["mine"]


def test_prices_of_today_in_words(service: ModelService, capsys: Captured) -> None:
    pricing = {"kind": "fixed", "currency": "USD", "units": [{"name": "video", "price": 0.4, "per": 1}]}
    service.rows = [make_row("google/veo-2.0-generate-001", "veo2", pricing=pricing)]
    assert status_of(["models", "--takes", "negative_prompt", "--prices"]) == 0
    rows = dict(line.split("\t")[::3] for line in capsys.readouterr().out.splitlines())
    assert rows["veo2"] == "$0.40 a video"
    assert rows["google/veo3"] == "not known"


# -- refresh


def test_a_refresh_without_changes(service: ModelService, capsys: Captured) -> None:
    same = MODELS.read_entry("veo2")["params"]
    assert same
    assert status_of(["models", "--refresh", "--force"]) == 0
    capsys.readouterr()
    assert status_of(["models", "--refresh"]) == 0
    out, err = capsys.readouterr()
    assert out == "no model and no parameter has changed\n"
    assert f"0 documents read, {len(MODELS)} unchanged" in err
    assert "reading the documents of the models: 124 of 124" in err


def test_a_refresh_shows_what_changed_and_is_used_from_then_on(service: ModelService, capsys: Captured) -> None:
    assert status_of(["models", "--refresh", "--force"]) == 0
    capsys.readouterr()
    service.rows = [row for row in service.rows if row["id"] != "veo2"] + [make_row("maker/new")]
    service.documents["maker/new"] = make_document("maker/new", {"prompt": {"type": "string"}})
    service.documents["video-01"] = make_document(
        "video-01",
        {
            "prompt": {"type": "string", "maxLength": 500},
            "duration": {"type": "integer", "enum": [4, 6], "default": 4},
            "seed": {"type": "integer", "minimum": 0},
        },
        ("prompt", "duration"),
    )
    assert status_of(["models", "--refresh"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "new: 1 model",
        "  maker/new",
        "gone: 1 model",
        "  veo2",
        "video-01",
        "  prompt: the largest length is 500, was none",
        "  duration: is now required",
        "  duration: now also takes 6; no longer takes 8",
        "  duration: the default is 4, was none",
        "  + seed: an integer at least 0",
    ]
    assert "maker/new" in list_models(capsys)
    assert "maker/new" not in list_models(capsys, "--offline")
    assert status_of(["models", "--refresh", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["models"], found["changes"], found["path"]) == (124, [], str(find_user_file()))


def test_models_that_end_are_marked(service: ModelService, capsys: Captured) -> None:
    service.retired = [
        {"id": "video-01", "status": "withdrawn", "shutdown_at": "2026-06-30", "replaced_by": "minimax/hailuo-02"}
    ]
    assert status_of(["models", "--refresh", "--force"]) == 0
    capsys.readouterr()
    assert status_of(["models", "video-01", "--json"]) == 0
    rows = {row["id"]: row["ends"] for row in json.loads(capsys.readouterr().out)}
    assert rows["video-01"]["shutdown_at"] == "2026-06-30"
    assert rows["video-01-live2d"] is None
    assert status_of(["models", "--takes", "prompt"]) == 0
    assert "video-01\ttext\t\twithdrawn 2026-06-30, use minimax/hailuo-02" in capsys.readouterr().out


def test_a_service_that_lost_its_models_changes_nothing(service: ModelService, capsys: Captured) -> None:
    service.rows = service.rows[:9]
    assert status_of(["models", "--refresh"]) == 1
    assert "are gone or have lost most of their parameters" in capsys.readouterr().err
    path = find_user_file()
    assert path is not None
    assert not path.exists()


def test_documents_that_cannot_be_read_are_said(service: ModelService, capsys: Captured) -> None:
    service.replace("veo2", httpx.Response(404))
    for row in service.rows[:30]:
        row["info"]["docsJson"] = f"https://elsewhere.test/{row['id']}"
    assert status_of(["models", "--refresh", "--force"]) == 0
    err = capsys.readouterr().err
    assert "elsewhere.test/alibaba/wan2.1-t2v-plus is not on the service's own address" in err
    assert "; what was known of it is kept" in err
    assert "and 11 more; --json lists all" in err


def test_a_file_that_is_no_catalogue_is_not_overwritten(
    service: ModelService, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("precious", "utf-8")
    assert status_of(["models", "--refresh", "--force", "--catalogue", str(path)]) == 2
    assert path.read_text("utf-8") == "precious"
    assert "not a catalogue" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--refresh", "--offline"], ["--prices", "--offline"], ["--refresh", "--catalogue", "builtin"], ["--kind", "x"]],
)
def test_options_that_do_not_go_together(arguments: Sequence[str], capsys: Captured) -> None:
    assert status_of(["models", *arguments]) == 2


def test_a_service_that_is_away(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Nothing is changed, and no traceback is shown."""

    def refuse(_: Any) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(catalog_refresh, "ApiClient", partial(ApiClient, transport=httpx.MockTransport(refuse)))
    monkeypatch.setattr("batchveo.provider.public_calls.TRIES", 1)
    assert status_of(["models", "--refresh"]) == 1
    assert "cannot reach https://api.aimlapi.com" in capsys.readouterr().err


def test_another_service_has_a_catalogue_of_its_own(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few models it has; the real service's requests are validated as before."""
    content = {"prompt": {"type": "string", "required": True}, "mood": {"type": "string"}}
    catalog = {"format": 1, "made": "2026-11-01", "models": {"maker/other": {"params": content}}}
    manifest = tmp_path / "m.yaml"
    manifest.write_text("- {model: maker/other, prompt: A, mood: calm}\n")
    with running(Service(Settings(), catalog=Catalog(json.dumps(catalog).encode))) as url:
        assert status_of(["models", "--refresh", "--base-url", url]) == 0
        assert status_of(["models", "--base-url", url]) == 0
        assert "maker/other" in capsys.readouterr().out
        assert status_of(["plan", str(manifest), "--base-url", url]) == 0
        monkeypatch.setenv("BATCHVEO_BASE_URL", url)
        capsys.readouterr()
        assert status_of(["schema", "--line"]) == 0
        assert "mood" in json.loads(capsys.readouterr().out)["properties"]
        monkeypatch.delenv("BATCHVEO_BASE_URL")
    assert status_of(["plan", str(manifest)]) == 2
    assert "maker/other" not in list_models(capsys)
    path = find_user_file()
    assert path is not None
    assert not path.exists()
