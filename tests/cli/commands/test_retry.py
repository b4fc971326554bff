"""Setting failed jobs to pending."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli import run_command, status_of
from batchveo.core.hints import USUAL_STATE
from batchveo.core.models import JobState
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Store
from tests.cli.dragons import add_two_models, list_rows
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import LITE, make_chain
from tests.helpers.factories import make_spec

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_failed_jobs_are_status_1_and_can_be_retried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """retry puts them back; resume makes them."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "k")
    monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
    with running(Service(Settings(generation_median=0.1, faults={"generation-error": 1.0}))) as url:
        assert status_of(["run", "m.yaml", "--base-url", url]) == 1
        assert len(list_rows(capsys, "--state-is", "failed")) == 3
        assert status_of(["run", "m.yaml", "--base-url", url]) == 1
    with running(Service(Settings(generation_median=0.1))) as url:
        assert status_of(["retry", "dragon"]) == 0
        assert status_of(["retry", "dragon"]) == 2
        assert status_of(["retry"]) == 0
        assert status_of(["resume", "--base-url", url]) == 0


def test_only_jobs_of_a_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of all failed ones, of those in a state, of those that are named; a variable chooses nothing."""
    with Store(USUAL_STATE) as store:
        run = add_two_models(store)
        for _ in range(2):
            moved_on(store, run, JobState.GENERATING, JobState.FAILED, now=2.0)

    def retried(*arguments: str) -> list[object]:
        """The jobs that `retry` sets to pending; they are cancelled then."""
        assert status_of(["retry", *arguments]) == 0
        names = [job["name"] for job in list_rows(capsys, "--state-is", "pending")]
        if names:
            assert status_of(["cancel", "--all"]) == 0
        return names

    assert retried("--model", "veo2") == ["fox"]
    assert retried("--model", "veo2") == []
    monkeypatch.setenv("BATCHVEO_MODEL", "veo2")
    assert retried() == ["dragon"]
    assert retried("--state-is", "cancelled", "--model", "google/veo3") == ["dragon"]
    assert retried("fox", "dragon", "--model", "veo2") == ["fox"]
    assert retried("--state-is", "cancelled", "--where", "name == 'fox' and attempts == 1") == ["fox"]
    assert retried("fox", "dragon", "--where", "'dr' in prompt") == ["dragon"]
    assert status_of(["retry", "--where", "name == 'fox'", "--model", "veo2", "--to", "veo3"]) == 2
    both = ("--model", "veo2", "--model", "google/veo3")
    assert retried("--state-is", "cancelled", *both) == ["dragon", "fox"]
    capsys.readouterr()
    assert status_of(["retry", "--model", "veo3"]) == 2
    assert "did you mean google/veo3 or veo2?" in capsys.readouterr().err


MANIFEST = """
defaults: {model: google/veo-3.0-fast, duration: 4}
jobs:
  - {name: dragon, prompt: A dragon, seed: 1}
  - {name: fox, prompt: A fox}
