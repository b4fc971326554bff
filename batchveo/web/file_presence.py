"""Checks by place and length whether finished videos are still there.

``batchveo verify`` reads videos whole; this check is fast enough for every card of a page.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from batchveo.core.destination import VIDEO_SUFFIX, Destination, parse_destination
from batchveo.core.errors import UsageError, find_reason
from batchveo.storage.stored_video import BucketVideo, StoredVideo, locate_video, size_of

ADVICE = (
    "`batchveo verify` checks every video; `batchveo verify --refetch` lets the next run fetch this one again, "
    "which costs nothing. If the videos were moved, name their place with `--videos`."
)
ASKED_AT_ONCE = 16
"""Requests to a bucket at the same time."""
REMEMBERED_SECONDS = 60.0
"""Seconds for which an answer of a bucket is used."""
MOST_REMEMBERED = 50_000
_ONCE = "The video was verified when it was stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a video: a ``word`` for a card, a sentence ``says``; ``gone`` if nothing can be played."""

    word: str
    says: str
    gone: bool = False

    def make_row(self) -> dict[str, object]:
        """The fields of the JSON object."""
        return {"word": self.word, "says": f"{self.says} {ADVICE}", "gone": self.gone}


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer of a bucket about one video, and the monotonic time of the request."""

    future: Future[Problem | None]
    at: float

    def is_fresh(self, now: float) -> bool:
        return not self.future.done() or now - self.at < REMEMBERED_SECONDS


class VideoPresence:
    """Checks videos; ``videos`` is where they are now, if they were moved.

    Files are checked each time. A bucket has at most ``patience`` seconds to answer, and answers are kept for a
    minute; without an answer yet a video has no problem.
    """

    def __init__(self, videos: Destination | None = None, *, patience: float = 1.5) -> None:
        self._videos = videos
        self._patience = patience
        self._answers: dict[tuple[str, object], _Answer] = {}

    def find_problems(self, rows: Iterable[Mapping[str, object]], *, anew: bool = False) -> dict[str, Problem]:
        """The problems of videos, by the ``id`` of their rows; other videos are left out.

        A row has ``id, state, folder, file, bytes``. With ``anew`` no kept answer is used.
        """
        found: dict[str, Problem] = {}
        awaited: dict[str, Future[Problem | None]] = {}
        for row in rows:
            if row["state"] != "succeeded" or row["file"] is None:
                continue
            key, answer = str(row["id"]), self._check_row(row, anew=anew)
            if isinstance(answer, Future):
                awaited[key] = answer
            elif answer is not None:
                found[key] = answer
        # one wait for all: a slow bucket delays a page of cards once, and answers later than that serve the next page
        wait(awaited.values(), timeout=self._patience)
        answered = {key: future.result() for key, future in awaited.items() if future.done()}
        return found | {key: problem for key, problem in answered.items() if problem is not None}

    def _check_row(self, row: Mapping[str, object], *, anew: bool) -> Problem | Future[Problem | None] | None:
        name, size = str(row["file"]), row["bytes"]
        if not is_video_name(name):
            return Problem(word="Not on disk", says="The database names no file that a run writes.", gone=True)
        try:
            video = locate_video(
                parse_destination(str(row["folder"] or "")) if self._videos is None else self._videos, name
            )
        except UsageError as error:
            return Problem(word="Cannot be read", says=f"Its place cannot be used: {error}.")
        return find_problem(video, size) if isinstance(video, Path) else self._ask_bucket(video, size, anew=anew)

    def _ask_bucket(self, video: BucketVideo, size: object, *, anew: bool) -> Future[Problem | None]:
        key, now = (str(video), size), time.monotonic()
        known = self._answers.get(key)
        if known is not None and not anew and known.is_fresh(now):
            return known.future
        if len(self._answers) >= MOST_REMEMBERED:
            self._answers.clear()  # simpler than an order of use, and seldom: it costs one request a video
        future = self._pool.submit(find_problem, video, size)
        self._answers[key] = _Answer(future, now)
        return future

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="presence")


def find_problem(video: StoredVideo, size: object) -> Problem | None:
    """The problem of one video whose recorded size is ``size`` bytes; ``None`` if it has none. Blocks."""
    missing = "Not on disk" if isinstance(video, Path) else "Not in the bucket"
    try:
        if isinstance(video, Path) and not stat.S_ISREG(video.lstat().st_mode):
            return Problem(word=missing, says="A link or a folder is in the place of its file.", gone=True)
        found = size_of(video)
    except (FileNotFoundError, NotADirectoryError):
        where = "where it was put" if isinstance(video, Path) else "in the bucket any more"
        return Problem(word=missing, says=f"{_ONCE}, but its file is not {where}.", gone=True)
    except (OSError, ValueError, UsageError) as error:
        why = find_reason(error)
        return Problem(word="Cannot be read", says=f"{_ONCE}; now it cannot be read: {why}.")
    if found != size:
        return Problem(word="Damaged", says=f"Its file has {found:,} bytes; {size:,} were recorded.")
    return None


def is_video_name(name: str) -> bool:
    """Whether ``name`` is one as runs write them: in the output folder or folders of it, with the suffix of videos."""
    pieces = name.split("/")
    return name.endswith(VIDEO_SUFFIX) and all(Path(piece).name == piece not in ("", "..") for piece in pieces)


def is_plain_file(path: Path) -> bool:
    """Whether ``path`` is a file and no link: no run recorded what a link leads to."""
    try:
        return path.is_file() and not path.is_symlink()
    except (OSError, ValueError):
        return False
