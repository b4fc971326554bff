"""The process that measures a clip: what it sees, how it ends, what becomes of its failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import anyio
import pytest

from batchveo.core.errors import UsageError
from batchveo.core.films import FilmClip
from batchveo.core.measures import CheckLevel, Measures
from batchveo.media import worker
from batchveo.media.worker import can_measure, join_film, measure_video, take_frame

pytestmark = pytest.mark.anyio
CLIPS = Path(__file__).parents[2] / "batchveo/sandbox/clips"
CLIP = CLIPS / "small-16x9.mp4"
needs_media = pytest.mark.skipif(not can_measure(), reason="measuring needs the extra media")


@pytest.fixture
def anyio_backend() -> str:
    """Real processes need a real clock."""
    return "asyncio"


@pytest.fixture
def _with_media(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "can_measure", lambda: True)


async def measure(path: Path, *, level: CheckLevel = CheckLevel.BASIC, seconds: float = 60) -> Measures:
    return await measure_video(path, level, limiter=anyio.CapacityLimiter(1), timeout=seconds)


def replace_child(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: object) -> None:
    """Let the processes run ``script`` in place of the pass."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    monkeypatch.setattr(worker, "_make_command", lambda *_: command)


@needs_media
async def test_measures_are_those_of_the_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a path from the folder of the caller, at the level that was asked for."""
    from batchveo.media.media_pass import measure_file

    monkeypatch.chdir(CLIPS)
    measures = await measure(Path(CLIP.name), level=CheckLevel.ALL)
    assert measures == measure_file(CLIP, CheckLevel.ALL)
    assert measures.blur is not None


@needs_media
async def test_a_frame_is_that_of_the_file(tmp_path: Path) -> None:
    """As an image; a file that has none is an error of the file, with its name."""
    from batchveo.media.frames import read_frame

    limiter = anyio.CapacityLimiter(1)
    assert await take_frame(CLIP, "last", limiter=limiter) == read_frame(CLIP, "last")
    (tmp_path / "text.mp4").write_text("no video")
    for name, reason in (("text.mp4", "no MP4"), ("none.mp4", "No such file")):
        with pytest.raises(OSError, match=reason) as caught:
            await take_frame(tmp_path / name, "last", limiter=limiter)
        assert caught.value.filename == str(tmp_path / name)


@needs_media
async def test_a_film_is_joined(tmp_path: Path) -> None:
    """As it would be here; the error of a clip has its name, that of the film has the film's."""
    from batchveo.media.film import join_clips

    limiter = anyio.CapacityLimiter(1)
    clips = [FilmClip(CLIP, "one"), FilmClip(CLIPS / "sea-16x9.mp4", "two", "last")]
    film = await join_film(clips, tmp_path / "film.mp4", limiter=limiter)
    assert film == join_clips(clips, tmp_path / "here.mp4")
    assert (tmp_path / "film.mp4").stat().st_size == pytest.approx((tmp_path / "here.mp4").stat().st_size, rel=0.01)
    (tmp_path / "text.mp4").write_text("no video")
    clips.append(FilmClip(tmp_path / "text.mp4", "three"))
    with pytest.raises(OSError, match="no MP4") as caught:
        await join_film(clips, tmp_path / "film.mp4", limiter=limiter)
    assert caught.value.filename == str(tmp_path / "text.mp4")
    with pytest.raises(OSError, match="cannot be written") as caught:
        await join_film(clips[:2], tmp_path / "none" / "film.mp4", limiter=limiter)
    assert caught.value.filename == str(tmp_path / "none" / "film.mp4")


@pytest.mark.usefixtures("_with_media")
@pytest.mark.parametrize(
    ("script", "reason"), [("1/0", "crashes"), ("print('{}')", "crashes"), ("while True: pass", "longer than 0.5 s")]
)
async def test_films_of_processes_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    """They are errors of the film, also if there is more to tell than a pipe holds, and the process reads nothing."""
    replace_child(monkeypatch, script)
    clips = [FilmClip(CLIP, "one")] * 3_000
    with pytest.raises(OSError, match=reason):
        await join_film(clips, tmp_path / "a.mp4", limiter=anyio.CapacityLimiter(1), timeout=0.5)


