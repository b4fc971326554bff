"""``--set``, ``--map``, ``--extra``, ``--limit`` and ``--only``, as a user's shell sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.core.gates import parse_policy
from batchveo.core.measures import CheckLevel
from batchveo.core.models import Job, JobState
from batchveo.sandbox import Service, Settings
from batchveo.store import Store

REAL = "video_id,text_prompt,category\n" + "".join(f"v{n},A cat runs {n} times,animals\n" for n in range(6))
OPTIONS = [
    *("--set", "model=google/veo-3.1-t2v-fast", "--set", "duration=4", "--set", "meta.split=train"),
    *("--map", "prompt=text_prompt", "--map", "name=video_id", "--extra", "meta"),
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("real.csv").write_text(REAL, encoding="utf-8")


@pytest.fixture
def service() -> Service:
    return Service(Settings(generation_median=0.05, log_lag=0.1))


def stored() -> list[Job]:
    with Store(Path("state/batchveo.db"), writing=False) as store:
        return list(store.jobs())


def test_a_real_file_becomes_videos(url: str, service: Service) -> None:
    """Its rows as they came, named and labelled by its columns."""
    assert status_of(["run", "real.csv", *OPTIONS]) == 0
    assert sorted(path.stem for path in Path("videos").glob("*.mp4")) == [f"v{n}" for n in range(6)]
    assert [dict(job.meta) for job in stored()] == [{"split": "train", "category": "animals"}] * 6
    assert {job.request["duration"] for job in stored()} == {4}
    assert len(service.generations) == 6


def test_a_part_first_and_the_rest_later(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is bought twice, and nobody is told that jobs are no longer named."""
    assert status_of(["run", "real.csv", *OPTIONS, "--limit", "2"]) == 0
    assert [job.name for job in stored()] == ["v0", "v1"]
    assert "2 of 6 chosen by --limit" in capsys.readouterr().err
    assert status_of(["run", "real.csv", *OPTIONS, "--only", "v[34]", "--only", stored()[0].id]) == 0
    assert [job.name for job in stored()] == ["v0", "v1", "v3", "v4"]
    told = capsys.readouterr().err
    assert "3 of 6 chosen by --only: 2 new, 1 done already" in told
    assert "no longer named" not in told
    assert status_of(["run", "real.csv", *OPTIONS]) == 0
    assert [job.name for job in stored()] == ["v0", "v1", "v3", "v4", "v2", "v5"]
    assert "no longer named" not in capsys.readouterr().err
    assert len(service.generations) == 6


def test_pending_jobs_that_are_not_chosen_stay_pending(url: str, service: Service) -> None:
    """Known to the database or not."""
    assert status_of(["run", "real.csv", *OPTIONS, "--budget", "0"]) == 3
    assert len(stored()) == 6
    assert status_of(["run", "real.csv", *OPTIONS, "--limit", "1"]) == 0
    assert [job.state for job in stored()] == [JobState.SUCCEEDED, *[JobState.PENDING] * 5]
    assert len(service.generations) == 1


