"""What is known of one job: as text, as JSON, and its log; its video in a program of the system."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click
import pytest

from batchveo.cli import status_of
from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job, JobState
from batchveo.core.votes import Vote, VoteKind
from batchveo.store import Store
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import make_chain
from tests.helpers.factories import make_spec

S = JobState
GATE = "black_seconds < 0.5"
REQUEST = {"model": "google/veo3", "prompt": "A fox in\nsnow", "seed": 7, "keyframes": {"a": 1}}


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One job that each state is shown of, in a database whose place is not the default."""
    monkeypatch.chdir(tmp_path)
    with Store("b.db") as store:
        run = store.runs.begin_run(command="run", service="sandbox", now=1.0)
        policy = CheckPolicy(gates=(GATE,)).to_json()
        fox = make_spec("fox", request=REQUEST, policy=policy, meta={"style": "ink"})
        names = ("failed", "doubt", "held", "busy", "pending", "gone")
        store.imports.add_jobs([fox, *map(make_spec, names)], run=run, now=1.0)
        (tmp_path / "v").mkdir()
        (tmp_path / "v/fox.mp4").write_bytes(b"video")
        folder = {"folder": str(tmp_path / "v"), "bytes": 5, "cost_usd": 0.25}
        moved_on(store, run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=2.0, **folder)
        moved_on(store, run, S.FAILED, now=40.0, error="HTTP 422: \x1b[2Jtoo long")
        moved_on(store, run, S.IN_DOUBT, now=40.0)
        moved_on(store, run, S.IN_DOUBT, now=40.0, held=True)
        moved_on(store, run, S.GENERATING, now=40.0)
        store.manual.cancel_job(find(store, "gone"), now=50.0)


def find(store: Store, name: str) -> Job:
    (job,) = store.queries.find_jobs(name)
    return job


def show(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert status_of([*arguments, "--state", "b.db"]) == 0
    return capsys.readouterr().out


def read_sections(text: str) -> dict[str, list[str]]:
    """The lines of each section, by its title."""
    sections = [part.splitlines() for part in text.split("\n\n")]
    return {title: [line.strip() for line in lines] for title, *lines in sections}


def judge(store: Store) -> None:
    job = find(store, "fox")
    rejected = Judgement(verdict=Verdict.REJECTED, gate=GATE, values={"black_seconds": 2.0})
    store.facts.record_measures(job, Measures(level=CheckLevel.BASIC, frames=9, black_seconds=2.0), now=50.0)
    store.facts.record_scores(job, {"clip.score": 0.25}, now=50.0)
    store.verdicts.record_verdict(job, rejected, run=None, now=51.0)
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.RATE, job=job.seq, rating=4, at=52.0))


