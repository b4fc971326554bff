"""``batchveo export``, as a user's shell sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.core.votes import VoteKind
from tests.helpers.dataset_hub import TOKEN, DatasetHub, Repository, connected_hub
from tests.helpers.finished_jobs import Morning
from tests.helpers.process_server import start_process


@pytest.fixture
def morning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Morning:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHVEO_STATE", "b.db")
    morning = Morning(tmp_path)
    for name in "abc":
        morning.make(name, meta={"n": name})
    return morning


def test_a_dataset(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    """What was made on stdout, the rest on stderr; --json for scripts."""
    assert status_of(["export", "dataset", "--format", "videofolder", "--format", "webdataset"]) == 0
    out = capsys.readouterr()
    assert "3 clips (train 3), 3 added" in out.out
    assert "3 linked, new shards: 1" in out.err
    assert status_of(["export", "dataset", "--json", "--where-meta", "n=a"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["clips"], row["added"], row["left_out"], row["splits"]) == (3, 0, 2, {"train": 3})
    assert status_of(["export", "dataset", "--dry-run"]) == 0
    assert "0 would be added" in capsys.readouterr().out


def test_what_is_left_out_is_said(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason, also of clips that stay; a condition that is wrong is shown with the place."""
    jobs = morning.jobs()
    morning.judge(jobs[0], "has_sound == false")
    assert status_of(["export", "dataset", "--where", "meta.n != 'b'"]) == 0
    out = capsys.readouterr()
    assert "1 clip (train 1), 1 added" in out.out
    assert "1 linked\nnot exported: 1 not chosen, 1 rejected by their gates\n" in out.err
    morning.vote(VoteKind.REJECT, jobs[2])
    assert status_of(["export", "dataset", "--json", "--include-rejected"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["clips"], row["left_out"], row["left_out_because"], row["kept"]) == (3, 0, {}, {})
    assert status_of(["export", "dataset", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["kept"] == {"rejected by people": 1, "rejected by their gates": 1}
    assert any("stay in the dataset" in note for note in row["notes"])
    assert status_of(["export", "dataset", "--where", "motin > 2"]) == 2
    assert "did you mean motion" in capsys.readouterr().err


def test_pairs_and_picks(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    pair = [morning.make(f"take {n}", prompt="a fox", meta={"n": n}) for n in range(2)]
    morning.vote(VoteKind.PICK, pair[1])
    morning.vote(VoteKind.REJECT, pair[0])
    assert status_of(["export", "pairs", "--pairs"]) == 0
    assert "2 linked, 1 pair\nnot exported: 3 in no pair\n" in capsys.readouterr().err
    assert status_of(["export", "picked", "--picked", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["clips"], row["pairs"]) == (1, None)
    assert row["left_out_because"] == {"rejected by people": 1, "not picked": 3}
    assert status_of(["export", "both", "--picked", "--pairs"]) == 2


def test_a_wrong_video_is_status_1(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    """With its name and what is wrong."""
    (morning.videos / "b.mp4").write_bytes(b"cut")
    assert status_of(["export", "dataset"]) == 1
    out = capsys.readouterr()
    assert "2 clips" in out.out
    assert "left out: b: 3 bytes, recorded were" in out.err


def test_bad_usage(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and nothing is written."""
    cases = [
        (["--split", "0.5"], "make 0.5, not 1"),
        (["--split-by", "colour"], "--split-by"),
        (["--where-meta", "scene"], "key=value"),
        (["--format", "zip"], "videofolder"),
        (["--shard-clips", "0"], "above 0"),
        (["--files", "move"], "--files move was removed"),
        (["--state", "missing.db"], "no database at"),
    ]
    for arguments, words in cases:
        assert status_of(["export", "dataset", *arguments]) == 2, arguments
        assert words in capsys.readouterr().err, arguments
    assert not Path("dataset").exists()
    assert status_of(["export", "videos"]) == 2
    assert "holds other things" in capsys.readouterr().err


def test_without_the_extras(
    morning: Morning, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet says what to install; the others go on without what PyAV would measure, and say so."""
    from batchveo.dataset import clips, exporter

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(clips, "can_probe", lambda: False)
    monkeypatch.setattr(exporter, "can_probe", lambda: False)
    assert status_of(["export", "dataset", "--format", "parquet"]) == 2
    assert "batchveo[parquet]" in capsys.readouterr().err
    assert not Path("dataset").exists()
    assert status_of(["export", "dataset", "--format", "jsonl"]) == 0
    assert "batchveo[media]" in capsys.readouterr().err
    row = json.loads(Path("dataset/clips.jsonl").read_text().splitlines()[0])
    assert row["width"] is None
    monkeypatch.undo()
    monkeypatch.chdir(morning.folder)
    assert status_of(["export", "dataset", "--state", "b.db"]) == 0
    row = json.loads(Path("dataset/clips.jsonl").read_text().splitlines()[0])
    assert row["width"] == 320


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DatasetHub]:
    with connected_hub(monkeypatch, tmp_path) as hub:
        yield hub


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of the library
def test_an_upload(morning: Morning, hub: DatasetHub, capsys: pytest.CaptureFixture[str]) -> None:
    """What would be uploaded, what was, and that nothing was left to do; a video that is left out is still status 1."""
    push = ["export", "dataset", "--push-to-hub", "ann/clips", "--private"]
    place = f"{hub.url}/datasets/ann/clips"
    assert status_of([*push, "--dry-run"]) == 0
    expected = f"{place} (private, would be created): would get 3 new clips"
    assert expected in capsys.readouterr().out
    assert hub.list_changes() == []
    assert not Path("dataset").exists()
    assert status_of(push) == 0
    assert f"{place} (private): uploaded, commit 00000000\n" in capsys.readouterr().out
    Path("dataset/more.txt").write_text("more")
    assert status_of([*push, "--dry-run"]) == 0
    assert f"{place} (private): would get 1 file (4 bytes) of the folder\n" in capsys.readouterr().out
    Path("dataset/more.txt").unlink()
    assert status_of([*push, "--dry-run"]) == 0
    assert f"{place} (private): nothing to upload, all is there\n" in capsys.readouterr().out
    assert status_of([*push, "--dry-run", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["upload"]
    assert row["repository"] == "ann/clips"
    assert (row["url"], row["private"], row["files"], row["commit"]) == (place, True, 0, None)
    (morning.videos / "b.mp4").unlink()
    Path("dataset/train/b.mp4").unlink()
    assert status_of(push) == 1
    capsys.readouterr()
    assert status_of([*push, "--json"]) == 1
    row = json.loads(capsys.readouterr().out)["upload"]
    assert (row["changed"], row["branch"], row["commit"]) == (False, "main", f"{2:040}")
    assert "train/b.mp4" in hub.files("ann/clips"), "an upload deletes nothing"


def test_what_prevents_an_upload_comes_before_the_export(
    morning: Morning, hub: DatasetHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 2 for what is wrong here, 3 for what the hub refuses; nothing is written."""
    hub.repositories["ann/public"] = Repository(private=False)
    for arguments, words in [
        (["--private"], "add --push-to-hub"),
        (["--revision", "draft"], "add --push-to-hub"),
        (["--push-to-hub", "clips"], "OWNER/NAME"),
        (["--push-to-hub", "ann/public", "--private"], "exists and is public"),
    ]:
        assert status_of(["export", "dataset", *arguments]) == 2, arguments
        assert words in capsys.readouterr().err
    hub.refused["/whoami-v2"] = 401
    assert status_of(["export", "dataset", "--push-to-hub", "ann/clips"]) == 3
    assert "does not accept the token (401)" in capsys.readouterr().err
    monkeypatch.delenv("HF_TOKEN")
    assert status_of(["export", "dataset", "--push-to-hub", "ann/clips"]) == 2
    assert "no token" in capsys.readouterr().err
    assert not Path("dataset").exists()
    assert hub.list_changes() == []


@pytest.mark.slow
def test_the_variables_of_the_library_count(morning: Morning, hub: DatasetHub) -> None:
    """Address and token in the environment of a process; standard output has no progress."""
    variables = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(morning.folder)}
    arguments = ("export", "dataset", "--push-to-hub", "ann/clips", "--state", "b.db")
    environment = {**os.environ, **variables}
    process = start_process("batchveo", *arguments, folder=morning.folder, environment=environment, seconds=60)
    out, err = process.communicate()
    assert process.wait() == 0, err
    assert out.splitlines()[1] == f"{hub.url}/datasets/ann/clips (public): uploaded, commit 00000000"
    assert {"README.md", "train/a.mp4", "train/metadata.jsonl"} <= hub.files("ann/clips").keys()


def test_strict_provenance(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    """``plan`` and ``run`` refuse alike, before a key is asked for."""
    Path("m.yaml").write_text("- {model: google/veo3, prompt: x}\n")
    for arguments in (["plan", "--sandbox"], ["run"], ["run", "--dry-run", "--sandbox"]):
        assert status_of([*arguments, "m.yaml", "--strict-provenance"]) == 2
        assert "m.yaml:1: enhance_prompt: is absent" in capsys.readouterr().err


def test_it_starts_without_what_it_may_not_need() -> None:
    """No library of an extra is imported for its help; pandas, where there is one, is sqlite-utils' own wish."""
    code = """
import sys
sys.modules["pandas"] = None
import batchveo.cli.commands.export
print({"av", "pyarrow", "huggingface_hub"} & {*sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