@pytest.mark.usefixtures("_with_media")
@pytest.mark.parametrize(
    ("script", "reason"), [("1/0", "crashes"), ("print('{}')", "crashes"), ("while True: pass", "longer than 0.5 s")]
)
async def test_frames_of_processes_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    """They are errors of the file, never a frame."""
    replace_child(monkeypatch, script)
    with pytest.raises(OSError, match=reason):
        await take_frame(CLIP, "last", limiter=anyio.CapacityLimiter(1), timeout=0.5 if "True" in script else 60)


@needs_media
async def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    """They are errors of the disk, not flaws of the clip; a file of another kind is a flaw."""
    with pytest.raises(FileNotFoundError) as caught:
        await measure(tmp_path / "none.mp4")
    assert caught.value.filename == str(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("#EXTM3U\nhttp://127.0.0.1:1/\n")
    measures = await measure(tmp_path / "text.mp4")
    assert (measures.is_decoded, measures.problems) == (False, ("it is no MP4, MOV, WebM or Matroska file",))


@needs_media
def test_the_main_module_is_not_run_again(tmp_path: Path) -> None:
    """A script that buys videos has no guard against that; nor is a module of its folder taken for ours."""
    script = tmp_path / "script.py"
    script.write_text(
        "import anyio, sys\n"
        "from pathlib import Path\n"
        "from batchveo.media.worker import measure_video\n"
        "from batchveo.core.measures import CheckLevel\n"
        "print('begins', flush=True)\n"
        "sys.path.insert(0, '')\n"  # as a notebook has it
        "async def main():\n"
        "    limiter = anyio.CapacityLimiter(1)\n"
        "    print((await measure_video(Path(sys.argv[1]), CheckLevel.BASIC, limiter=limiter)).frames)\n"
        "anyio.run(main)\n"
    )
    (tmp_path / "folder").mkdir()
    for name in ("fractions.py", "av.py", "sitecustomize.py"):
        (tmp_path / "folder" / name).write_text("raise SystemExit('not ours')\n")
    done = subprocess.run(
        [sys.executable, script, CLIP], cwd=tmp_path / "folder", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["begins", "64"], "")


@pytest.mark.usefixtures("_with_media")
async def test_the_process_does_not_see_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that was broken into has nothing to send; and Ctrl-C does not reach it."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "secret")
    seen = tmp_path / "seen"
    script = (
        "import json, os, sys\n"
        "session = not hasattr(os, 'getsid') or os.getsid(0) == os.getpid()\n"
        "open(sys.argv[1], 'w').write(json.dumps([dict(os.environ), session]))\n"
    )
    replace_child(monkeypatch, script, seen)
    await measure(CLIP)
    environment, session = json.loads(seen.read_text())
    assert "secret" not in str(environment)
    assert environment["PATH"] == os.environ["PATH"]
    assert session


CRASH = """
import os, sys
with open(sys.argv[1], "a") as file:
    file.write("x")
if os.path.getsize(sys.argv[1]) <= int(sys.argv[2]):
    os.abort()
print(open(sys.argv[3]).read())
"""


@pytest.mark.usefixtures("_with_media")
@pytest.mark.parametrize("crashes", [0, 1, 2, 3])
async def test_a_crash_is_tried_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crashes: int) -> None:
    """The system kills a process for its own reasons, too. Two crashes are the file's."""
    good = Measures(level=CheckLevel.BASIC, frames=3)
    (tmp_path / "answer").write_text(json.dumps(good.to_record()))
    replace_child(monkeypatch, CRASH, tmp_path / "count", crashes, tmp_path / "answer")
    measures = await measure(CLIP)
    assert len((tmp_path / "count").read_text()) == min(crashes + 1, 2)
    problem = "the process that decodes it crashes, or is killed"
    crashed = Measures(level=CheckLevel.BASIC, problems=(problem,), is_conclusive=False)
    assert measures == (good if crashes < 2 else crashed)


