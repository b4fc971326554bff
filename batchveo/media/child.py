"""The process that decodes one file, for its measures or for one frame, or joins some; one line of JSON out.

``python -m batchveo.media.child measure LEVEL SECONDS PATH``, ``frame PART SECONDS PATH``, or ``join - SECONDS TARGET``
with the clips as JSON on the standard input.

It has a process of its own because FFmpeg is a large decoder in C, and the file may be made to break it.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from batchveo.core.errors import find_reason
from batchveo.core.films import FilmClip
from batchveo.core.measures import CheckLevel

MOST_MEMORY = 2 << 30
"""Bytes of address space; a picture of 4096 x 4096 needs less than half of it, and a coder in 4K most of it."""
_NICENESS = 10


def main() -> None:
    """Decode the file that the arguments name; print what was found, or why it cannot be opened or decoded here."""
    task, what, seconds, path = sys.argv[1:]
    limit_process(int(seconds))
    try:
        match task:
            case "measure":
                answer = _measure(path, what)
            case "frame":
                answer = _take_frame(path, what)
            case _:
                answer = _join_clips(path, sys.stdin.read())
    except ImportError as error:
        answer = {"errno": None, "message": f"PyAV cannot be loaded: {error}"}
    except OSError as error:
        answer = {"errno": error.errno, "message": find_reason(error), "file": error.filename}
    print(json.dumps(answer), flush=True)  # noqa: T201 - this is the answer
    os._exit(0)  # nothing is left to be closed, and a broken heap must not spoil the answer


def _measure(path: str, level: str) -> dict[str, object]:
    # only now: if PyAV lacks a library, that is an answer too, and says nothing of the clip
    from batchveo.media.media_pass import measure_file

    return measure_file(Path(path), CheckLevel(level)).to_record()


def _take_frame(path: str, part: str) -> dict[str, object]:
    from batchveo.media.frames import read_frame

    try:
        return {"png": base64.b64encode(read_frame(Path(path), part)).decode("ascii")}
    except ValueError as error:
        return {"errno": None, "message": str(error)}


def _join_clips(target: str, clips: str) -> dict[str, object]:
    from batchveo.media.film import join_clips

    joined = join_clips([FilmClip(Path(path), title, part) for path, title, part in json.loads(clips)], Path(target))
    return joined.to_record()


def limit_process(seconds: int) -> None:
    """Bound memory and time of this process, and let all others go first, if the system has such limits.

    ``seconds`` of processor, and as many in all; a parent that waits kills it earlier, but the parent may have died.
    """
    with suppress(AttributeError):  # Windows has no alarm
        signal.alarm(seconds)  # a file on a disk that does not answer takes no time of the processor
    with suppress(OSError, AttributeError):  # Windows has no niceness
        os.nice(_NICENESS)
    with suppress(ImportError):
        import resource

        limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_CPU: seconds, resource.RLIMIT_AS: MOST_MEMORY}
        for limit, value in limits.items():
            with suppress(ValueError, OSError):  # macOS refuses some of them
                resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    main()
