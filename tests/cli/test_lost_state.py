"""Databases that are new, elsewhere or gone, as a user's shell sees them: nothing is bought that nobody wanted."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service, Settings

MANIFEST = """
defaults: {model: google/veo-3.1-t2v-fast, resolution: 720p, duration: 4}
jobs:
  - {name: dragon, prompt: A dragon}
  - {name: "fox {index}", prompt: "A fox", repeat: 2, seed: "{index}"}
"""
MORE = MANIFEST + "  - {name: owl, prompt: An owl}\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Keyboard(Terminal):
    buffer = io.BytesIO()


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three levels down, so that the folders of other tests are out of sight."""
    project = tmp_path / "a" / "b" / "project"
    (project / "sub").mkdir(parents=True)
    monkeypatch.chdir(project)
    Path("m.yaml").write_text(MANIFEST)


@pytest.fixture
def service() -> Service:
    return Service(Settings(generation_median=0.05, log_lag=0.1))


def rows(capsys: pytest.CaptureFixture[str], state: str = "state/batchveo.db") -> list[dict[str, object]]:
    capsys.readouterr()
    assert status_of(["jobs", "--json", "--state", state]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def somebody_says(monkeypatch: pytest.MonkeyPatch, answer: str) -> Terminal:
    """A person at the terminal, and what they see."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Keyboard(answer))
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


# -- a new database


@pytest.mark.usefixtures("url")
def test_a_new_database_is_said_with_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    """Once, in lines as in JSON."""
    where = str(Path("state/batchveo.db").absolute())
    assert status_of(["run", "m.yaml"]) == 0
    assert f"created a new database: {where}\n" in capsys.readouterr().err
    assert status_of(["run", "m.yaml"]) == 0
    assert "a new database" not in capsys.readouterr().err
    shutil.rmtree("state")
    assert status_of(["run", "m.yaml", "--log-json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["new_state"] for line in lines if "new_state" in line] == [where]


@pytest.mark.parametrize("cwd", ["sub", "../elsewhere"])
def test_the_same_manifest_from_another_folder_buys_nothing(
    url: str, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cwd: str
) -> None:
    """It stops with the database that knows the jobs, and the words to use it, which then work."""
    assert status_of(["run", "m.yaml"]) == 0
    manifest, known = Path("m.yaml").absolute(), Path("state/batchveo.db").absolute()
    Path(cwd).mkdir(exist_ok=True)
    monkeypatch.chdir(cwd)
    capsys.readouterr()
    assert status_of(["run", str(manifest)]) == 2
    err = capsys.readouterr().err
    assert f"{known} knows 3 of the 3 jobs (3 succeeded)" in err
    assert f"--state {known}" in err
    assert "--new-state" in err
    assert not Path("state").exists()
    assert status_of(["run", str(manifest), "--state", str(known)]) == 0
    assert len(service.generations) == 3


@pytest.mark.usefixtures("url")
def test_who_knows_that_it_is_new_says_so(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """From then on the new one knows the jobs itself."""
    assert status_of(["run", "m.yaml"]) == 0
    monkeypatch.chdir("sub")
    assert status_of(["run", "../m.yaml", "--new-state"]) == 0
    assert len(service.generations) == 6
    assert status_of(["run", "../m.yaml"]) == 0
    assert len(service.generations) == 6


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(("answer", "status", "bought"), [("y\n", 0, 6), ("n\n", 130, 3), ("", 130, 3)])
def test_a_person_is_asked(
    service: Service, monkeypatch: pytest.MonkeyPatch, answer: str, status: int, bought: int
) -> None:
    """And no is the usual answer."""
    assert status_of(["run", "m.yaml"]) == 0
    monkeypatch.chdir("sub")
    screen = somebody_says(monkeypatch, answer)
    assert status_of(["run", "../m.yaml", "--plain"]) == status
    assert "knows 3 of the 3 jobs" in screen.getvalue()
    assert len(service.generations) == bought


@pytest.mark.usefixtures("url")
def test_yes_to_a_price_is_no_yes_to_another_database(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--yes`` stands in crontabs, where this happens."""
    assert status_of(["run", "m.yaml"]) == 0
    monkeypatch.chdir("sub")
    assert status_of(["run", "../m.yaml", "--yes"]) == 2
    assert "knows 3 of the 3 jobs" in capsys.readouterr().err


@pytest.mark.usefixtures("url")
def test_a_database_of_other_manifests_is_new_to_these_jobs(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not enough that there is one."""
    assert status_of(["run", "m.yaml"]) == 0
    monkeypatch.chdir("sub")
    Path("other.yaml").write_text("jobs: [{model: veo2, prompt: An owl}]\n")
    assert status_of(["run", "other.yaml"]) == 0
    assert status_of(["run", "../m.yaml"]) == 2
    assert len(service.generations) == 4


@pytest.mark.usefixtures("url")
def test_plan_says_it_as_a_note(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And that a run would take in what is there."""
    assert status_of(["run", "m.yaml"]) == 0
    known = Path("state/batchveo.db").absolute()
    monkeypatch.chdir("sub")
    capsys.readouterr()
    assert status_of(["plan", "../m.yaml", "--output", "../videos", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert any(note.startswith("a run stops here") and f"--state {known}" in note for note in made["notes"])
    assert "3 finished videos of these jobs found in the output folder: imported by a run, not bought" in made["notes"]
    assert (made["jobs"], made["new"], made["estimated_usd"]) == (3, 0, 0)
    assert not Path("state").exists()


@pytest.mark.usefixtures("_quick_sandbox")
def test_play_is_not_taken_for_the_real_thing(
    url: str, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database of the sandbox is no reason to stop a real run, and its videos are none that were paid for."""
    monkeypatch.delenv("BATCHVEO_BASE_URL")
    assert status_of(["run", "m.yaml", "--sandbox", "--state", "play.db"]) == 0
    capsys.readouterr()
    assert status_of(["run", "m.yaml", "--base-url", url]) == 0
    assert "3 videos of these jobs in videos come from another kind of service" in capsys.readouterr().err
    assert len(service.generations) == 3
    assert status_of(["run", "m.yaml", "--sandbox", "--state", "more-play.db"]) == 2


# -- a database that is gone


@pytest.mark.usefixtures("url")
def test_a_lost_database_takes_in_what_is_finished(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """All facts that the sidecars tell are there again, and the next run has nothing to do either."""
    assert status_of(["run", "m.yaml"]) == 0
    before = rows(capsys)
    shutil.rmtree("state")
    assert status_of(["run", "m.yaml"]) == 0
    assert "imported 3 finished videos found in videos; nothing is bought for them" in capsys.readouterr().err
    assert status_of(["verify"]) == 0
    after = rows(capsys)
    for name in before[0].keys() - {"created_at", "finished_at"}:  # when the job came into this database
        assert [row[name] for row in after] == [row[name] for row in before], name
    assert status_of(["run", "m.yaml"]) == 0
    assert status_of(["audit"]) == 0
    assert len(service.generations) == 3


@pytest.mark.usefixtures("url")
def test_what_is_not_there_is_bought(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest that has grown meanwhile."""
    assert status_of(["run", "m.yaml"]) == 0
    shutil.rmtree("state")
    Path("m.yaml").write_text(MORE)
    assert status_of(["run", "m.yaml"]) == 0
    assert "imported 3 finished videos" in capsys.readouterr().err
    assert len(service.generations) == 4


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "part"])
def test_a_damaged_video_is_fetched_again_not_bought(
    service: Service, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    """Its sidecar names the generation, which is paid for."""
    assert status_of(["run", "m.yaml"]) == 0
    shutil.rmtree("state")
    video = Path("videos/fox 0.mp4")
    content = video.read_bytes()
    video.unlink()
    match damage:
        case "cut":
            video.write_bytes(content[:-1])
        case "changed":
            video.write_bytes(content[:-1] + b"?")
        case "part":
            video.with_name("fox 0.12345678.part").write_bytes(content)
    assert status_of(["run", "m.yaml"]) == 0
    err = capsys.readouterr().err
    assert "imported 2 finished videos" in err
    assert "1 video damaged or missing in videos, with a sidecar (fox 0: " in err
    assert status_of(["verify"]) == 0
    assert len(service.generations) == 3


@pytest.mark.usefixtures("url")
def test_a_sidecar_of_another_request_is_no_reason(service: Service) -> None:
    """Nor is one that is no sidecar; the video gets a name of its own."""
    assert status_of(["run", "m.yaml"]) == 0
    shutil.rmtree("state")
    Path("videos/owl.json").write_text("[]")
    Path("videos/owl 2.json").write_text('{"job_id": 7, "request": {}}')
    Path("m.yaml").write_text(MANIFEST.replace("A dragon}", "Another dragon}"))
    assert status_of(["run", "m.yaml"]) == 0
    assert len(service.generations) == 4
    assert len(list(Path("videos").glob("dragon*.mp4"))) == 2


OWN_ID = "{prompt: A dragon, id: d-1, name: dragon}"


def replace_dragon(service: Service, change: list[str]) -> None:
    """Make the job again that is refused, or is not made yet: with another prompt or under another model."""
    assert status_of(["run", "m.yaml", "--only", "fox*"]) == 0
    assert status_of(["run", "m.yaml", "--limit", "3", "--dry-run"]) == 0
    assert status_of(["adopt", "--manifest", "m.yaml", "--from-log", "1h"]) == 0
    assert status_of(["retry", "dragon", *change]) == 0
    assert status_of(["resume"]) == 0
    assert len(service.generations) == 3


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("entry", ["{name: dragon, prompt: A dragon}", OWN_ID])
@pytest.mark.parametrize(
    "change", [["--prompt", "A friendly dragon"], ["--model", "google/veo-3.1-t2v-fast", "--to", "google/veo-3.1-t2v"]]
)
def test_what_was_replaced_is_not_bought_by_the_manifest_as_it_was(
    service: Service, capsys: pytest.CaptureFixture[str], entry: str, change: list[str]
) -> None:
    """The sidecar says in place of which job its video was made; that one is named, and cancelled as it was."""
    Path("m.yaml").write_text(MANIFEST.replace("{name: dragon, prompt: A dragon}", entry))
    replace_dragon(service, change)
    before = rows(capsys)
    shutil.rmtree("state")
    assert status_of(["plan", "m.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 0
    assert status_of(["run", "m.yaml"]) == 0
    err = capsys.readouterr().err
    assert "1 job of the manifests got another prompt or model by `retry` before (dragon)" in err
    assert len(service.generations) == 3
    assert {(row["id"], row["state"], row["error"]) for row in rows(capsys)} == {
        (row["id"], row["state"], row["error"]) for row in before
    }
    assert status_of(["run", "m.yaml"]) == 0
    assert status_of(["verify"]) == 0
    assert status_of(["audit"]) == 0
    dragon = next(row for row in before if row["state"] == "cancelled")
    assert status_of(["retry", str(dragon["id"])]) == 0
    assert status_of(["run", "m.yaml"]) == 0
    assert len(service.generations) == 4


@pytest.mark.usefixtures("url")
def test_the_edited_manifest_finds_what_was_replaced(service: Service) -> None:
    """Also if its job has an id of its own."""
    Path("m.yaml").write_text(MANIFEST.replace("{name: dragon, prompt: A dragon}", OWN_ID))
    replace_dragon(service, ["--prompt", "A friendly dragon"])
    shutil.rmtree("state")
    Path("m.yaml").write_text(Path("m.yaml").read_text().replace("A dragon", "A friendly dragon"))
    assert status_of(["run", "m.yaml"]) == 0
    assert len(service.generations) == 3


@pytest.mark.usefixtures("url")
def test_an_older_sidecar_whose_job_had_another_id(service: Service) -> None:
    """The request and the repeat index tell: blanks at the ends of a prompt do not make another video."""
    assert status_of(["run", "m.yaml"]) == 0
    shutil.rmtree("state")
    for sidecar in Path("videos").glob("*.json"):
        says = json.loads(sidecar.read_text())
        says["job_id"] = says["job_id"][::-1]
        says["request"]["prompt"] += "\u200b "
        del says["service"], says["key"]
        sidecar.write_text(json.dumps(says))
    assert status_of(["run", "m.yaml"]) == 0
    assert len(service.generations) == 3


# -- videos that are gone


def moved_away(folder: str = "videos") -> None:
    Path(folder).rename("elsewhere")


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("mount_point", [False, True])
def test_a_folder_that_is_not_mounted_stops_a_run(
    service: Service, capsys: pytest.CaptureFixture[str], mount_point: bool
) -> None:
    """The rest is not written under the mount point, and nothing is bought."""
    assert status_of(["run", "m.yaml"]) == 0
    moved_away()
    if mount_point:
        Path("videos").mkdir()
    Path("m.yaml").write_text(MORE)
    for command in (["run", "m.yaml"], ["resume"]):
        capsys.readouterr()
        assert status_of(command) == 2
        err = capsys.readouterr().err
        assert "3 of 3 finished videos that were looked for" in err
        assert f"are missing from {Path('videos').absolute()}" in err
        assert "--missing-videos-ok" in err
        assert "--output DIR" in err
    assert Path("videos").exists() == mount_point
    assert len(service.generations) == 3
    capsys.readouterr()
    assert status_of(["plan", "m.yaml", "--json"]) == 0
    assert "is the drive connected?" in str(json.loads(capsys.readouterr().out)["notes"])
    if mount_point:
        Path("videos").rmdir()
    Path("elsewhere").rename("videos")
    assert status_of(["run", "m.yaml"]) == 0
    assert len(service.generations) == 4


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("more", [["--missing-videos-ok"], ["--output", "new"]])
def test_who_knows_where_they_are_goes_on(
    service: Service, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    """By the option for that, or in another folder."""
    assert status_of(["run", "m.yaml"]) == 0
    moved_away()
    Path("m.yaml").write_text(MORE)
    assert status_of(["run", "m.yaml", *more]) == 0
    assert len(service.generations) == 4


@pytest.mark.usefixtures("url")
def test_a_deleted_video_stops_nothing(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` says it."""
    assert status_of(["run", "m.yaml"]) == 0
    Path("videos/dragon.mp4").unlink()
    assert status_of(["run", "m.yaml"]) == 0
    assert status_of(["verify"]) == 1
    assert len(service.generations) == 3


# -- resume


def output_of(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


@pytest.mark.usefixtures("url")
def test_resume_goes_on_where_the_run_was(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From whatever folder; what is said on the command line changes it, for the time after too."""
    Path("batchveo.toml").write_text("concurrency = 2\n")
    state = Path("b.db").absolute()
    first = Path("first").absolute()
    assert status_of(["run", "m.yaml", "--state", "b.db", "--output", "first", "--concurrency", "7"]) == 0
    assert status_of(["retry", "--state", "b.db"]) in (0, 2)
    monkeypatch.chdir("sub")
    capsys.readouterr()
    assert status_of(["resume", "--state", str(state), "--log-json"]) == 0
    lines = [json.loads(line) for line in output_of(capsys).splitlines()]
    (began,) = [line for line in lines if line["event"] == "began"]
    assert (began["output"], began["concurrency"]) == (str(first), 7)
    assert f"videos continue in {first}" in [line.get("text") for line in lines]
    assert not [line for line in lines if line.get("warning")]
    assert status_of(["resume", "--state", str(state), "--output", "second"]) == 0
    assert f"earlier videos of this database went to {first}" in output_of(capsys)
    assert status_of(["resume", "--state", str(state), "--plain"]) == 0
    err = output_of(capsys)
    assert f"videos continue in {Path('second').absolute()}" in err
    assert f"videos in {Path('second').absolute()}" in err


@pytest.mark.usefixtures("url")
def test_a_run_with_another_output_is_warned(capsys: pytest.CaptureFixture[str]) -> None:
    """It may be what was meant."""
    assert status_of(["run", "m.yaml"]) == 0
    capsys.readouterr()
    assert status_of(["run", "m.yaml", "--output", "b"]) == 0
    assert f"went to {Path('videos').absolute()}, those of this run go to {Path('b').absolute()}" in output_of(capsys)
