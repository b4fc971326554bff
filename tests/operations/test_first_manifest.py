"""First manifests of tables, lists and typed prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchveo.core.errors import ManifestError, UsageError
from batchveo.manifest import Manifests
from batchveo.operations.first_manifest import (
    Draft,
    check_new,
    draft_example,
    draft_list,
    draft_prompts,
    draft_table,
    write_first_manifest,
)
from batchveo.operations.table_columns import Table, find_source
from batchveo.provider.catalog import MODELS

SHOP = "sku,title,image,seconds,size\nM1,Enamel mug,https://x.example/m.jpg,4,L\nM2,Boots,https://x.example/b.jpg,8,\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def draft_of(content: str, **options: Any) -> Draft:
    Path("t.csv").write_text(content, encoding="utf-8")
    table = find_source(Path("t.csv"))
    assert isinstance(table, Table)
    return draft_table(table, MODELS, **options)


def written(draft: Draft, path: str = "m.yaml") -> list[dict[str, Any]]:
    """The requests of the manifest that is written, each with its name and its meta."""
    write_first_manifest(draft, Path(path), MODELS)
    with Manifests([path]) as manifests:
        return [{**spec.request, "name": spec.name, "meta": spec.meta} for spec in manifests.specs()]


def test_columns_are_mapped_or_carried() -> None:
    """A column that does not hold what it is called is carried."""
    draft = draft_of(SHOP, prompt="The {title} on a plinth")
    assert written(draft) == [
        {
            "model": "google/veo-3.1-i2v-fast",
            "prompt": "The Enamel mug on a plinth",
            "name": "M1",
            "image_url": "https://x.example/m.jpg",
            "duration": 4,
            "resolution": "1080p",
            "meta": {"title": "Enamel mug", "size": "L"},
        },
        {
            "model": "google/veo-3.1-i2v-fast",
            "prompt": "The Boots on a plinth",
            "name": "M2",
            "image_url": "https://x.example/b.jpg",
            "duration": 8,
            "resolution": "1080p",
            "meta": {"title": "Boots"},
        },
    ]


def test_names_of_columns_that_mean_something_else() -> None:
    """Blanks, keys of a manifest and ``meta.`` are no trouble; a key of a job is left out."""
    draft = draft_of("Prompt,index,meta.split,Price (EUR),yes,repeat\nA {cat},7,train,3,1,2\n")
    (job,) = written(draft)
    assert job["prompt"] == "A {cat}"
    assert job["meta"] == {"index": "7", "split": "train", "Price (EUR)": "3", "yes": "1"}
    assert draft.notes == ["the column repeat is left out"]


def test_each_row_may_name_its_model() -> None:
    """Unless one is chosen for all."""
    table = "model,prompt,duration\nveo2,A cat,5\ngoogle/veo3,A dog,8\n"
    assert [job["model"] for job in written(draft_of(table))] == ["veo2", "google/veo3"]
    jobs = written(draft_of(table.replace(",5", ",8"), model="google/veo3"), "n.yaml")
    assert [job["model"] for job in jobs] == ["google/veo3", "google/veo3"]


def test_a_table_without_prompts_needs_one() -> None:
    """The message is a command with a column in it."""
    with pytest.raises(UsageError, match=r"--prompt=The {title} turns slowly"):
        draft_of(SHOP)


def test_what_is_surely_meant_is_an_error() -> None:
    """With the line of the table; nothing is written."""
    with pytest.raises(ManifestError, match=r"t\.csv:2: duration: 7 is not among"):
        written(draft_of("prompt,duration\nA cat,7\n"))
    with pytest.raises(ManifestError, match=r"m\.yaml:\d+: prompt: unknown placeholder {titel}"):
        written(draft_of(SHOP, prompt="The {titel}"))
    assert not Path("m.yaml").exists()


def test_prompts_line_by_line() -> None:
    """Of a list, into a longer prompt, and typed ones with braces."""
    Path("l.txt").write_text("a boat\na lamp\n", encoding="utf-8")
    assert [job["prompt"] for job in written(draft_list(Path("l.txt"), MODELS))] == ["a boat", "a lamp"]
    longer = draft_list(Path("l.txt"), MODELS, prompt="{line}, at night")
    assert [job["prompt"] for job in written(longer, "n.yaml")] == ["a boat, at night", "a lamp, at night"]
    typed = ['A "{cat}"', "key: - #x", "猫\u2028"]
    assert [job["prompt"] for job in written(draft_prompts(typed, MODELS), "o.yaml")] == typed


def test_the_example_is_five_videos() -> None:
    """All of them valid."""
    assert len(written(draft_example(MODELS))) == 5


@pytest.mark.parametrize("model", ["luma/ray-2", "veo2", "pixverse/v5/text-to-video", "google/veo-3.1-t2v"])
def test_any_model_gets_defaults_that_it_takes(model: str) -> None:
    """With its choices beside them."""
    assert {job["model"] for job in written(draft_example(MODELS, model=model))} == {model}


def test_the_source_is_named_from_where_the_manifest_is() -> None:
    """Relative to it, so that both can be moved together."""
    Path("below").mkdir()
    assert len(written(draft_of(SHOP, prompt="{title}"), "below/m.yml")) == 2
    assert '  - rows_file: "../t.csv"' in Path("below/m.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["there.yaml", "m.csv", "nowhere/m.yaml"])
def test_nothing_is_replaced(path: str) -> None:
    """And the name says that it is a manifest."""
    Path("there.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError):
        check_new(Path(path))
    with pytest.raises(UsageError, match="is there already"):
        write_first_manifest(draft_example(MODELS), Path("there.yaml"), MODELS)
    assert Path("there.yaml").read_text(encoding="utf-8") == "mine"


def test_an_image_that_is_none_is_named_and_not_only_missed() -> None:
    """The model needs it: as meta it would be missing, which says nothing of the cell."""
    content = "prompt,image\nA cup,none.png\nA pot,https://x.example/b.jpg\n"
    with pytest.raises(
        ManifestError, match=r"t\.csv:2: image_url: 'none\.png' is a local file, only URLs are taken here"
    ):
        written(draft_of(content))
    assert not Path("m.yaml").exists()
    kept = written(draft_of(content, model="google/veo-3.1-t2v-fast"))
    assert [row["meta"] for row in kept] == [{"image": "none.png"}, {"image": "https://x.example/b.jpg"}]
