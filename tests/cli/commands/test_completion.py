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
from batchveo.store import Store
from tests.helpers.factories import make_spec


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def offered(*arguments: str, word: str = "") -> list[str]:
    """The words that a shell would offer."""
    completer = ShellComplete(batchveo, {}, "batchveo", VARIABLE)
    return [item.value for item in completer.get_completions(list(arguments), word)]


def test_commands_options_and_choices() -> None:
    """What click knows by itself."""
    assert "resume" in offered(word="res")
    assert offered("run", word="--when") == ["--when-in-doubt"]
    assert offered("jobs", "--state-is", word="in_") == ["in_doubt"]


def test_models_by_any_part() -> None:
    """``models lite`` works, and so does its completion."""
    assert "veo-3.1-lite-generate-001" in offered("models", word="lite")
    assert "veo-3.1-lite-generate-001" in offered("retry", "--model", word="lite")


@pytest.mark.parametrize("command", ["jobs", "show", "open", "logs", "retry", "cancel", "resolve", "check", "pick"])
def test_jobs_by_the_beginning_of_their_name_or_id(command: str) -> None:
    """Of the database that is named; a name that a shell would split is completed to the id."""
    assert offered(command, "--state", "none.db", word="fo") == []
    with Store("b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        specs = [make_spec(name) for name in ("fox-1", "fox in snow", "wolf")]
        store.imports.add_jobs(specs, run=run, now=1.0)
    assert offered(command, "--state", "b.db", word="fo") == ["fox-1", specs[1].id]
    assert offered(command, "--state", "b.db", word=specs[2].id[:6]) == ["wolf"]
    assert len(offered(command, "--state", "b.db")) == 3


@pytest.mark.parametrize("command", ["jobs", "retry", "export", "promote"])
def test_fields_of_conditions(command: str) -> None:
    """Of the last one; the rest of the condition stays, and nothing is offered within a text."""
    assert offered(command, "--where", word="black_s") == ["black_seconds"]
    assert offered(command, "--where", word='model == "veo2" and pri') == ['model == "veo2" and priority']
    assert offered(command, "--where", word="(not pri") == ["(not priority"]
    assert offered(command, "--where", word='model == "ve') == []
    assert "prompt" in offered(command, "--where", word="")


def test_conditions_of_manifests_have_fewer_fields() -> None:
    """Those that are known before a job is submitted."""
    assert offered("run", "--where", word="pri") == ["priority"]
    assert offered("plan", "--where", word="black_s") == []


def test_fields_to_sort_by() -> None:
    """By their short names too."""
    assert offered("jobs", "--sort", word="cos") == ["cost", "cost_usd"]


@pytest.mark.parametrize(
    ("arguments", "word", "found"),
    [
        (("models", "--takes"), "last_im", "last_image_url"),
        (("retry", "--drop"), "negative_", "negative_prompt"),
        (("sandbox", "--fault"), "thro", "throttle"),
        (("help",), "verif", "verify"),
        (("run", "--checks"), "ba", "basic"),
        (("export", "--captions"), "t", "txt"),
        (("retry", "--state-is"), "fail", "failed"),
        (("export", "--model"), "veo-3.1-lite-gen", "veo-3.1-lite-generate-001"),
    ],
)
def test_values_of_other_options(arguments: tuple[str, ...], word: str, found: str) -> None:
    """Parameters, faults, commands, models and choices."""
    assert found in offered(*arguments, word=word)


@pytest.mark.parametrize("arguments", [("run",), ("adopt", "--manifest"), ("export", "--manifest"), ("plan", "--keys")])
def test_files_are_left_to_the_shell(arguments: tuple[str, ...]) -> None:
    """It knows them best."""
    completer = ShellComplete(batchveo, {}, "batchveo", VARIABLE)
    assert [item.type for item in completer.get_completions(list(arguments), "x")] == ["file"]


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
def test_bash_completes() -> None:
    """The script, sourced by a real bash, asks the real program."""
    Path("batchveo").write_text(f'#!/bin/sh\nexec {sys.executable} -m batchveo "$@"\n')
    Path("batchveo").chmod(0o755)
    script = """
        PATH="$PWD:$PATH"
        source <(batchveo completion bash)
        complete -p batchveo
        COMP_WORDS=(batchveo models lite-gen) COMP_CWORD=2
        _batchveo_completion batchveo
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "veo-3.1-lite-generate-001"
    assert "complete -o nosort -F _batchveo_completion batchveo" in done.stdout
