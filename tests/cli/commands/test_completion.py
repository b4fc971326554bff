"""Shell completion: the scripts, and what they offer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from batchveo.cli import batchveo, status_of
from batchveo.cli.commands.completion import SHELLS, VARIABLE
from batchveo.core.models import JobState
from batchveo.store import Store
from tests.helpers.factories import make_spec


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def state() -> Path:
    """Three pending jobs, one of them with blanks in its name; one cancelled."""
    path = Path("state/batchveo.db")
    with Store(path) as store:
        run = store.begin_run(command="run", service="x", now=1.0)
        store.add([make_spec(name) for name in ("dragon", "Drache", "a fox;\nrm -rf $HOME", "done")], run=run, now=1.0)
        (done,) = store.find("done")
        store.cancel(done, now=2.0)
    return path


def offered(*arguments: str, word: str = "") -> list[str]:
    """The words that a shell would offer."""
    completer = ShellComplete(batchveo, {}, "batchveo", VARIABLE)
    return [item.value for item in completer.get_completions(list(arguments), word)]


def test_commands_options_and_choices() -> None:
    """What click knows by itself."""
    assert "resume" in offered(word="res")
    assert offered("run", word="--when") == ["--when-in-doubt"]
    assert offered("jobs", "--state-is", word="in_") == ["in_doubt"]


def test_jobs_in_the_right_state(state: Path) -> None:
    """By name; by id where a shell would take the name apart."""
    with Store(state, writing=False) as store:
        odd = next(job for job in store.jobs() if "fox" in job.name)
    assert set(offered("cancel")) == {"dragon", "Drache", odd.id[:16]}
    assert offered("cancel", word="dra") == ["dragon"]
    assert offered("cancel", word="Dra") == ["Drache"]
    assert offered("cancel", word="a f") == [odd.id[:16]]
    assert offered("cancel", word=odd.id[:5]) == [odd.id[:16]]
    assert offered("retry") == ["done"]
    assert offered("resolve") == []
    assert offered("cancel", word="zzz") == []


def test_jobs_of_the_state_that_is_meant(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By option, variable or config file; no error where it is not there, or is none."""
    other = state.rename("other.db")
    assert offered("cancel") == []
    assert "dragon" in offered("cancel", "--state", str(other))
    Path("batchveo.toml").write_text('state = "other.db"\n')
    assert "dragon" in offered("cancel")
    Path("batchveo.toml").write_text("state = \n")
    assert offered("cancel") == []
    monkeypatch.setenv("BATCHVEO_STATE", str(other))
    assert "dragon" in offered("cancel")
    Path("none.db").write_bytes(b"no database at all, whatever the name says" * 100)
    assert offered("cancel", "--state", "none.db") == []


def test_at_most_fifty_are_offered() -> None:
    """However many there are."""
    with Store("state/batchveo.db") as store:
        run = store.begin_run(command="run", service="x", now=1.0)
        store.add([make_spec(f"job{n}") for n in range(200)], run=run, now=1.0)
        assert len(store.beginning_with("", JobState.PENDING)) == 50
        assert len(store.beginning_with("job", JobState.PENDING)) == 50
        assert next(name for _, name in store.beginning_with("job19", JobState.PENDING)) == "job19"


def test_models_by_any_part() -> None:
    """``models lite`` works, and so does its completion."""
    assert "veo-3.1-lite-generate-001" in offered("models", word="lite")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each names the command and click's variable, and its shell takes it, where it is there."""
    assert status_of(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"{VARIABLE}={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_an_unknown_shell(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, with those there are."""
    assert status_of(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(state: Path) -> None:
    """The script, sourced by a real bash, asks the real program."""
    Path("batchveo").write_text(f'#!/bin/sh\nexec {sys.executable} -m batchveo "$@"\n')
    Path("batchveo").chmod(0o755)
    script = """
        PATH="$PWD:$PATH"
        source <(batchveo completion bash)
        complete -p batchveo
        COMP_WORDS=(batchveo cancel dra) COMP_CWORD=2
        _batchveo_completion batchveo
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "dragon"
    assert "complete -o nosort -F _batchveo_completion batchveo" in done.stdout
