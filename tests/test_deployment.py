"""The Dockerfile, the systemd units and the crontab: held against the program as far as that goes without them."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from batchveo.cli import COMMANDS, batchveo

ROOT = Path(__file__).parents[1]
NIGHTLY = ROOT / "docs/nightly"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    pairs = (line.split(None, 1) for line in re.sub(r"\\\n\s*", "", lines).splitlines() if line.strip())
    return [(name, rest) for name, rest in pairs]


def variables() -> set[str]:
    """Of every option of every command."""
    commands = (batchveo.get_command(click.Context(batchveo), name) for name in COMMANDS)
    return {str(p.envvar) for command in commands if command for p in command.params if p.envvar}


def test_the_dockerfile_copies_what_is_there_and_nothing_is_kept_from_it() -> None:
    """Every source exists, and .dockerignore lets it through."""
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source.removeprefix("./")
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert copied == allowed
    for source in copied:
        assert (ROOT / source).exists(), source


def test_the_image_is_not_root_and_hears_signals() -> None:
    """The exec form: no shell stands between docker and batchveo."""
    found = dict(instructions())
    order = [name for name, _ in instructions()]
    assert found["USER"] == "batchveo"
    assert order.index("USER") < order.index("ENTRYPOINT")
    assert json.loads(found["ENTRYPOINT"]) == ["batchveo"]
    assert found["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(found["VOLUME"]) == ["/night/state", "/night/videos"]
    assert any("--constraint constraints.txt" in rest for name, rest in instructions() if name == "RUN")


def test_the_image_installs_extras_that_exist() -> None:
    """pip passes over an unknown one with a mere warning."""
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = re.findall(r"'\.\[([a-z,]+)\]'", (ROOT / "Dockerfile").read_text())
    assert wanted
    assert set(wanted[0].split(",")) <= set(extras)


def unit(name: str) -> configparser.ConfigParser:
    """A systemd unit; of keys that are there twice, the last."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(NIGHTLY / name, encoding="utf-8")
    return parser


def test_the_service_runs_a_command_that_exists() -> None:
    """With variables that are options, and the key as a credential: neither in the unit nor in the environment."""
    service = unit("batchveo.service")["Service"]
    program, command, *_ = service["ExecStart"].split()
    assert Path(program).name == "batchveo"
    assert command in COMMANDS
    for setting in service["Environment"].split():
        assert setting.split("=")[0] in variables()
    text = (NIGHTLY / "batchveo.service").read_text()
    assert set(re.findall(r"^LoadCredential=(\S+?):", text, re.MULTILINE)) == set(re.findall(r"%d/(\S+)", text))
    assert set(re.findall(r"^SuccessExitStatus=(\d+)", text, re.MULTILINE)) == {"1", "4"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """As it reads them itself; the program is not installed where they look for it."""
    for name in ("batchveo.service", "batchveo.timer"):
        text = (NIGHTLY / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/batchveo/bin/batchveo", shutil.which("true") or "/bin/true"))
    files = [str(tmp_path / name) for name in ("batchveo.service", "batchveo.timer")]
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_crontab() -> None:
    """Variables that are options, five fields, a command that exists."""
    lines = [line for line in (NIGHTLY / "crontab").read_text().splitlines() if line and not line.startswith("#")]
    *settings, job = lines
    assert {setting.split("=")[0] for setting in settings} <= variables()
    assert re.match(r"(\S+ ){5}cd ", job)
    assert re.search(r"bin/batchveo (\w+)", job)[1] in COMMANDS  # type: ignore[index]


def test_a_wheel_has_every_file_of_the_package() -> None:
    """Setuptools leaves out, without a word, a data file that is not named."""
    root = ROOT / "batchveo"
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["batchveo"]
    listed = {path for glob in globs for path in root.glob(glob)}
    data = {path for path in root.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert data
    assert data <= listed
