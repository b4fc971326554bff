"""How Ray is found, started and ended: without it, at wrong addresses, and by signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import batchveo
from batchveo.cli import status_of
from batchveo.core.errors import ClusterTrouble
from batchveo.core.settings import Cluster
from batchveo.engine.cluster.ray_bootstrap import TEMP_PREFIX, make_temp_dir, start_ray

ROOT = Path(__file__).parents[3]


def test_a_sandbox_for_a_cluster_is_refused_before_a_state_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its workers would look for the service on their own machines."""
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text("jobs: [{model: google/veo3, prompt: a boat}]", encoding="utf-8")
    assert status_of(["run", "m.yaml", "--sandbox", "--ray", "auto"]) == 2
    assert "use --ray without an address" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["m.yaml"]


def test_a_manifest_behind_the_option_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Not as a missing manifest."""
    assert status_of(["run", "--ray", "night.yaml"]) == 2
    assert "manifests before --ray" in capsys.readouterr().err


def test_workers_without_a_cluster_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Rather than ignored."""
    assert status_of(["resume", "--sandbox", "--workers", "3"]) == 2
    assert "--workers needs --ray" in capsys.readouterr().err


@pytest.mark.parametrize("port", [1, 70_000])
def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path: Path, port: int) -> None:
    """Ray is not even imported for it."""
    cluster = Cluster(address=f"127.0.0.1:{port}")
    with pytest.raises(ClusterTrouble, match="no Ray answers"), start_ray(cluster, tmp_path / "b.db"):
        pass


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that says the same to the first who calls."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as threads:

        def serve() -> None:
            line = server.accept()[0]
            with line:
                line.recv(1000)
                line.sendall(answer)

        served = threads.submit(serve)
        yield f"127.0.0.1:{server.getsockname()[1]}"
        served.result()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR what?\r\n", b"", b"\0\0\0\4"])
def test_what_is_no_ray_is_told_at_once(tmp_path: Path, answer: bytes) -> None:
    """Another server listens there: Ray would try for minutes, and say so line by line."""
    with (
        answering(answer) as address,
        pytest.raises(ClusterTrouble, match="but something else"),
        start_ray(Cluster(address=address), tmp_path / "b.db"),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["while Ray starts", "afterwards"])
def test_sigterm_and_sighup_end_what_has_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, number: signal.Signals
) -> None:
    """Ray's handler would end the process with status 15; whatever was there before comes back."""
    ended = []

    def init(**_: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
        if moment == "while Ray starts":
            signal.raise_signal(number)

    ray = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: ended.append("Ray"))
    monkeypatch.setattr("batchveo.engine.cluster.ray_bootstrap._import_ray", lambda *, local: ray)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as exit_, start_ray(Cluster(address="auto"), tmp_path / "b.db"):
        signal.raise_signal(number)
    assert exit_.value.code == 128 + number
    assert ended == ["Ray"]
    assert signal.getsignal(number) == before


def test_the_folder_of_a_local_ray_goes_with_its_run(tmp_path: Path) -> None:
    """What stands in it too; another that is in use stays, and so does whatever is not ours."""
    (tmp_path / "bvtheirs").mkdir()
    with make_temp_dir(tmp_path) as one:
        (one / "session").mkdir()
        with make_temp_dir(tmp_path) as two:
            assert one.is_dir()
            assert two.is_dir()
            assert one != two
    assert [path.name for path in tmp_path.iterdir()] == ["bvtheirs"]


def test_the_folder_that_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    """The lock on it went with its process."""
    code = "import os, sys; from pathlib import Path; from batchveo.engine.cluster.ray_bootstrap import make_temp_dir\n"
    code += "with make_temp_dir(Path(sys.argv[1])) as folder: (folder / 'log').touch(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / f"{TEMP_PREFIX}link").symlink_to(left)
    with make_temp_dir(tmp_path) as folder:
        assert {path.name for path in tmp_path.iterdir()} == {folder.name, f"{TEMP_PREFIX}link"}


WITHOUT_RAY = """
import sys
from importlib import util
real = util.find_spec
util.find_spec = lambda name, *rest: None if name == "ray" else real(name, *rest)
sys.modules["ray"] = None
from batchveo import sandbox
from batchveo.cli import status_of
sandbox.Settings.__init__.__kwdefaults__["generation_median"] = 0.1
sys.exit(status_of(sys.argv[1:]))
"""


def test_without_ray_the_extra_is_named_and_the_rest_works(tmp_path: Path) -> None:
    """Before the manifest is read; nothing is written."""

    def call(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT_RAY, "run", "m.yaml", "--sandbox", "--quiet", *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    (tmp_path / "m.yaml").write_text("jobs:\n  - {model: veo2, prompt: A dragon}\n")
    refused = call("--ray")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "pip install 'batchveo[ray]'" in refused.stderr
    assert not (tmp_path / "state").exists()
    assert call().returncode == 0


def test_only_two_modules_know_ray() -> None:
    """The one that starts it and the one that uses it; they import it when they are asked to."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "batchveo").rglob("*.py")}
    assert sorted(name for name, text in texts.items() if re.search(r"(import|from) ray\b", text)) == [
        "ray_backend.py",
        "ray_bootstrap.py",
    ]
    code = "import sys, batchveo.operations.run, batchveo.engine.cluster.ray_bootstrap; print('ray' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_the_key_shows_in_no_repr_of_what_travels() -> None:
    """Errors of an engine show what they were about."""
    service = batchveo.service(base_url="https://api.example", key="the-secret")
    assert "the-secret" not in repr(service)
