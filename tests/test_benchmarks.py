"""The benchmarks can be started, their server answers, and their tables say what was measured."""

from __future__ import annotations

import inspect
import json
import ssl
import sys
import urllib.request
from importlib import import_module
from pathlib import Path

import anyio
import pytest

from batchveo.core.models import JobState
from batchveo.storage.mp4 import check_mp4
from batchveo.store import Store
from benchmarks.__main__ import BENCHMARKS
from benchmarks.brokers import worked
from benchmarks.instant_workers import Tally
from benchmarks.loopback import SENDFILE_BYTES, Loopback, Videos
from benchmarks.machine import facts
from benchmarks.processes import ProgramFailed, run, run_reading
from benchmarks.rows import Row, at_least, at_most
from benchmarks.schedule import busiest_rate, ideal_makespan, packed_makespan
from benchmarks.servers import loopback
from benchmarks.sessions import Session
from benchmarks.table import short, text_table, write
from tests.helpers.certificate_authority import Authority

ROOT = Path(__file__).parents[1]
ROWS = [
    Row(name="soon", figure=0.1234, unit="s", target=at_most(0.2), details="a | b"),
    Row(name="much", figure=12345.6, unit="jobs/s", target=at_least(20_000)),
    Row(name="beside", figure=1, unit="x"),
]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_can_be_started(name: str) -> None:
    """It has ``measure(quick=...)``, and the docs tell of it."""
    module = import_module(f"benchmarks.{name.replace('-', '_')}")
    assert list(inspect.signature(module.measure).parameters) == ["quick"]
    assert f"`{name}`" in (ROOT / "docs/explanation/performance.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks/peers").glob("*.py")), ids=lambda path: path.stem)
def test_peers_are_python(path: Path) -> None:
    """Their libraries are not needed to say so."""
    compile(path.read_text(encoding="utf-8"), path.name, "exec")


def test_targets_know_what_reaches_them() -> None:
    """Those above, those below, and rows without one."""
    assert [row.reached for row in ROWS] == [True, False, None]


def test_tables_hold_every_row(tmp_path: Path) -> None:
    """As text, as Markdown with its bars escaped, as JSON with the machine beside it."""
    json_file, markdown_file = write(ROWS, facts(), tmp_path / "results" / "all.json")
    kept = json.loads(json_file.read_text(encoding="utf-8"))
    assert [row["figure"] for row in kept["rows"]] == [0.1234, 12345.6, 1]
    assert kept["machine"]["cores"]
    markdown = markdown_file.read_text(encoding="utf-8")
    assert r"| soon | 0.123 s | <= 0.2 | yes | a \| b |" in markdown
    assert "| much | 12,346 jobs/s | >= 20,000 | NO |" in markdown
    assert len(text_table(ROWS).splitlines()) == 4


def test_numbers_are_short() -> None:
    """Three digits where there is a fraction."""
    assert [short(number) for number in (0, 250, 0.02347, 3.14159, 99.96, 1234.5)] == [
        "0", "250", "0.0235", "3.14", "100", "1,234"
    ]  # fmt: skip


def test_the_ideal_starts_each_job_when_a_place_is_free() -> None:
    """In order, and so with a tail that packing alone does not have."""
    assert ideal_makespan([3, 1, 1, 4], places=2) == 6
    assert packed_makespan([3, 1, 1, 4], places=2) == 4.5


def test_the_busiest_stretch_counts() -> None:
    """Not the mean."""
    assert busiest_rate([0, 10, 10.5, 11, 30], window=2) == 1.5


def test_the_loopback_server_sells_each_its_own_video(tmp_path: Path) -> None:
    """From submit to a whole MP4 that no other generation has."""
    service = Loopback(generation_time=0, video_bytes=50_000)
    assert b'"id":"g-0"' in _answer(service, b"POST", b"/v2/video/generations")
    polled = _answer(service, b"GET", b"/v2/video/generations?generation_id=g-0")
    assert json.loads(polled.partition(b"\r\n\r\n")[2])["video"]["url"] == "http://here/files/g-0.mp4"
    assert service.answer(b"GET", b"/files/g-0.mp4", b"here") == 0
    whole = service.videos.head + Videos.tail(0)
    (tmp_path / "v.mp4").write_bytes(whole)
    check_mp4(tmp_path / "v.mp4")
    assert len(whole) == service.videos.size == 50_000
    assert Videos.tail(0) != Videos.tail(1)