"""


def test_jobs_of_a_withdrawn_model_are_made_under_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run puts them aside with status 3; retry --to replaces them, and resume makes the videos."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "k")
    monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
    Path("old.yaml").write_text(MANIFEST, encoding="utf-8")
    service = Service(Settings(generation_median=0.1, faults={"404-withdrawn": 1.0}))
    with running(service) as url:
        assert status_of(["run", "old.yaml", "--base-url", url]) == 3
    change = ["retry", "--model", "google/veo-3.0-fast", "--to", "google/veo-3.1-t2v-fast"]
    capsys.readouterr()
    assert status_of([*change, "--dry-run"]) == 0
    shown = capsys.readouterr().err.splitlines()
    assert shown == [
        "2 jobs of google/veo-3.0-fast would be made again under google/veo-3.1-t2v-fast",
        "resolution: 720P by default before, 1080p now, in 2 jobs without it",
        "nothing was written",
    ]
    assert [job["state"] for job in list_rows(capsys)] == ["pending", "pending"]
    assert status_of(change) == 0
    assert capsys.readouterr().err.splitlines() == [
        "2 jobs of google/veo-3.0-fast made again under google/veo-3.1-t2v-fast",
        shown[1],
        f"next: batchveo resume --base-url {url}",
    ]
    with running(Service(Settings(generation_median=0.1))) as url:
        assert status_of(["resume", "--base-url", url]) == 0
    assert Path("videos/dragon.mp4").is_file()
    assert [job["name"] for job in list_rows(capsys, "--state-is", "succeeded")] == ["dragon", "fox"]
    capsys.readouterr()
    assert status_of(["retry", "--state-is", "cancelled"]) == 0
    assert capsys.readouterr().err == "0 jobs set to pending\n"


def test_what_does_not_fit_the_new_model_is_listed_like_problems_of_a_manifest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Store(USUAL_STATE) as store:
        add_two_models(store)
    assert status_of(["retry", "--model", "veo2", "--to", "google/veo-3.1-i2v"]) == 2
    error = capsys.readouterr().err
    assert "m.yaml:1" in error
    assert "job fox: is missing; google/veo-3.1-i2v needs it" in error
    assert [job["state"] for job in list_rows(capsys)] == ["pending", "pending"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "veo2"], "--to veo2 needs one --model OLD"),
        (["--to", "veo2", "--model", "a", "--model", "b"], "--to veo2 needs one --model OLD"),
        (["--drop", "seed"], "--drop needs --to or --prompt"),
        (["--dry-run"], "--dry-run needs --model OLD --to NEW"),
        (["--state-is", "pending"], "--state-is pending: only failed and cancelled jobs are retried in this way"),
        (["--state-is", "cancelled", "--takes", "1"], "--state-is cancelled: only pending and submitting"),
        (["fox", "--prompt", "x", "--takes", "1"], "give one of --prompt and --takes"),
        (["--prompt", "x"], "--prompt is for one job"),
        (["fox", "dragon", "--prompt", "x"], "--prompt is for one job"),
        (["fox", "--all"], "name the jobs to retry, or give --all or --state-is"),
        (["--all", "--takes", "1"], "--cause and --all are not for --takes"),
        (["--takes", "2"], "name the jobs to make more takes of"),
        (["fox", "--takes", "0"], "0 takes: from 1 to 100"),
        (["fox", "--with-children", "--takes", "0"], "0 takes: from 1 to 100"),
        (["--with-children"], "name the jobs to make anew with their children"),
        (["--with-children", "--all"], "--cause and --all are not for --with-children"),
    ],
)
def test_options_that_go_together(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(USUAL_STATE) as store:
        add_two_models(store)
    assert status_of(["retry", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_another_prompt_takes_the_place_of_a_failed_job(capsys: pytest.CaptureFixture[str]) -> None:
    with Store(USUAL_STATE) as store:
        run = add_two_models(store)
        moved_on(store, run, JobState.FAILED, now=2.0, error="refused")
    assert status_of(["retry", "fox", "--prompt", "A polite fox"]) == 0
    (new,) = list_rows(capsys, "--state-is", "pending", "--where", "name == 'fox'")
    (old,) = list_rows(capsys, "--state-is", "cancelled")
    assert (new["prompt"], old["error"]) == ("A polite fox", f"made again as {new['id']} with another prompt")
    assert status_of(["retry", "fox", "--prompt", ""]) == 2
    assert "--prompt" in capsys.readouterr().err


def test_more_takes_are_priced_and_a_person_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a script asks for is done; at a terminal a price above the limit is a question, as one that is unknown."""
    with Store(USUAL_STATE) as store:
        run = add_two_models(store)
        moved_on(store, run, JobState.GENERATING, JobState.DOWNLOADING, JobState.SUCCEEDED, now=2.0)
    assert status_of(["retry", "dragon", "--takes", "3"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "3 more takes of 1 job; they cost up to $1.50",
        "next: batchveo resume --base-url s",
    ]
    monkeypatch.setattr(run_command, "is_person_there", lambda: True)
    monkeypatch.setattr(run_command, "ask_yes", lambda question: False)
    assert status_of(["retry", "dragon", "--takes", "1"]) == 0
    assert status_of(["retry", "dragon", "--takes", "1", "--confirm-above", "0.2"]) == 130
    assert status_of(["retry", "fox", "--takes", "1"]) == 130
    assert "1 more take of 1 job; it costs an unknown amount" in capsys.readouterr().err
    assert status_of(["retry", "fox", "--takes", "1", "--yes"]) == 0
    assert status_of(["retry", "--takes", "1", "--where", "verdict == 'accepted'"]) == 0
    assert "no such jobs: no takes to add" in capsys.readouterr().err
    names = [row["name"] for row in list_rows(capsys, "--where", "take > 1")]
    assert names == [*(f"dragon-take{n}" for n in (2, 3, 4, 5)), "fox-take2"]


def test_a_chain_is_made_anew_from_a_link_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Priced and asked for as takes are; what is pending already is not added again."""
    with Store(USUAL_STATE) as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs(make_chain(3, "sea"), run=run, now=1.0)
        for _ in range(2):
            job = moved_on(store, run, JobState.GENERATING, JobState.DOWNLOADING, JobState.SUCCEEDED, now=2.0)
            (link,) = store.links.list_open_links(job.seq)
            store.links.fill_text(link, job, "https://x/y.mp4", run=run, now=3.0)
    capsys.readouterr()
    monkeypatch.setattr(run_command, "is_person_there", lambda: True)
    monkeypatch.setattr(run_command, "ask_yes", lambda question: False)
    (first,) = (row["id"] for row in list_rows(capsys, "sea 0"))
    assert status_of(["retry", "sea 0", "--takes", "1"]) == 0
    assert capsys.readouterr().err.splitlines()[1:] == [
        (
            "1 job stays as it is, made from the video before; "
            f"`batchveo retry {first} --with-children` makes it anew as well"
        ),
        "next: batchveo resume --base-url s",
    ]
    assert status_of(["retry", "sea 1", "--with-children", "--confirm-above", "0.2"]) == 130
    assert status_of(["retry", "sea 0", "--with-children", "--yes", "--confirm-above", "0.2"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "1 video to be made: 1 more take; it costs up to $0.50",
        "1 video to be made: 1 more take; it costs up to $0.50",
        "next: batchveo resume --base-url s",
    ]
    assert status_of(["retry", "sea 0", "--with-children"]) == 0
    assert capsys.readouterr().err.splitlines() == ["nothing to add: all of it is pending already"]
    names = {row["name"] for row in list_rows(capsys, "--state-is", "pending")}
    assert names == {"sea 0-take2", "sea 1-take2", "sea 2"}


def test_what_follows_in_a_chain_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """If its parent is asked for otherwise, it waits for the new one."""
    with Store(USUAL_STATE) as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs(make_chain(3, "sea"), run=run, now=1.0)
        (last,) = store.queries.find_jobs("sea 2")
    assert status_of(["retry", "sea 0", "--prompt", "A calm sea"]) == 0
    assert capsys.readouterr().err.splitlines()[1:] == [
        "2 jobs further down the chain wait for it",
        "next: batchveo resume --base-url s",
    ]
    order = ["retry", "sea 1", "--model", LITE, "--to", "veo-3.1-lite-generate-001"]
    assert status_of([*order, "--dry-run"]) == 0
    assert "1 job further down the chain would wait for them" in capsys.readouterr().err
    assert status_of(order) == 0
    assert "1 job further down the chain waits for them" in capsys.readouterr().err
    assert [row["model"] for row in list_rows(capsys, "--state-is", "pending")] == [
        LITE,
        "veo-3.1-lite-generate-001",
        LITE,
    ]
    assert status_of(["show", last.id]) == 0


def test_the_jobs_of_one_cause(capsys: pytest.CaptureFixture[str]) -> None:
    """Grouped as on the page, by a part of the cause in any case; a cause that no failure has is a slip."""
    with Store(USUAL_STATE) as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(name) for name in "abcd"], run=run, now=1.0)
        for error in ("HTTP 400: safety, try 17", "HTTP 400: safety, try 18", "HTTP 422: no image", None):
            moved_on(store, run, JobState.FAILED, now=2.0, error=error)
    assert status_of(["retry", "--cause", "too dark"]) == 2
    assert "causes: HTTP 400: safety, try N (2 jobs); HTTP 422: no image (1 job)" in capsys.readouterr().err
    assert status_of(["retry", "--cause", " "]) == 2
    assert list_rows(capsys, "--state-is", "pending") == []
    assert status_of(["retry", "--cause", "http 400: Safety, try N", "--where", "name != 'a'"]) == 0
    assert [row["name"] for row in list_rows(capsys, "--state-is", "pending")] == ["b"]
    assert status_of(["retry", "--cause", "safety"]) == 0
    assert status_of(["retry", "--all"]) == 0
    assert len(list_rows(capsys, "--state-is", "pending")) == 4


def test_if_there_is_nothing_to_retry_cancelled_jobs_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with Store(USUAL_STATE) as store:
        add_two_models(store)
    assert status_of(["cancel", "fox"]) == 0
    capsys.readouterr()
    assert status_of(["retry"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "0 jobs set to pending",
        "1 job is cancelled: `batchveo retry --state-is cancelled` makes it pending",
    ]
    assert status_of(["retry", "--state-is", "cancelled"]) == 0
    assert capsys.readouterr().err.splitlines() == ["1 job set to pending", "next: batchveo resume --base-url s"]
