"""The program of --exec, as a real process."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from batchveo.core.errors import UsageError
from batchveo.engine.hooks import program
from batchveo.engine.hooks.program import ProgramError, run_program, split_command

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="programs of POSIX"),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def sh(script: str, *arguments: str) -> list[str]:
    return ["/bin/sh", "-c", script, "sh", *arguments]


async def test_it_reads_the_job_and_gets_its_arguments(tmp_path: Path) -> None:
    """In the folder of the command; what it prints goes nowhere."""
    await run_program(sh('cat > got; echo "$1" >> got; echo noise', "a b;c"), b'{"id": 1}\n', folder=tmp_path)
    assert (tmp_path / "got").read_text() == '{"id": 1}\na b;c\n'


async def test_it_never_sees_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that prints its environment into a log must not print this."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-secret")
    await run_program(sh("env > got"), b"", folder=tmp_path)
    assert "sk-secret" not in (tmp_path / "got").read_text()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo one >&2; echo 'disk \033[31mfull' >&2; exit 3", "exit status 3: disk [31mfull"),
        ("exit 1", "exit status 1"),
        ("kill -9 $$", "ended by SIGKILL"),
    ],
)
async def test_a_failure_has_the_last_line(script: str, words: str, tmp_path: Path) -> None:
    """Without what would control a terminal."""
    with pytest.raises(ProgramError) as raised:
        await run_program(sh(script), b"x" * 200_000, folder=tmp_path)
    assert str(raised.value) == words


async def test_one_that_takes_too_long_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes; here none."""
    monkeypatch.setattr(program, "PROGRAM_SECONDS", 0.3)
    script = "sh -c 'echo $$ > child; exec sleep 600' & wait"
    with pytest.raises(ProgramError, match=r"took longer than 0\.3 s"):
        await run_program(sh(script), b"", folder=tmp_path)
    child = int((tmp_path / "child").read_text())
    with anyio.fail_after(10):
        while _is_alive(child):
            await anyio.lowlevel.checkpoint()


async def test_what_it_leaves_behind_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A program may start a server, which has its standard error."""
    with anyio.fail_after(20):
        await run_program(sh("sleep 60 & echo $! > child"), b"", folder=tmp_path)
    child = int((tmp_path / "child").read_text())
    assert _is_alive(child)
    os.kill(child, 9)


def _is_alive(pid: int) -> bool:
    try:
        # a child that was killed is there until whoever inherits it looks
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_program_must_exist() -> None:
    """Before anything is bought."""
    assert split_command(f"{shlex.quote(sys.executable)} -c 'a b' {{file}}") == (
        str(Path(sys.executable).absolute()),
        "-c",
        "a b",
        "{file}",
    )
    for command, words in [("no-such-program x", "there is no program"), (" ", "names no"), ("'a", "No closing")]:
        with pytest.raises(UsageError, match=words):
            split_command(command)
