"""What a person is advised to run works as it stands."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import batchveo
from batchveo.cli import COMMANDS, status_of
from batchveo.cli import batchveo as program
from batchveo.core import hints
from batchveo.core.hints import address_options, format_command, job_argument
from batchveo.operations.run import DEFAULT_STATE
from batchveo.provider.client import BASE_URL
from batchveo.provider.service import SANDBOX
from batchveo.sandbox import Service, Settings, running

ROOT = Path(batchveo.__file__).parent
STATE = "my night's.db"


def parsed(command: str) -> None:
    """Take ``command`` apart as click would; raises what is wrong with it."""
    words = shlex.split(command)
    assert words[0] == "batchveo"
    found = program.get_command(click.Context(program), words[1])
    assert found is not None, command
    found.make_context(words[1], words[2:], resilient_parsing=False)


def hinted(text: str) -> list[str]:
    return [command for command in re.findall(r"`(batchveo [^`]*)`", text) if command != "batchveo ui"]


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Each place of the code that makes a command to paste."""
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "format_command" in text else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "format_command":
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


@pytest.mark.parametrize(("place", "call"), [pytest.param(place, call, id=place) for place, call in calls()])
def test_every_hint_is_a_command_that_click_takes(
    place: str, call: ast.Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its options; and it names the state, for what it is about would else be another one."""
    monkeypatch.chdir(tmp_path)
    names_job = any(isinstance(word, ast.Call) or getattr(word, "id", None) == "key" for word in call.args)
    words = ["JOB-1"] if names_job else []
    words += [str(word.value) for word in call.args if isinstance(word, ast.Constant)]
    starred = [word for word in call.args if isinstance(word, ast.Starred)]
    texts = [node.value for star in starred for node in ast.walk(star) if isinstance(node, ast.Constant)]
    command = next(word for word in words if word in COMMANDS)
    rest = [word for word in words if word != command] + [str(text) for text in texts if isinstance(text, str)]
    state = Path(STATE) if _knows_state(command) else None
    parsed(format_command(command, *rest, state=state, service=["--sandbox"] if _takes_service(call) else []))
    assert state is None or any(keyword.arg == "state" for keyword in call.keywords), place


def _knows_state(command: str) -> bool:
    found = program.get_command(click.Context(program), command)
    assert found is not None
    return any(parameter.name == "state" for parameter in found.params)


def _takes_service(call: ast.Call) -> bool:
    return any(keyword.arg == "service" for keyword in call.keywords)


STATELESS = {
    "batchveo models",
    "batchveo models --prices",
    "batchveo models --refresh",
    "batchveo resolve --help",
    "batchveo ui",
    "batchveo",
    "batchveo ",
}


def test_no_hint_is_written_by_hand() -> None:
    """Whoever writes one into a text leaves the state out."""
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text if "`batchveo" in text else "")
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                found = set(re.findall(r"`(batchveo[^`{]*)`", node.value)) - STATELESS
                assert not found or path.parent.name == "web", f"{path}:{node.lineno}: {found}"


def test_the_state_is_named_where_it_is_not_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or where the environment names another."""
    assert format_command("retry", state=DEFAULT_STATE) == "batchveo retry"
    assert format_command("retry", state=Path("night.db")) == "batchveo retry --state night.db"
    assert format_command("retry", state=Path(STATE)) == "batchveo retry --state 'my night'\"'\"'s.db'"
    monkeypatch.setenv("BATCHVEO_STATE", "night.db")
    assert format_command("retry", state=Path("night.db")) == "batchveo retry"
    assert format_command("retry", state=DEFAULT_STATE) == "batchveo retry --state state/batchveo.db"


def test_the_service_is_named_where_it_is_not_the_usual_one() -> None:
    """A resume would else ask the real one for play videos."""
    assert (hints.PLAY_SERVICE, hints.REAL_SERVICE, hints.USUAL_STATE) == (SANDBOX, BASE_URL, DEFAULT_STATE)
    assert address_options([SANDBOX]) == ["--sandbox"]
    assert address_options([BASE_URL, ""]) == []
    assert address_options(["http://127.0.0.1:8642"]) == ["--base-url", "http://127.0.0.1:8642"]


@pytest.mark.parametrize("name", ["--fail", "-y", "a b", "狐", "", "x;rm", "a\nb"])
def test_names_that_a_command_line_might_mistake_become_ids(name: str) -> None:
    """Others stay names."""
    assert job_argument(name, "0123abcd") == "0123abcd"
    assert job_argument("shot-bottle-2", "0123abcd") == "shot-bottle-2"


def test_the_hints_at_the_end_of_a_run_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copied from what it said, against a state with a name of its own: each is done without an error."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AIMLAPI_API_KEY": "k",
        "BATCHVEO_POLL_INTERVAL": "0.05",
        "BATCHVEO_SETTLE": "0.1",
    }.items():
        monkeypatch.setenv(name, value)
    job = "{{model: veo2, prompt: A fox, name: {}}}"
    Path("m.yaml").write_text("jobs:\n" + "".join(f"  - {job.format(name)}\n" for name in ("one", "two")))
    with running(Service(Settings(faults={"drop-before": 1.0}))) as url:
        assert status_of(["run", "m.yaml", "--base-url", url, "--state", STATE]) == 1
    said = hinted(capsys.readouterr().err)
    assert [command.split(" --state")[0] for command in said if "resolve" in command] == [
        "batchveo resolve one --resubmit",
        "batchveo resolve two --resubmit",
        "batchveo resolve --held --resubmit",
    ]
    assert status_of(shlex.split(said[-1])[1:]) == 0
    assert "2 jobs to submit again; this may cost up to $" in capsys.readouterr().err
    with running(Service(Settings(generation_median=0.1, faults={"generation-error": 1.0}))) as url:
        assert status_of(["resume", "--base-url", url, "--state", STATE]) == 1
    (retry,) = hinted(capsys.readouterr().err)
    assert status_of(shlex.split(retry)[1:]) == 0
    assert "2 jobs set to pending" in capsys.readouterr().err
    assert status_of(["status"]) == 2
    assert "`batchveo run MANIFEST` makes one" in capsys.readouterr().err
    assert status_of(["retry", "none", "--state", STATE]) == 2
    (listing,) = hinted(capsys.readouterr().err)
    assert status_of(shlex.split(listing)[1:]) == 0
