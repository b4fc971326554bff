"""The suite's own guards hold."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_real_network_is_out_of_reach() -> None:
    """A test that connects beyond this machine fails."""
    with socket.socket() as sock, pytest.raises(AssertionError, match="connects to"):
        sock.connect(("192.0.2.1", 80))
    with pytest.raises(AssertionError, match="resolves"):
        socket.getaddrinfo("example.org", 443)


def test_no_key_and_no_home() -> None:
    """Neither the developer's key nor their home folder is seen."""
    assert "AIMLAPI_API_KEY" not in os.environ
    assert "home" in os.environ["HOME"]


GROUPED = """
import pytest

@pytest.mark.xdist_group("shared")
@pytest.mark.parametrize("number", range(20))
def test_grouped(number): ...

@pytest.mark.parametrize("number", range(6))
def test_alone(number): ...

@pytest.mark.slow
@pytest.mark.parametrize("number", range(6))
def test_slow(number): ...
"""


def test_groups_share_a_worker_and_the_slow_begin_first(tmp_path: Path) -> None:
    """With the options and hooks of this suite: some versions of pytest and xdist ignore groups, in silence."""
    (tmp_path / "test_groups.py").write_text(GROUPED, encoding="utf-8")
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "xdist", "-p", "tests.conftest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *config, "-n", "2", "-v", "-p", "no:cacheprovider", "test_groups.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    began = re.findall(r"^\[(gw\d)\].* PASSED \S+::test_(\w+)", done.stdout, re.MULTILINE)
    assert len(began) == 32, done.stdout + done.stderr
    assert len({worker for worker, name in began if name == "grouped"}) == 1
    for worker in ("gw0", "gw1"):
        names = [name for by, name in began if by == worker]
        assert names == sorted(names, key=lambda name: name != "slow")
