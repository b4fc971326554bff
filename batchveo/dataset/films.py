"""Films in a folder: each joined once, with its subtitles and a sidecar that says what it was made from."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
from filelock import FileLock, Timeout

from batchveo.core.destination import SIDECAR_SUFFIX, VIDEO_SUFFIX
from batchveo.core.errors import DiskTrouble, UsageError, find_reason
from batchveo.core.films import Film, FilmClip
from batchveo.core.models import Job
from batchveo.core.version import __version__
from batchveo.dataset.film_plans import FilmPlan
from batchveo.media.worker import check_extra, join_film
from batchveo.storage.file_system import has_subfolders, measure_file, rename_file, replace_file, sync_path
from batchveo.storage.mp4 import NotAnMp4, check_mp4
from batchveo.storage.sidecar import read_sidecar
from batchveo.storage.stored_video import local_copy, video_at

FOLDER = "films"
"""The folder of the films in a dataset."""
LOCK_FILE = ".batchveo-films.lock"
SUBTITLE_SUFFIX = ".srt"
VERSION = 1
"""Of how films are joined: a film of another version is made anew."""
_LINE = 42
"""Characters in a line of subtitles."""
_RESUME = "run the same command to resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFilm:
    """What became of a film: ``film`` describes it, or ``problem`` says why there is none.

    ``is_new``: whether it was joined now, and not by an earlier call.
    """

    plan: FilmPlan
    path: Path
    film: Film | None = None
    problem: str | None = None
    is_new: bool = False


Seen = Callable[[int, int], None]
"""Gets the number of films that are done, and of all."""


async def make_films(folder: Path, plans: Sequence[FilmPlan], seen: Seen) -> list[MadeFilm]:
    """Make the films in ``folder``, as many at a time as there are cores; those that are there stay.

    Each is ``STEM.mp4`` with ``STEM.srt`` and ``STEM.json``. All shots of a plan have clips; one that is missing or
    damaged is a problem of its film. Raises ``DiskTrouble`` if the folder cannot be written, ``UsageError`` if PyAV is
    missing, or another command makes films in this folder.
    """
    check_extra()
    made: dict[int, MadeFilm] = {}
    waiting = list(enumerate(plans))[::-1]
    at_once = os.cpu_count() or 1
    limiter = anyio.CapacityLimiter(at_once)

    async def work() -> None:
        while waiting:
            number, plan = waiting.pop()
            made[number] = await _FilmMaker(folder, plan, limiter).make()
            seen(len(made), len(plans))

    try:
        with _lock_folder(folder):
            async with anyio.create_task_group() as tasks:
                for _ in range(min(at_once, len(plans))):
                    tasks.start_soon(work)
    except* OSError as errors:
        error = errors.exceptions[0]
        raise DiskTrouble(f"films cannot be written to {folder}: {error}; {_RESUME}") from None
    return [made[number] for number in sorted(made)]


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"another command makes films in {folder}") from None
    try:
        yield
    finally:
        lock.release()


class _FilmMaker:
    """Makes one film."""

    def __init__(self, folder: Path, plan: FilmPlan, limiter: anyio.CapacityLimiter) -> None:
        self._folder = folder
        self._plan = plan
        self._limiter = limiter
        self._path = folder / f"{plan.stem}{VIDEO_SUFFIX}"
        self._sidecar = folder / f"{plan.stem}{SIDECAR_SUFFIX}"
        self._part = self._path.with_name(f".{self._path.name}.part")

    async def make(self) -> MadeFilm:
        """Join the film, unless that is done. Raises ``OSError`` if it cannot be written."""
        known = read_sidecar(self._sidecar)
        if film := self._read_film(known):
            return MadeFilm(plan=self._plan, path=self._path, film=film)
        if self._path.exists() and not _is_ours(known):
            return self._fail("a file of this name is there that is no film of batchveo")
        if not has_subfolders(self._folder, self._path.parent):
            return self._fail(f"a link or a file is in the place of a folder: {self._path.parent}")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part.unlink(missing_ok=True)  # left by a death
        clips: list[FilmClip] = []
        try:
            with ExitStack() as copies:
                for shot in self._plan.shots:
                    if shot.clip is None:
                        raise ValueError(shot)
                    path = await anyio.to_thread.run_sync(self._fetch_clip, shot.clip, copies)
                    clips.append(FilmClip(path, shot.job.name, shot.part))
                film = await join_film(clips, self._part, limiter=self._limiter)
            await anyio.to_thread.run_sync(self._publish, film)
        except (_Unfit, NotAnMp4) as error:
            return self._fail(str(error))
        except OSError as error:
            title = next((clip.title for clip in clips if str(clip.path) == error.filename), None)
            if error.errno is not None and title is None:
                raise
            reason = find_reason(error)
            return self._fail(f"{title}: {reason}" if title else reason)
        finally:
            self._part.unlink(missing_ok=True)
        return MadeFilm(plan=self._plan, path=self._path, film=film, is_new=True)

    def _fail(self, problem: str) -> MadeFilm:
        return MadeFilm(plan=self._plan, path=self._path, problem=problem)

    def _fetch_clip(self, clip: Job, copies: ExitStack) -> Path:
        """The file of a clip, as it was recorded. Raises ``_Unfit``."""
        video = video_at(clip)
        try:
            path = copies.enter_context(local_copy(video))
            size, sha256 = measure_file(path)
        except FileNotFoundError:
            raise _Unfit(f"{video} is missing") from None
        except OSError as error:
            raise _Unfit(f"{video} cannot be read: {find_reason(error)}") from None
        if (size, sha256) != (clip.bytes, clip.sha256):
            raise _Unfit(f"{video} has changed since it was recorded")
        return path.absolute()

    def _list_clips(self) -> list[dict[str, object]]:
        """What the film is made of; a film of other clips is another film."""
        return [
            {
                "job_id": shot.clip.id,
                "name": shot.clip.name,
                "take": shot.clip.take,
                "prompt": shot.clip.prompt,
                "file": shot.clip.file,
                "sha256": shot.clip.sha256,
                "takes": shot.part,
            }
            for shot in self._plan.shots
            if shot.clip is not None
        ]

    def _read_film(self, known: dict[str, object] | None) -> Film | None:
        """The film that is there, if it is of the same clips."""
        if known is None or known.get("film_version") != VERSION or not isinstance(known.get("clips"), list):
            return None
        with suppress(OSError, ValueError, TypeError, KeyError):
            old = [[clip["job_id"], clip["sha256"], clip["takes"]] for clip in known["clips"]]  # type: ignore[attr-defined]
            new = [[clip["job_id"], clip["sha256"], clip["takes"]] for clip in self._list_clips()]
            if old == new and self._path.stat().st_size == known["bytes"]:
                begins = [clip["begins_at"] for clip in known["clips"]]  # type: ignore[attr-defined]
                return Film.from_record({**known, "begins": begins, "is_copied": known["copied"]})
        return None

    def _publish(self, film: Film) -> None:
        """Give the finished film its name, after its subtitles and its sidecar. Raises ``OSError``, ``NotAnMp4``."""
        check_mp4(self._part)
        size, sha256 = measure_file(self._part)
        sync_path(self._part)
        clips = [
            {**clip, "begins_at": round(begin, 6)} for clip, begin in zip(self._list_clips(), film.begins, strict=True)
        ]
        content = {
            "file": self._path.name,
            "name": self._plan.shots[-1].job.name,
            "seconds": round(film.seconds, 6),
            "frames": film.frames,
            "copied": film.is_copied,
            "complete": self._plan.is_whole,
            "bytes": size,
            "sha256": sha256,
            "clips": clips,
            "film_version": VERSION,
            "made_by": f"batchveo {__version__}",
        }
        prompts = [shot.job.prompt for shot in self._plan.shots]
        _write_text(self._path.with_suffix(SUBTITLE_SUFFIX), make_subtitles(prompts, film))
        _write_text(self._sidecar, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
        rename_file(self._part, self._path)
        sync_path(self._path.parent)


class _Unfit(Exception):
    """A clip cannot be shown; ``str()`` is the reason."""


def _is_ours(known: dict[str, object] | None) -> bool:
    return known is not None and "film_version" in known


def _write_text(path: Path, text: str) -> None:
    with replace_file(path) as part:
        part.write_text(text, encoding="utf-8", errors="replace")


def make_subtitles(prompts: Sequence[str], film: Film) -> str:
    """The prompts as subtitles in the format SubRip: each is shown as long as its clip."""
    ends = [*film.begins[1:], film.seconds]
    shown = [
        (begin, end, textwrap.wrap(prompt.replace("-->", "→"), _LINE))
        for prompt, begin, end in zip(prompts, film.begins, ends, strict=True)
        if end > begin and prompt.strip()
    ]
    return "\n".join(
        f"{number}\n{_format_time(begin)} --> {_format_time(end)}\n{chr(10).join(lines)}\n"
        for number, (begin, end, lines) in enumerate(shown, 1)
    )


def _format_time(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02},{whole % 1000:03}"
