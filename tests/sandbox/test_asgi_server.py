"""Applications on a real socket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx
import pytest

from batchveo.sandbox import Service, running


def test_a_stopped_sandbox_is_gone() -> None:
    """After the block nobody listens any more."""
    with running(Service()) as url:
        assert httpx.get(f"{url}/v1/models").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v1/models")


_SCRIPT = """
from batchveo.sandbox import Service, serve
serve(Service(), host="127.0.0.1", port=0, on_ready=lambda url: print(url, flush=True))
print("done", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    """The blocking call returns after a signal, with nothing on stderr."""
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/v1/models").status_code == 200
        os.kill(process.pid, number)
        assert process.communicate(timeout=60) == ("done\n", "")
    assert process.returncode == 0
