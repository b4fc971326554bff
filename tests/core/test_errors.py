"""The tree of exceptions."""

from __future__ import annotations

import errno
import inspect
import re

import pytest

from batchveo.core import errors
from batchveo.core.errors import BatchveoError, ManifestError, Problem, find_reason


def read_drawing() -> dict[str, tuple[str | None, int | None]]:
    """Each class of the drawing with its parent and its exit status, if the drawing names one."""
    found: dict[str, tuple[str | None, int | None]] = {}
    parents: dict[int, str] = {}
    for indent, name, status in re.findall(
        r"^( {4}[│├└─ ]*)(\w+)(?: +(\d+)(?: {2,}|$))?", errors.__doc__ or "", re.MULTILINE
    ):
        found[name] = (parents.get(len(indent) - 4), int(status) if status else None)
        parents[len(indent)] = name
    return found


def test_the_drawing_is_the_tree() -> None:
    """Every class is in it, under its base class and with its exit status."""
    drawn = read_drawing()
    classes = {
        name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BatchveoError)
    }
    assert drawn.keys() == classes.keys()
    for name, (parent, status) in drawn.items():
        assert parent is None or classes[name].__bases__ == (classes[parent],), name
        assert status in (None, classes[name].exit_status), name


def test_a_manifest_error_lists_its_problems() -> None:
    """Those that are like a listed one are counted with their lines, the others only counted."""
    like = Problem(
        file="a.csv", line=3, field="seed", message="is no number", suggestion="a whole one", more=2, more_lines=(5,)
    )
    assert str(ManifestError([like], total=7)).splitlines() == [
        "a.csv:3: seed: is no number (a whole one)",
        "  and 2 more like this (lines 5, …)",
        "... and 4 more",
        "7 problems; nothing was written or bought",
    ]


class DecoderError(Exception):
    """As those of FFmpeg."""

    strerror = "Invalid data found"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/v/a.mp4"), "No space left on device"),
        (OSError("the bucket is closed"), "the bucket is closed"),
        (DecoderError("[Errno 1] Invalid data found: 'a.mp4'"), "Invalid data found"),
        (ValueError("no size"), "no size"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_a_reason_is_without_number_and_file_and_never_empty(error: Exception, reason: str) -> None:
    assert find_reason(error) == reason
