"""Whether finished videos are still where they were put, by a look at their place and length alone.

``batchveo verify`` reads them whole; this is what a page can afford for each card.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from batchveo.core.destination import Destination, parse_destination
from batchveo.core.errors import UsageError
from batchveo.core.sidecar_location import VIDEO_SUFFIX
from batchveo.storage.stored_video import BucketVideo, StoredVideo, locate_video, size_of

ADVICE = (
    "`batchveo verify` checks every video; `batchveo verify --refetch` lets the next run fetch this one again, "
    "which costs nothing. If the videos were moved, name their place with `--videos`."
)
ASKED_AT_ONCE = 16
"""Requests to a bucket under way at the same time."""
REMEMBERED_SECONDS = 60.0
"""How long an answer of a bucket holds."""
MOST_REMEMBERED = 50_000
_ONCE = "The video was verified when it was stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a video: ``word`` for a card, ``says`` for a person.

    ``gone`` if there is nothing to play.
    """

    word: str
    says: str
    gone: bool = False

    def row(self) -> dict[str, object]:
        """As JSON."""
        return {"word": self.word, "says": f"{self.says} {ADVICE}", "gone": self.gone}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a bucket was asked of one video, and when on the monotonic clock."""

    answer: Future[Problem | None]
    at: float

    def holds(self, now: float) -> bool:
        return not self.answer.done() or now - self.at < REMEMBERED_SECONDS


class Presence:
    """Looks after videos; ``videos`` says where they are now, if they were moved.

    Files are looked at each time. A bucket is asked for at most ``patience`` seconds, and answers are remembered
    for a minute; a video that it has said nothing of yet has no problem.
    """

    def __init__(self, videos: Destination | None = None, *, patience: float = 1.5) -> None:
        self._videos = videos
        self._patience = patience
        self._asked: dict[tuple[str, object], _Asked] = {}

    def problems(self, rows: Iterable[Mapping[str, object]], *, anew: bool = False) -> dict[str, Problem]:
        """The videos that are not as they should be, by the ``id`` of their rows.

        A row has ``state, folder, file, bytes``. With ``anew`` no answer is taken from memory.
        """
        found: dict[str, Problem] = {}
        awaited: dict[str, Future[Problem | None]] = {}
        for row in rows:
            if row["state"] != "succeeded" or row["file"] is None:
                continue
            key, answer = str(row["id"]), self._look(row, anew=anew)
            if isinstance(answer, Future):
                awaited[key] = answer
            elif answer is not None:
                found[key] = answer
        wait(awaited.values(), timeout=self._patience)
        told = {key: future.result() for key, future in awaited.items() if future.done()}
        return found | {key: problem for key, problem in told.items() if problem is not None}

    def _look(self, row: Mapping[str, object], *, anew: bool) -> Problem | Future[Problem | None] | None:
        name, size = str(row["file"]), row["bytes"]
        if not name.endswith(VIDEO_SUFFIX) or Path(name).name != name:
            return Problem(word="Not on disk", says="The database names no file that a run writes.", gone=True)
        try:
            video = locate_video(
                parse_destination(str(row["folder"] or "")) if self._videos is None else self._videos, name
            )
        except UsageError as error:
            return Problem(word="Cannot be read", says=f"Its place cannot be used: {error}.")
        return problem_of(video, size) if isinstance(video, Path) else self._ask(video, size, anew=anew)

    def _ask(self, video: BucketVideo, size: object, *, anew: bool) -> Future[Problem | None]:
        key, now = (str(video), size), time.monotonic()
        known = self._asked.get(key)
        if known is not None and not anew and known.holds(now):
            return known.answer
        if len(self._asked) >= MOST_REMEMBERED:
            self._asked.clear()
        answer = self._pool.submit(problem_of, video, size)
        self._asked[key] = _Asked(answer, now)
        return answer

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="presence")


def problem_of(video: StoredVideo, size: object) -> Problem | None:
    """What a look at one video finds; ``size`` (bytes) was recorded of it. Blocks."""
    missing = "Not on disk" if isinstance(video, Path) else "Not in the bucket"
    try:
        if isinstance(video, Path) and not stat.S_ISREG(video.lstat().st_mode):
            return Problem(word=missing, says="A link or a folder is in the place of its file.", gone=True)
        found = size_of(video)
    except (FileNotFoundError, NotADirectoryError):
        where = "where it was put" if isinstance(video, Path) else "in the bucket any more"
        return Problem(word=missing, says=f"{_ONCE}, but its file is not {where}.", gone=True)
    except (OSError, ValueError, UsageError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return Problem(word="Cannot be read", says=f"{_ONCE}; now it cannot be read: {why}.")
    if found != size:
        return Problem(word="Damaged", says=f"Its file has {found:,} bytes; {size:,} were recorded.")
    return None