@pytest.mark.usefixtures("_with_media")
async def test_a_pyav_that_cannot_be_loaded_says_nothing_of_the_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No measures are recorded, so that the next check measures it."""
    (tmp_path / "av.py").write_text("raise ImportError('libavcodec.so.62: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OSError, match=r"PyAV cannot be loaded: libavcodec.so.62"):
        await measure(CLIP)


@pytest.mark.usefixtures("_with_media")
@pytest.mark.parametrize("answer", ["", "[]", "7", "null", "{", "{}", '{"frames": 1}', "\xff", "[" * 100_000])
async def test_other_answers_are_no_measures(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Whatever a broken process prints."""
    replace_child(monkeypatch, "import sys; sys.stdout.buffer.write(sys.argv[1].encode('latin-1'))", answer)
    assert (await measure(CLIP)).problems == ("the process that decodes it sends no measures",)


HANG = """
import os, signal, sys
with open(sys.argv[1] + ".part", "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".part", sys.argv[1])
signal.pause()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.usefixtures("_with_media")
async def test_a_process_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the timeout, with a problem; it is not tried again."""
    replace_child(monkeypatch, HANG, tmp_path / "pid")
    measures = await measure(CLIP, seconds=0.5)
    assert measures.problems == ("it takes longer than 0.5 s to decode",)
    assert not is_running(await read_pid(tmp_path / "pid"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.usefixtures("_with_media")
async def test_a_process_whose_caller_is_cancelled_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once; the next clip can be measured."""
    replace_child(monkeypatch, HANG, tmp_path / "pid")
    limiter = anyio.CapacityLimiter(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: measure_video(CLIP, CheckLevel.BASIC, limiter=limiter))
        process = await read_pid(tmp_path / "pid")
        assert is_running(process)
        tasks.cancel_scope.cancel()
    assert not is_running(process)
    assert limiter.borrowed_tokens == 0


async def read_pid(path: Path) -> int:
    with anyio.fail_after(20):
        while not path.exists():
            await anyio.lowlevel.checkpoint()
    for _ in range(20):  # on a busy machine the child is there before asyncio has connected its pipes
        await anyio.lowlevel.checkpoint()
    return int(path.read_text())


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.usefixtures("_with_media")
async def test_processes_wait_for_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the limiter allows; none is started before."""
    replace_child(monkeypatch, "import sys; open(sys.argv[1], 'w')", tmp_path / "started")
    limiter = anyio.CapacityLimiter(1)
    async with anyio.create_task_group() as tasks, limiter:
        tasks.start_soon(lambda: measure_video(CLIP, CheckLevel.BASIC, limiter=limiter))
        await anyio.wait_all_tasks_blocked()
        assert limiter.statistics().tasks_waiting == 1
        assert not (tmp_path / "started").exists()
    assert (tmp_path / "started").exists()


@pytest.mark.parametrize("version", [None, "13.1.0", "18.0.0"])
async def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    """It says which one to install; an older version of PyAV is not enough."""
    monkeypatch.setattr(worker, "can_measure", can_measure.__wrapped__)
    monkeypatch.setattr(metadata, "version", find_version(version))
    with pytest.raises(UsageError, match=r"needs PyAV 18.1 or newer: pip install .*'batchveo\[media\]'"):
        await measure(CLIP)


@pytest.mark.parametrize("version", ["18.1", "18.1.2", "19.0.0rc1"])
def test_versions_that_are_enough(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """This one, and later ones."""
    monkeypatch.setattr(metadata, "version", find_version(version))
    assert can_measure.__wrapped__()


def find_version(version: str | None) -> Callable[[str], str]:
    def find(name: str) -> str:
        assert name == "av"
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    return find
