"""A run that dies at a named point: ``python -m tests.crash.child POINT NTH MANIFEST URL [CONCURRENCY [DOUBT]]``.

The points are wrapped around the program's own steps from outside; the program knows nothing of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import batchveo
from batchveo.core.models import Job, JobState
from batchveo.core.settings import Doubt
from batchveo.core.state_machine import Move
from batchveo.engine.coordinator import Coordinator
from batchveo.engine.stages.clip_inspector import StoredClips
from batchveo.engine.stages.poller import Poller
from batchveo.engine.stages.submitter import Submitter
from batchveo.provider.client import ApiClient
from batchveo.storage import file_system
from batchveo.storage.local import FolderWriter
from batchveo.storage.video_file import VideoFile
from batchveo.store.links import Links
from batchveo.store.transitions import Transitions
from batchveo.store.verdicts import Verdicts
from tests.helpers.fake_clips import FakeClips

CONCURRENCY = 4
POINTS = (
    "before-intent",
    "intent-not-flushed",
    "after-intent",
    "mark-not-flushed",
    "after-mark",
    "after-post",
    "before-id-commit",
    "id-not-flushed",
    "after-id-commit",
    "during-poll",
    "mid-download",
    "before-rename",
    "after-rename",
    "before-final-commit",
    "final-not-flushed",
    "after-final-commit",
)
MOST_OFTEN = ("after-mark", "after-post", "id-not-flushed", "mid-download", "final-not-flushed")
"""Of these points, those at which a run spends its time, and where money is lost most easily."""
OF_FOLDERS = (
    "mid-download",
    "half-made-folders",
    "before-rename",
    "after-sidecar",
    "after-rename",
    "before-final-commit",
)
"""Points around the making of the folders of a video; the second and fourth are between two steps of it."""
OF_GATES = ("before-check", "before-verdict", "verdict-not-flushed", "after-verdict")
"""Points that only a run of jobs with gates passes."""
OF_CHAINS = ("after-frame", "link-not-flushed", "before-frame", "before-link")
"""Points that only a run of chains passes."""
PLAIN_FRAMES = "plain-frames"
"""No point: frames are taken without decoding, which takes a third of a second of processor each."""


class Countdown:
    """Dies at the ``nth`` passing, without any farewell."""

    def __init__(self, nth: int) -> None:
        self._left = nth

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            os._exit(77)


def around(owner: Any, name: str, *, before: Callable[[], None] | None, after: Callable[[], None] | None) -> None:
    """Wrap a plain method."""
    real = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            before()
        result = real(*args, **kwargs)
        if after:
            after()
        return result

    setattr(owner, name, wrapped)


def around_async(
    owner: Any, name: str, *, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
) -> None:
    """Wrap a coroutine method."""
    real = getattr(owner, name)

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            before()
        result = await real(*args, **kwargs)
        if after:
            after()
        return result

    setattr(owner, name, wrapped)


def around_commit(to: JobState, *, die: Callable[[], None]) -> None:
    """Die once a move to ``to`` is safe on disk."""
    real = Coordinator.record_outcome

    async def wrapped(self: Coordinator, *args: Any, **kwargs: Any) -> Any:
        moved = await real(self, *args, **kwargs)
        if moved.state is to:
            die()
        return moved

    Coordinator.record_outcome = wrapped  # type: ignore[method-assign]


def around_move(to: JobState, *, die: Callable[[], None], before: bool) -> None:
    """Wrap the writing of a move to ``to``."""
    real = Transitions.apply_move

    def wrapped(self: Transitions, job: Job, move: Move, *, run: int | None, now: float) -> Job:
        if before and move.to is to:
            die()
        result = real(self, job, move, run=run, now=now)
        if not before and move.to is to:
            die()
        return result

    Transitions.apply_move = wrapped  # type: ignore[method-assign]


def install(point: str, die: Callable[[], None]) -> None:  # noqa: C901 - one arm a point
    """Put ``die`` at the named point."""
    match point:
        case "before-intent":
            around(Transitions, "claim_job", before=die, after=None)
        case "intent-not-flushed":
            around(Transitions, "claim_job", before=None, after=die)
        case "after-intent":
            around_async(Submitter, "handle", before=die)
        case "mark-not-flushed":
            around(Transitions, "mark_sent", before=None, after=die)
        case "after-mark":
            around_async(Coordinator, "mark_sent", after=die)
        case "after-post":
            around_async(ApiClient, "submit", after=die)
        case "before-id-commit":
            around_move(JobState.GENERATING, die=die, before=True)
        case "id-not-flushed":
            around_move(JobState.GENERATING, die=die, before=False)
        case "after-id-commit":
            around_commit(JobState.GENERATING, die=die)
        case "during-poll":
            around_async(Poller, "handle", after=die)
        case "mid-download":
            around(FolderWriter, "_check_video", before=die, after=None)
        case "before-rename":
            around(VideoFile, "publish_part", before=die, after=None)
        case "half-made-folders":
            around(file_system, "sync_folder", before=die, after=None)
        case "after-sidecar":
            around(VideoFile, "_write_sidecar", before=None, after=die)
        case "after-rename":
            around(VideoFile, "publish_part", before=None, after=die)
        case "before-final-commit":
            around_move(JobState.SUCCEEDED, die=die, before=True)
        case "final-not-flushed":
            around_move(JobState.SUCCEEDED, die=die, before=False)
        case "before-check":
            around_async(StoredClips, "measure_clip", after=die)
        case "before-verdict":
            around(Verdicts, "record_verdict", before=die, after=None)
        case "verdict-not-flushed":
            around(Verdicts, "record_verdict", before=None, after=die)
        case "after-verdict":
            around_async(StoredClips, "add_to_sidecar", before=die)
        case "after-final-commit":
            around_commit(JobState.SUCCEEDED, die=die)
        case "before-frame":
            around_async(StoredClips, "take_frame", before=die)
        case "after-frame":
            around_async(StoredClips, "take_frame", after=die)
        case "before-link":
            around(Links, "fill_frame", before=die, after=None)
        case "link-not-flushed":
            around(Links, "fill_frame", before=None, after=die)
        case "plain-frames":
            StoredClips.take_frame = FakeClips(seconds=0.0).take_frame  # type: ignore[assignment]
        case _:
            raise ValueError(point)


def main(
    point: str, nth: str, manifest: str, url: str, concurrency: str = str(CONCURRENCY), doubt: str = "hold"
) -> int:
    """Run, and die on the way."""
    # sqlite-utils would import it where it is installed, for longer than such a run takes
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    if point != "none":
        install(point, Countdown(int(nth)))
    settings = batchveo.RunSettings(
        concurrency=int(concurrency), poll_interval=0.05, settle=1.5, when_in_doubt=Doubt(doubt)
    )
    return batchveo.run([manifest], settings=settings, using=batchveo.service(base_url=url, key="key")).exit_status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