def test_a_plan_shows_the_same_choice(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In words and in JSON; it prices what is chosen."""
    assert status_of(["plan", "real.csv", *OPTIONS, "--limit", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 of 6 chosen by --limit" in out
    assert "$1.56" in out
    assert status_of(["run", "real.csv", *OPTIONS, "--limit", "2", "--dry-run"]) == 0
    assert capsys.readouterr().out == out
    assert status_of(["plan", "real.csv", *OPTIONS, "--only", "v5", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["jobs"], made["named"], made["new"], [s["name"] for s in made["sample"]]) == (1, 6, 1, ["v5"])


def test_variables_give_them_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every option."""
    monkeypatch.setenv("BATCHVEO_SET", "model=google/veo-3.1-t2v-fast duration=4")
    monkeypatch.setenv("BATCHVEO_MAP", "prompt=text_prompt")
    monkeypatch.setenv("BATCHVEO_EXTRA", "ignore")
    monkeypatch.setenv("BATCHVEO_LIMIT", "1")
    assert status_of(["run", "real.csv"]) == 0
    assert [job.request["prompt"] for job in stored()] == ["A cat runs 0 times"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "duration"], "--set FIELD=VALUE"),
        (["--set", "durtion=8"], "did you mean duration?"),
        (["--map", "caption=text_prompt"], "--map caption"),
        (["--limit", "0"], "--limit 0"),
        (["--only", "nobody"], "none of 6 jobs"),
        (["--extra", "drop"], "'meta', 'ignore', 'error'"),
    ],
)
def test_bad_usage(url: str, options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, nothing written, and what would be right."""
    assert status_of(["run", "real.csv", *OPTIONS, *options]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not Path("state").exists()


def test_a_list_of_prompts(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A text file needs a model, and no more."""
    Path("prompts.txt").write_text("A cat\nA dog\n")
    assert status_of(["run", "prompts.txt"]) == 2
    assert "batchveo run prompts.txt --set model=google/veo-3.1-t2v-fast" in capsys.readouterr().err
    assert status_of(["run", "prompts.txt", "--set", "model=google/veo-3.1-t2v-fast"]) == 0
    assert [job.request["prompt"] for job in stored()] == ["A cat", "A dog"]


GATED = ["--set", "gates=name != 'v1'", "--set", "prefer=-cost_usd"]


def levels() -> dict[str, CheckLevel]:
    return {job.name: parse_policy(job.policy).level for job in stored()}


def test_checks_of_every_job(url: str) -> None:
    """At least those of the option; another run without it asks for what the manifest says."""
    Path("m.yaml").write_text(
        "jobs:\n- {model: veo2, prompt: A fox, name: a}\n- {model: veo2, prompt: A cat, name: b, checks: all}\n"
    )
    run = ["run", "m.yaml", "--budget", "0", "-q"]
    assert status_of([*run, "--checks", "basic"]) == 3
    assert levels() == {"a": CheckLevel.BASIC, "b": CheckLevel.ALL}
    assert status_of(run) == 3
    assert levels() == {"a": CheckLevel.NONE, "b": CheckLevel.ALL}


def test_a_run_without_checks_is_resumed_without_them(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The jobs keep their gates for a later run."""
    run = ["run", "real.csv", *OPTIONS, *GATED, "--budget", "0"]
    assert status_of([*run, "--checks", "none"]) == 3
    assert {parse_policy(job.policy).gates for job in stored()} == {("name != 'v1'",)}
    capsys.readouterr()
    assert status_of(["resume", "-v"]) == 3
    assert "as the run before: --checks none" in capsys.readouterr().err
    assert status_of(run) == 3
    assert status_of(["resume", "-v"]) == 3
    assert "--checks" not in capsys.readouterr().err


def test_a_level_that_is_none_is_bad_usage(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are."""
    assert status_of(["run", "real.csv", *OPTIONS, "--checks", "some"]) == 2
    assert "'none', 'basic', 'all'" in capsys.readouterr().err
    assert not Path("state").exists()


def test_a_template_of_names_is_remembered_by_the_jobs(
    url: str, service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one moves nothing that is finished and buys nothing; what is pending goes to the new place."""
    assert status_of(["run", "real.csv", *OPTIONS, "--filename", "{meta.split}/{name}", "--limit", "2"]) == 0
    assert status_of(["run", "real.csv", *OPTIONS, "--filename", "{meta.split}/{name}", "--budget", "$1.56"]) == 3
    assert [job.stem for job in stored()] == [f"train/v{n}" for n in range(6)]
    assert status_of(["run", "real.csv", *OPTIONS, "--filename", "{model}/{duration}s/{name}", "--limit", "3"]) == 0
    assert status_of(["resume"]) == 0
    model = "google_veo-3.1-t2v-fast/4s"
    files = [f"train/v{n}.mp4" for n in range(2)] + [f"{model}/v2.mp4"] + [f"train/v{n}.mp4" for n in range(3, 6)]
    assert [job.file for job in stored()] == files
    assert sorted(path.relative_to("videos").as_posix() for path in Path("videos").rglob("*.mp4")) == sorted(files)
    assert len(service.generations) == 6
    assert status_of(["verify"]) == 0
    assert status_of(["report", "--output", "report.html"]) == 0
    assert "videos/train/v0.mp4" in Path("report.html").read_text()
    for display in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(display, raising=False)
    capsys.readouterr()
    assert status_of(["open", "v0"]) == 0
    assert capsys.readouterr().out.strip().endswith("videos/train/v0.mp4")


def test_a_template_that_some_job_cannot_fill_buys_nothing(
    url: str, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line is named; a template that leads elsewhere is refused at once."""
    assert status_of(["run", "real.csv", *OPTIONS, "--filename", "{meta.scene}/{name}"]) == 2
    assert "real.csv:2: filename: this job has no meta.scene" in capsys.readouterr().err
    assert status_of(["run", "real.csv", *OPTIONS, "--filename", "../{name}"]) == 2
    assert not service.generations
    assert not Path("state").exists()
