"""The small parts: addresses, batches, news, the shared folder, what is imported when."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

import batchveo
from batchveo.cli import status_of
from batchveo.core.errors import ClusterTrouble, DiskTrouble, UsageError
from batchveo.core.events import Message
from batchveo.core.models import JobState
from batchveo.core.settings import Cluster
from batchveo.engine.cluster.backend import ActorLost
from batchveo.engine.cluster.call_batcher import ALONE, CallBatcher
from batchveo.engine.cluster.event_buffer import MOST, News
from batchveo.engine.cluster.protocol import Answer, Call, Method, Unreachable
from batchveo.engine.cluster.ray_bootstrap import started
from batchveo.engine.cluster.shared_folder import check_marked, clear, marked
from batchveo.engine.cluster.temp_dir import PREFIX, scratch
from batchveo.engine.cluster.worker_pool import tag_of
from batchveo.storage.video_file import VideoFile, remove_parts
from tests.helpers.factories import make_job

ROOT = Path(__file__).parents[3]


# -- addresses and options


def test_a_sandbox_for_a_cluster_is_refused_before_a_state_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its workers would look for the service on their own machines."""
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text("jobs: [{model: google/veo3, prompt: a boat}]", encoding="utf-8")
    assert status_of(["run", "m.yaml", "--sandbox", "--ray", "auto"]) == 2
    assert "use --ray without an address" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["m.yaml"]


@pytest.mark.parametrize("address", [None, "local", "auto", "127.0.0.1:6379", "head.example:6379", "[::1]:6379"])
def test_addresses_that_are_some(address: str | None) -> None:
    """Local ones are those that no cluster stands behind yet."""
    assert Cluster(address=address).is_local == (address in (None, "local"))


@pytest.mark.parametrize("address", ["night.yaml", "ray://head:10001", "", "host", "a b:1", "x:1\n", "<script>:1"])
def test_addresses_that_are_none(address: str) -> None:
    """A manifest among them."""
    with pytest.raises(UsageError):
        Cluster(address=address)


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_out_of_range(workers: int) -> None:
    """There is at least one."""
    with pytest.raises(UsageError):
        Cluster(workers=workers)


def test_workers_by_nodes() -> None:
    """One each, at least two, or as many as are asked for."""
    assert [Cluster().workers_on(nodes) for nodes in (1, 2, 9)] == [2, 2, 9]
    assert Cluster(workers=1).workers_on(9) == 1


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
    with pytest.raises(ClusterTrouble, match="no Ray answers"), started(cluster, tmp_path / "b.db"):
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
        started(Cluster(address=address), tmp_path / "b.db"),
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
    monkeypatch.setattr("batchveo.engine.cluster.ray_bootstrap._ray", lambda *, local: ray)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as exit_, started(Cluster(address="auto"), tmp_path / "b.db"):
        signal.raise_signal(number)
    assert exit_.value.code == 128 + number
    assert ended == ["Ray"]
    assert signal.getsignal(number) == before


def test_the_folder_of_a_local_ray_goes_with_its_run(tmp_path: Path) -> None:
    """What stands in it too; another that is in use stays, and so does whatever is not ours."""
    (tmp_path / "bvtheirs").mkdir()
    with scratch(tmp_path) as one:
        (one / "session").mkdir()
        with scratch(tmp_path) as two:
            assert one.is_dir()
            assert two.is_dir()
            assert one != two
    assert [path.name for path in tmp_path.iterdir()] == ["bvtheirs"]


def test_the_folder_that_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    """The lock on it went with its process."""
    code = "import os, sys; from pathlib import Path; from batchveo.engine.cluster.temp_dir import scratch\n"
    code += "with scratch(Path(sys.argv[1])) as folder: (folder / 'log').touch(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / f"{PREFIX}link").symlink_to(left)
    with scratch(tmp_path) as folder:
        assert {path.name for path in tmp_path.iterdir()} == {folder.name, f"{PREFIX}link"}


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


# -- batches


def call_of(number: int, method: Method = Method.RECORD) -> Call:
    return Call(worker="w", session="s", number=number, settled=0, method=method)


class Post:
    """A way to the coordinator; a message takes a second."""

    def __init__(self) -> None:
        self.messages: list[list[int]] = []
        self.lost = False

    async def __call__(self, calls: Sequence[Call]) -> Sequence[Answer]:
        self.messages.append([call.number for call in calls])
        await anyio.sleep(1.0)
        if self.lost:
            raise ActorLost
        return [Answer(value=call.number, now=0.0) for call in calls]


@pytest.mark.anyio
async def test_calls_of_one_moment_travel_together() -> None:
    """The first goes at once; what comes meanwhile goes in one message, and each gets its own answer."""
    post = Post()
    batches = CallBatcher(post)
    answers: dict[int, object] = {}

    async def ask(number: int) -> None:
        answers[number] = (await batches(call_of(number))).value

    async with anyio.create_task_group() as tasks, anyio.create_task_group() as calls:
        tasks.start_soon(batches.run)
        calls.start_soon(ask, 0)
        await anyio.sleep(0.5)
        for number in range(1, 10):
            calls.start_soon(ask, number)
        await anyio.sleep(5)
        tasks.cancel_scope.cancel()
    assert [len(message) for message in post.messages] == [1, 9]
    assert answers == {number: number for number in range(10)}


