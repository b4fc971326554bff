"""The pages about datasets are right: their examples run, their columns are all there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.votes import VoteKind
from batchveo.dataset.columns import CHAIN_COLUMNS, COLUMNS
from batchveo.dataset.pairs import PAIR_COLUMNS
from batchveo.manifest import Manifests
from tests.helpers.dataset_hub import connected_hub
from tests.helpers.finished_jobs import Morning
from tests.helpers.process_server import run_loader

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "guides/dataset.md").read_text(encoding="utf-8")
REFERENCE = (DOCS / "reference/dataset.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}(?: [^\n]*)?\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub
def test_the_loading_code_loads(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block as it stands there, in the folder that the commands above it leave."""
    for n in range(12):
        morning.make(f"clip {n}", request={"seed": n})
    pair = [morning.make(f"take {n}", prompt="a fox", meta={"n": n}) for n in range(2)]
    morning.vote(VoteKind.BETTER, *pair)
    morning.vote(VoteKind.PICK, pair[0])
    with morning.store() as store:
        measures = Measures(level=CheckLevel.BASIC, frames=1, motion=2.0, black_seconds=0.0)
        store.facts.record_measures(pair[0], measures, now=20.0)
    monkeypatch.chdir(morning.folder)
    (morning.folder / "state").mkdir()
    morning.state.rename(morning.folder / "state" / "batchveo.db")
    commands = re.findall(r"^batchveo (export .*?)(?: {2,}#.*)?$", TEXT, re.MULTILINE)
    with connected_hub(monkeypatch, morning.folder) as hub:
        assert [status_of(shlex.split(command)) for command in commands] == [0] * 10
    assert hub.repositories["me/clips"].private
    assert hub.files("me/clips", "draft") == hub.files("me/clips")
    pairs, videofolder, card, shards, croissant, captions, lines, ours = (
        run_loader(code, morning.folder) for code in blocks("python")
    )
    train = len(morning.metadata())
    assert len(videofolder.splitlines()) == len(shards.splitlines()) == train > 6
    assert "clip 1.mp4 clip 1 google/veo3 8.0" in videofolder
    assert card == f"Value('int64') {train}\n"
    assert croissant == "14 captions\n"
    assert len(captions.splitlines()) == train
    assert "clip 1.mp4 | clip 1\n" in captions
    assert lines == "7.0 US dollars\n"
    assert ours == "14\n"
    assert pairs.endswith("a fox preferences/train/take 0.mp4 preferences/train/take 1.mp4 1\n")


def test_the_manifest_is_strict(tmp_path: Path) -> None:
    """It passes the check that it is shown for."""
    (example,) = blocks("yaml")
    (tmp_path / "m.yaml").write_text(example, encoding="utf-8")
    with Manifests([tmp_path / "m.yaml"], strict_provenance=True) as reading:
        assert reading.check().jobs == 6


def test_every_column_is_told() -> None:
    """And no other."""
    table = REFERENCE.partition("## Columns")[2].partition("## Pairs")[0]
    told = [name for row in table.splitlines() if row.startswith("| `") for name in row.split("|")[1].split("`")[1::2]]
    assert sorted(told) == sorted([*COLUMNS, *CHAIN_COLUMNS])
    table = REFERENCE.partition("## Pairs")[2]
    told = [name for row in table.splitlines() if row.startswith("| `") for name in row.split("|")[1].split("`")[1::2]]
    assert sorted(told) == sorted(PAIR_COLUMNS)