def test_the_loopback_server_sends_large_videos_over_tls(tmp_path: Path) -> None:
    """To who trusts its certificate, whole, from the address that its polls name."""
    authority = Authority(tmp_path)
    with loopback(video_bytes=2 * SENDFILE_BYTES, certificate=authority.write_certificate()) as server:
        trust = ssl.create_default_context(cafile=str(authority.file))
        with urllib.request.urlopen(f"{server.files_url}/files/g-7.mp4", context=trust, timeout=10) as answer:
            (tmp_path / "v.mp4").write_bytes(answer.read())
        urllib.request.urlopen(f"{server.url}/v2/video/generations", data=b"{}", timeout=10).close()
        polled = urllib.request.urlopen(f"{server.url}/v2/video/generations?generation_id=g-0", timeout=10)
        with polled:
            assert json.load(polled)["video"]["url"] == f"{server.files_url}/files/g-0.mp4"
    assert server.files_url.startswith("https://")
    assert (tmp_path / "v.mp4").read_bytes().endswith(Videos.tail(7))
    check_mp4(tmp_path / "v.mp4")


@pytest.mark.parametrize("broker", ["local", "remote"])
def test_every_move_is_recorded_through_either_face(broker: str, tmp_path: Path) -> None:
    """And the remote one tells what has passed over the wire: four calls a job, two to join, and the claims."""
    tally: Tally = anyio.run(worked, broker, tmp_path / "state.db", 12, 2)
    with Store(tmp_path / "state.db", writing=False) as store:
        assert store.counts()[JobState.SUCCEEDED] == 12
    if broker == "far":
        assert tally.calls > 12 * 4 + 2
        assert 0 < tally.messages <= tally.calls


def test_processor_time_is_told_by_kind() -> None:
    """Between two times, with what began in between, and whatever an idle process became."""
    session = Session(
        leader=1,
        at=[10.0, 11.0, 12.0],
        used=[{1: 1.0, 2: 0.5}, {1: 2.0, 2: 1.5}, {1: 2.5, 2: 3.5, 3: 0.25}],
        kinds={1: "program", 2: "coordinator", 3: "ray"},
    )
    assert session.between(10.1, 11.9) == {"program": 1.5, "coordinator": 3.0, "ray": 0.25}


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's units of resource usage")
def test_a_program_does_not_start_with_the_memory_of_the_benchmarks() -> None:
    """Its largest resident set is its own, however large the process was that measures it."""
    held = b"x" * 100_000_000
    command = [sys.executable, "-c", "print('first'); print('last')"]
    for measured in (run(command), run_reading(command)):
        assert len(held) > 4 * measured.rss > 0
        assert 0 < measured.cpu < measured.wall + 1


def test_the_status_and_the_last_words_of_a_program_are_kept() -> None:
    """Those of the program, not of what starts it."""
    command = [sys.executable, "-c", "import sys; print('out'); print('why', file=sys.stderr); sys.exit(3)"]
    done = run(command, expect=(3,))
    assert (done.status, done.out, done.err) == (3, "out\n", "why\n")
    with pytest.raises(ProgramFailed, match="status 3: why"):
        run(command)


def test_a_program_that_takes_too_long_is_ended() -> None:
    """With all that it started."""
    with pytest.raises(ProgramFailed, match="killed"):
        run([sys.executable, "-c", "import signal; signal.pause()"], timeout=0.2)


def test_unknown_generations_go_on_for_ever() -> None:
    """Those of a state that another server filled."""
    service = Loopback(generation_time=0, video_bytes=50_000)
    assert b'"generating"' in _answer(service, b"GET", b"/v2/video/generations?generation_id=gen-00f")
    assert b'"generating"' in _answer(service, b"GET", b"/v2/video/generations?generation_id=g-7")


def test_large_videos_are_sent_by_the_kernel() -> None:
    """From a file, of the size that was asked for."""
    videos = Videos(SENDFILE_BYTES)
    assert videos.file is not None
    with videos.file:
        assert videos.file.seek(0, 2) + len(Videos.tail(0)) == videos.size == SENDFILE_BYTES


def _answer(service: Loopback, method: bytes, target: bytes) -> bytes:
    answer = service.answer(method, target, b"here")
    assert isinstance(answer, bytes)
    return answer
