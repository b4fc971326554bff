"""Cancelling pending jobs."""

from __future__ import annotations

import shlex

import pytest

from batchveo.cli import status_of
from batchveo.core.hints import USUAL_STATE
from batchveo.core.models import JobState
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Store
from tests.cli.dragons import add_two_models, list_rows
from tests.helpers.factories import make_spec

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_cancelled_jobs_are_not_made(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Withdrawn before they are submitted."""
    with running(Service(Settings(key="another-key"))) as other:
        status_of(["run", "m.yaml", "--base-url", other])
    assert status_of(["cancel", "dragon"]) == 0
    assert status_of(["run", "m.yaml"]) == 0
    assert [job["state"] for job in list_rows(capsys)] == ["cancelled", "succeeded", "succeeded"]
    assert status_of(["cancel", "fox 0"]) == 2


@pytest.mark.parametrize(
    ("arguments", "cancelled"),
    [
        (["--model", "veo2"], ["fox"]),
        (["--all", "--model", "veo2"], ["fox"]),
        (["--model", "veo2", "--model", "google/veo3"], ["dragon", "fox"]),
        (["dragon", "fox", "--model", "veo2"], ["fox"]),
        (["dragon", "--model", "veo2"], []),
        (["--all"], ["dragon", "fox"]),
        (["--where", "model == 'veo2'"], ["fox"]),
        (["--where", "'DRAG' in name", "--model", "veo2"], []),
        (["dragon", "fox", "--where", "name == 'fox'"], ["fox"]),
        (["--all", "--where", "name != 'fox'"], ["dragon"]),
    ],
)
def test_only_jobs_of_a_model_or_of_a_condition(
    arguments: list[str], cancelled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It narrows what is chosen otherwise; alone it chooses every such pending job."""
    with Store(USUAL_STATE) as store:
        add_two_models(store)
    assert status_of(["cancel", *arguments]) == 0
    assert [job["name"] for job in list_rows(capsys, "--state-is", "cancelled")] == cancelled


@pytest.mark.parametrize("command", ["cancel --all", "retry", "resolve --all --fail", "jobs"])
def test_a_wrong_condition_is_pointed_at(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By each command that takes one; nothing is done."""
    with Store(USUAL_STATE) as store:
        add_two_models(store)
    assert status_of([*command.split(), "--where", "model = 'veo2'"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "batchveo: --where: = is not known here: write ==",
        "  model = 'veo2'",
        "        ^",
    ]
    assert [job["state"] for job in list_rows(capsys)] == ["pending", "pending"]


@pytest.mark.parametrize("arguments", [[], ["dragon", "--all"], ["dragon", "--all", "--model", "veo2"]])
def test_the_choice_must_be_clear(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Neither nothing nor everything and a name."""
    with Store(USUAL_STATE) as store:
        add_two_models(store)
    assert status_of(["cancel", *arguments]) == 2
    assert "name the jobs to cancel, or give --all, --model or --where" in capsys.readouterr().err


def undo(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The arguments of the command that ``cancel`` has just printed."""
    line = capsys.readouterr().err.splitlines()[-1]
    words = shlex.split(line.removeprefix("undo: "))
    assert words[0] == "batchveo"
    return words[1:]


@pytest.mark.parametrize("count", [2, 8], ids=["few", "many"])
def test_the_command_that_undoes_it_brings_back_exactly_those(
    count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not what was cancelled before, and not a namesake; complete with ``--state``."""
    with Store("other.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        specs = [make_spec(name) for name in ("before", *(f"a job {n}" for n in range(count - 1)), "twin")]
        store.imports.add_jobs([*specs, make_spec("twin", id="ab" * 10, stem="t2")], run=run, now=1.0)
    monkeypatch.delenv("BATCHVEO_STATE", raising=False)
    assert status_of(["cancel", "before", "abababab", "--state", "other.db"]) == 0
    capsys.readouterr()
    assert status_of(["cancel", "--all", "--state", "other.db"]) == 0
    command = undo(capsys)
    assert command[-2:] == ["--state", "other.db"]
    assert ("--where" in command) == (count > 5)
    assert status_of(command) == 0
    with Store("other.db", writing=False) as store:
        left = {job.id for job in store.jobs() if job.state is JobState.CANCELLED}
    assert left == {specs[0].id, "ab" * 10}
