"""``batchveo ui`` as a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from batchveo.cli import status_of
from batchveo.sandbox.asgi_server import open_listener
from tests.web.conftest import Night


@contextmanager
def serving(night: Night, *options: str) -> Iterator[str]:
    """The command, and the address it prints."""
    command = [sys.executable, "-m", "batchveo", "ui", "--state", str(night.path), "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None
        yield found.group()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == ""


def test_it_serves_until_it_is_interrupted(night: Night) -> None:
    """On loopback without a token."""
    with serving(night) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert httpx.get(f"{url}/api/progress").json()["total"] == 6


@pytest.mark.parametrize("options", [("--host", "127.0.0.2"), ("--token",)])
def test_the_printed_address_opens_what_others_may_not(night: Night, options: tuple[str, ...]) -> None:
    """Bound to another address, or where it is asked for, only with its token."""
    with serving(night, *options) as url, httpx.Client(follow_redirects=True) as client:
        bare = url.partition("?")[0]
        assert httpx.get(bare).status_code == 401
        assert client.get(url).status_code == 200
        assert client.get(f"{bare}api/progress").json()["total"] == 6


def test_a_taken_port_is_said(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """With what would do."""
    with open_listener("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert status_of(["ui", "--state", str(night.path), "--port", str(port)]) == 2
    assert "--port 0 takes a free one" in capsys.readouterr().err


def test_moved_videos_are_found(night: Night) -> None:
    """In the folder that is named."""
    moved = night.videos.rename(night.videos.with_name("moved"))
    job = night.named("fox")
    with serving(night, "--videos", str(moved)) as url:
        assert httpx.get(f"{url}/videos/{job.id}.mp4").content == night.content
