"""One Ray cluster for all tests that need it: two nodes on this machine, at addresses of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batchveo.core.models import JobState
from batchveo.operations.verify import verify
from batchveo.provider.api_key import VARIABLES
from batchveo.store import Store

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
STORE_BYTES = 80 * 2**20
MANIFEST = 'jobs:\n  - {{model: veo2, prompt: "A fox, {{index}}", name: "fox-{{index}}", repeat: {}}}\n'


@dataclass
class Machines:
    """The cluster: ``address``, and what can be done to it."""

    cluster: Any
    folder: Path
    """What Ray writes down."""

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self) -> None:
        self.cluster.add_node(
            num_cpus=2, object_store_memory=STORE_BYTES, node_ip_address="127.0.0.3", include_dashboard=False
        )
        self.cluster.wait_for_nodes()

    def mentions(self, secret: str) -> list[Path]:
        """The files of the cluster that hold ``secret``."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return [path for path in files if secret.encode() in path.read_bytes()]

    def kill(self, node: Any) -> None:
        """End its raylet, as a power cut would; reaped, since Ray's processes look whether it is."""
        raylet = node.all_processes["raylet"][0].process
        assert raylet.pid in [_parent(pid) for pid in self.actors("WorkerActor")]
        raylet.kill()
        raylet.wait()

    def actors(self, kind: str) -> list[int]:
        """The processes of actors of that class."""
        raylets = {node.all_processes["raylet"][0].process.pid for node in self.cluster.list_all_nodes()}
        return sorted(pid for pid in _processes(f"ray::{kind}") if _parent(pid) in raylets)


def _processes(title: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes().startswith(title.encode()):
                    yield int(entry.name)
            except OSError:
                continue


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.fixture(scope="package")
def machines() -> Iterator[Machines]:
    """Two nodes; the first is this process's own. They end with the tests of this folder: an idle cluster works."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'batchveo[ray]'")
    before = signal.getsignal(signal.SIGTERM)
    for name in [*VARIABLES, *(name for name in os.environ if name.startswith("BATCHVEO_"))]:
        os.environ.pop(name, None)
    os.environ.update(SETTINGS)
    from ray._private import utils
    from ray.cluster_utils import Cluster

    utils.write_ray_address = lambda *_: None  # where others on this machine look for their own cluster
    folder = tempfile.mkdtemp(prefix="bv", dir="/tmp")
    head = {
        "num_cpus": 2,
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
        "node_ip_address": "127.0.0.2",
        "temp_dir": folder,
        "include_log_monitor": False,  # it reads all logs again and again, to print them here
    }
    cluster: Any = Cluster(initialize_head=True, connect=False, head_node_args=head)
    try:
        there = Machines(cluster, Path(folder))
        there.add()
        yield there
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


class Ledger:
    """What a sandbox in a process of its own has sold."""

    def __init__(self, url: str, journal: Path) -> None:
        self.url = url
        self._journal = journal

    def sold(self) -> Counter[str]:
        """How often each job was bought, by the ledger alone."""
        lines = self._journal.read_text(encoding="utf-8").splitlines()[1:]
        rows = [json.loads(line) for line in lines]
        return Counter(str(row["client_request_id"]).split(".")[1] for row in rows if row["generation"] is not None)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A service whose generations take a third of a second."""
    with serving(tmp_path) as ledger:
        yield ledger


@contextmanager
def serving(folder: Path) -> Iterator[Ledger]:
    journal = folder / "ledger.jsonl"
    command = [sys.executable, "-m", "batchveo", "sandbox", "--port", "0", "--journal", str(journal)]
    times = ["--generation-time", "0.3", "--sigma", "0.2", "--log-lag", "0.3"]
    process = subprocess.Popen([*command, *times, "--balance", "100000"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield Ledger(process.stderr.readline().split()[2], journal)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def wait_for(condition: Callable[[], object], *, seconds: float = 120.0) -> None:
    """Poll for what other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def done(folder: Path) -> int:
    """How many videos there are."""
    return len(list((folder / "videos").glob("*.mp4")))


def assert_each_bought_once(state: Path, ledger: Ledger, count: int) -> None:
    """All of them are on disk, verified, and the ledger has one generation for each."""
    with Store(state, writing=False) as store:
        jobs = list(store.jobs())
        assert [job.state for job in jobs] == [JobState.SUCCEEDED] * count
        assert [verdict for verdict in verify(store) if verdict.problem] == []
        assert ledger.sold() == {job.id: 1 for job in jobs}
        assert not list(Path(jobs[0].folder or "").glob(".*"))