def test_a_finished_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store("b.db") as store:
        judge(store)
        job = find(store, "fox")
    text = show(capsys, "show", job.id[:6])
    title, sentence, *_ = text.splitlines()
    assert title.startswith("fox: succeeded since 1970-01-01")
    assert title.endswith(" ago")
    assert sentence == "  The video was stored and verified."
    sections = read_sections(text)
    known = dict(line.split(maxsplit=1) for line in sections["job"])
    assert known == {
        "id": job.id,
        "model": "google/veo3",
        "prompt": "A fox in snow",
        "request": 'keyframes {"a": 1}, seed 7',
        "meta": "style ink",
        "manifest": "m.yaml:1",
        "cost": "$0.25 charged",
        "generation": "g-1",
        "file": f"{tmp_path / 'v/fox.mp4'} (5 bytes)",
        "SHA-256": "1",
        "verdict": "rejected by black_seconds < 0.5 (black_seconds = 2.0)",
        "measures": "level basic, frames 9, black_seconds 2.0",
        "scores": "clip.score 0.25",
        "people": "rating 4.0",
    }
    assert [line.split()[2:] for line in sections["history"]][:3] == [
        ["added"],
        ["+1.0", "s", "submitting"],
        ["+10.0", "s", "generating"],
    ]
    assert sections["requests"] == [f"1 {job.client_request_id}  $0.50    g-1"]
    assert sections["next"] == [
        "batchveo open fox --state b.db",
        "opens the video",
        "batchveo retry fox --takes 1 --state b.db",
        "makes another take",
    ]


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("failed", ["retry failed", "retry failed --prompt TEXT"]),
        ("doubt", ["resume --sandbox"]),
        ("held", [f"resolve held {way}" for way in ("--generation-id ID", "--resubmit", "--fail")]),
        ("busy", ["resume --sandbox"]),
        ("pending", ["resume --sandbox", "cancel pending"]),
        ("gone", ["retry gone"]),
    ],
)
def test_what_can_be_done(name: str, commands: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Complete commands, each of which the command line knows."""
    row = json.loads(show(capsys, "show", name, "--json"))
    assert [step["command"] for step in row["next"]] == [f"batchveo {command} --state b.db" for command in commands]
    assert "\x1b" not in show(capsys, "show", name)
    words = shlex.split(row["next"][-1]["command"])
    if words[1] != "resume":
        assert status_of(words[1:]) == 0


def test_a_missing_file_and_a_replaced_job(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "v/fox.mp4").unlink()
    assert "fox.mp4 (5 bytes, missing)" in show(capsys, "show", "fox")
    assert json.loads(show(capsys, "show", "fox", "--json"))["next"][0]["command"].startswith("batchveo verify")
    with Store("b.db", writing=False) as store:
        old = find(store, "failed").id
    assert status_of(["retry", "failed", "--prompt", "shorter", "--state", "b.db"]) == 0
    text = show(capsys, "show", old)
    assert "with another prompt" in text
    assert "\nnext\n" not in text


def test_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The row of ``jobs --json``, and more."""
    with Store("b.db") as store:
        judge(store)
    assert status_of(["retry", "fox", "--takes", "1", "--state", "b.db"]) == 0
    row = json.loads(show(capsys, "show", "fox", "--json"))
    listed = json.loads(show(capsys, "jobs", "fox", "--json"))
    assert {name: row[name] for name in listed} == listed
    assert (row["request"], row["since"], row["file_there"]) == (REQUEST, "1970-01-01T00:00:32.000+00:00", True)
    assert row["reserved_usd"] == 0.25
    assert next((move["from"], move["to"], move["run"]) for move in row["history"]) == ("pending", "submitting", 1)
    assert [request["price_usd"] for request in row["requests"]] == [0.5]
    assert [(each["verdict"], each["gate"]) for each in row["verdicts"]] == [("rejected", GATE)]
    assert [(vote["person"], vote["rating"]) for vote in row["votes"]] == [("ann", 4)]
    assert [(take["name"], take["state"]) for take in row["takes"]] == [("fox", "succeeded"), ("fox-take2", "pending")]
    assert "fox-take2  pending" in show(capsys, "show", "fox")


def test_a_log_has_each_event_and_request_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    with Store("b.db") as store:
        judge(store)
    lines = [line.split("  ", maxsplit=1)[1] for line in show(capsys, "logs", "fox").splitlines()]
    request = json.loads(show(capsys, "jobs", "fox", "--json"))["client_request_id"]
    assert lines == [
        "added by m.yaml",
        f"request 1 prepared: {request}, $0.50 reserved",
        "pending -> submitting",
        "request 1 ends: generating, g-1",
        "submitting -> generating",
        "generating -> downloading",
        "downloading -> succeeded",
        "rejected by black_seconds < 0.5 (black_seconds = 2.0)",
        "rejected by black_seconds < 0.5",
        "ann: rate 4",
    ]
    rows = list(map(json.loads, show(capsys, "logs", "fox", "--json").splitlines()))
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert [row["event"] for row in rows[:3]] == ["added", "prepared", "state"]
    assert (rows[3]["event"], rows[3]["generation_id"]) == ("answered", "g-1")


def test_a_video_is_opened_or_its_place_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    opened: list[tuple[str, bool]] = []

    def launch(url: str, *, locate: bool) -> int:
        opened.append((url, locate))
        return int("broken" in url)

    monkeypatch.setattr(click, "launch", launch)
    monkeypatch.setattr("sys.platform", "linux")
    video = tmp_path / "v/fox.mp4"
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert show(capsys, "open", "fox") == f"{video}\n"
    assert show(capsys, "open", "fox", "--folder") == f"{video.parent}\n"
    assert opened == []
    monkeypatch.setenv("DISPLAY", ":0")
    assert show(capsys, "open", "fox") == ""
    assert show(capsys, "open", "fox", "--folder") == ""
    assert show(capsys, "open", "fox", "--folder", "--videos", "s3://bucket/broken") == "s3://bucket/broken/fox.mp4\n"
    assert opened == [(str(video), False), (str(video), True), ("s3://bucket/broken/fox.mp4", False)]
    video.unlink()
    for name, words in (
        ("fox", f"{video} is not there"),
        ("held", "'held' is in doubt and has no video; `batchveo show"),
    ):
        assert status_of(["open", name, "--state", "b.db"]) == 2
        assert words in capsys.readouterr().err
    assert len(opened) == 3


@pytest.mark.parametrize("name", ["show", "open", "logs"])
def test_an_unknown_job_is_a_slip(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of([name, "wolf", "--state", "b.db"]) == 2
    assert "'wolf' is not a job of this database. `batchveo jobs --state b.db` lists all" in capsys.readouterr().err


@pytest.fixture
def _chain(tmp_path: Path) -> None:
    """A chain whose second job has failed, after it got the last frame of the first."""
    with Store("b.db") as store:
        run = store.runs.begin_run(command="run", service="sandbox", now=90.0)
        store.imports.add_jobs(make_chain(4, "shot"), run=run, now=90.0)
        (tmp_path / "v/shot 0.mp4").write_bytes(b"video")
        made = {"folder": str(tmp_path / "v"), "sha256": "ab" * 32}
        first = moved_on(store, run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=100.0, **made)
        (link,) = store.links.list_open_links(first.seq)
        store.links.fill_frame(link, first, b"image", run=run, now=200.0)
        moved_on(store, run, S.FAILED, now=210.0, error="refused")


@pytest.mark.usefixtures("_chain")
def test_jobs_of_a_chain(capsys: pytest.CaptureFixture[str]) -> None:
    """What each is made from, and what is made from it; what is in the way, and what lets it go on."""
    text = show(capsys, "show", "shot 1")
    facts = read_sections(text)
    assert facts["made from"] == ["shot 0  succeeded  the last frame, from the video with SHA-256 abababababab…"]
    assert facts["made from it"] == ["shot 2  blocked  the last frame"]
    assert any(" link 2 of 4, the first is shot 0 (" in line for line in facts["job"])
    assert any(line.endswith("image_url the last frame of shot 0") for line in facts["job"])
    text = show(capsys, "show", "shot 3")
    assert text.startswith("shot 3: blocked since ")
    assert text.splitlines()[1].strip() == "Cannot be made without the video of another job: shot 1 failed."
    facts = read_sections(text)
    assert facts["made from"] == ["shot 2  blocked  the last frame, not taken yet"]
    effect = "lets the next run make shot 1, and then this job"
    with Store("b.db", writing=False) as store:
        first, second = (find(store, name).id for name in ("shot 0", "shot 1"))
    assert facts["next"][:2] == [f"batchveo retry {second} --state b.db", effect]
    assert f"batchveo retry {first} --with-children --state b.db" in show(capsys, "show", "shot 0")


@pytest.mark.usefixtures("_chain")
def test_jobs_of_a_chain_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(show(capsys, "show", "shot 2", "--json"))
    with Store("b.db", writing=False) as store:
        first, second, _, last = (find(store, f"shot {n}").id for n in range(4))
    assert (found["chain"], found["link"], found["chain_length"], found["blocked_by"]) == (first, 3, 4, second)
    assert (found["state"], found["waits"]) == ("pending", "blocked: shot 1 failed")
    open_link = {"part": "last", "taken_from": None, "sha256": None}
    assert found["made_from"] == [{"id": second, "name": "shot 1", "state": "failed", **open_link}]
    assert found["children"] == [{"id": last, "name": "shot 3", "state": "pending", **open_link}]
    (tie,) = json.loads(show(capsys, "show", "shot 1", "--json"))["made_from"]
    assert (tie["taken_from"], tie["sha256"]) == ("shot 0", "ab" * 32)