@pytest.mark.anyio
async def test_long_polls_and_large_answers_go_by_themselves() -> None:
    """So that nothing small waits for them."""
    post = Post()
    batches = CallBatcher(post)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(batches.run)
        async with anyio.create_task_group() as calls:
            for number, method in enumerate([Method.RECORD, *ALONE, Method.RECORD]):
                calls.start_soon(batches, call_of(number, method))
        tasks.cancel_scope.cancel()
    assert sorted(map(len, post.messages)) == [1, 1, 1, 2]


@pytest.mark.anyio
async def test_a_lost_message_is_told() -> None:
    """A message that is lost is lost for each call in it; the next goes on."""
    post = Post()
    batches = CallBatcher(post)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(batches.run)
        assert (await batches(call_of(1, Method.CLAIM))).value == 1
        post.lost = True
        for method in (Method.CLAIM, Method.RECORD):
            with pytest.raises(Unreachable):
                await batches(call_of(2, method))
        post.lost = False
        assert (await batches(call_of(3))).value == 3
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_caller_that_gives_up_does_not_hold_the_others() -> None:
    """Its call goes all the same."""
    post = Post()
    batches = CallBatcher(post)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(batches.run)
        with anyio.move_on_after(0.5):
            await batches(call_of(1))
        assert (await batches(call_of(2))).value == 2
        tasks.cancel_scope.cancel()
    assert post.messages == [[1], [2]]


# -- news


@pytest.mark.anyio
async def test_news_come_in_order_and_once() -> None:
    """Of another edition from its beginning; what was dropped can be told by the numbers."""
    news = News()
    first = await news.since("", 0)
    assert first.events == ()
    for number in range(MOST + 5):
        news(Message(text=str(number)))
    some = await news.since(first.edition, 0)
    assert some.first == 5
    assert some.events[0] == Message(text="5")
    rest = await news.since(first.edition, some.first + len(some.events))
    assert rest.first == some.first + len(some.events)
    assert (await news.since("another", MOST)).first == 5


# -- the folder


def test_a_folder_that_is_not_the_same_is_told(tmp_path: Path) -> None:
    """Missing, or with the marker of another run; afterwards nothing is left."""
    with marked(tmp_path, "x") as marker:
        check_marked(marker)
        marker.file.write_text("another")
        with pytest.raises(DiskTrouble, match="share"):
            check_marked(marker)
        marker.file.unlink()
        with pytest.raises(DiskTrouble, match="share"):
            check_marked(marker)
    assert list(tmp_path.iterdir()) == []


def test_two_writers_share_no_part_and_what_the_dead_left_is_swept(tmp_path: Path) -> None:
    """One that was given up may still be writing; strangers' files stay."""
    job = make_job(JobState.DOWNLOADING, stem="x" * 231)
    tag = tag_of(tmp_path / "b.db")
    one, two = (VideoFile.choose(tmp_path, job, writer=f"{tag}-{n}") for n in "ab")
    assert one.path == two.path
    assert one.part != two.part
    for file in (one, two):
        with VideoFile.open_part(file.part) as out:
            out.write(b"video")
    one.publish_part(job, size=5, sha256="00")
    stranger = tmp_path / one.part.name.replace(tag, "00000000")
    stranger.touch()
    remove_parts(tmp_path, f"{tag}-")
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".json", ".part"}
    assert [path for path in tmp_path.iterdir() if path.suffix == ".part"] == [stranger]
    remove_parts(tmp_path / "missing", tag)


def test_what_one_kind_of_run_left_goes_with_the_other(tmp_path: Path) -> None:
    """A part of a run of one process, where a worker finishes the video; those of workers, before the next run."""
    job, other = make_job(JobState.DOWNLOADING), make_job(JobState.DOWNLOADING, id="another", stem="another")
    tag = tag_of(tmp_path / "b.db")
    for left in (job, other):
        VideoFile.choose(tmp_path, left).part.touch()
    file = VideoFile.choose(tmp_path, job, writer=f"{tag}-a")
    file.part.write_bytes(b"video")
    file.publish_part(job, size=5, sha256="00")
    (kept,) = tmp_path.glob("*.part")
    assert kept == VideoFile.choose(tmp_path, other).part

    VideoFile.choose(tmp_path, other, writer=f"{tag}-a").part.touch()
    clear(tmp_path, tag)
    assert len(list(tmp_path.glob("*.part"))) == 2
    with marked(tmp_path, tag) as marker:
        clear(tmp_path, tag)
    assert not marker.file.exists()
    assert list(tmp_path.glob("*.part")) == [kept]
