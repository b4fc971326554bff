"""The limits of the process that decodes."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("av", reason="measuring needs the extra media")

from batchveo.media.child import MOST_MEMORY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems lack some of the limits")


def run_limited(script: str) -> str:
    """What a script prints after the limits are set."""
    lines = ("import os, resource", "from batchveo.media.child import limit_process", "limit_process(7)", script)
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_processor_memory_and_dumps_are_bounded() -> None:
    """For good; and every other process goes first."""
    names = ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_CORE")
    script = f"print([resource.getrlimit(getattr(resource, name)) for name in {names}], os.nice(0) >= 10)"
    assert run_limited(script) == f"{[(7, 7), (MOST_MEMORY, MOST_MEMORY), (0, 0)]} True"


def test_memory_above_the_bound_is_refused() -> None:
    """An allocation bomb ends in an error of its process."""
    script = f"try:\n    bytearray({MOST_MEMORY})\nexcept MemoryError:\n    print('refused')"
    assert run_limited(script) == "refused"


def test_a_process_whose_parent_died_ends_though_it_only_waits() -> None:
    script = "import signal; print(0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 7, signal.getsignal(signal.SIGALRM))"
    assert run_limited(script) == "True 0"
