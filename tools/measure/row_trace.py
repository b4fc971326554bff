"""Follows one CSV row through the package, until its request is sent. Runs in a process of its own.

    python -P row_trace.py PACKAGE_FOLDER RESULT.json ARGUMENT...

runs ``batchveo ARGUMENT...`` in the current folder under a profile function, writes what it saw, and ends the
process as soon as the sandbox receives the row: what the service does with it is not the package's work.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import runpy
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

TEXT = "zebrafinch"
"""A word that stands in the row's prompt and name, and nowhere else."""

_DEPTH = 6  # records within lists within records: deeper than anything that carries a row today
_MANY = 200  # items of a collection that are looked at: a table of all models is not searched for the row
_COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>")  # functions up to Python 3.11 only
_ID_LENGTH = 8  # shorter values of a field ``id`` could occur in texts by chance


class Trace:
    """What the row has passed so far; files are relative to the package."""

    def __init__(self, package: Path, result: Path) -> None:
        self._prefix = f"{package}{os.sep}"
        self._result = result
        self._marks = {TEXT}
        self._working: set[int] = set()  # ids of the frames that were handed the row and have not returned
        self._lock = threading.Lock()
        self.executed: set[str] = set()
        self.handed: set[str] = set()
        self.called: set[str] = set()
        self.records: set[str] = set()

    def __call__(self, frame: FrameType, event: str, value: object) -> None:
        """Look at a call or a return, as ``sys.setprofile`` reports it."""
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(self._prefix):
            return
        if not code.co_flags & inspect.CO_OPTIMIZED:  # the body of a module or a class, not a function
            return
        if code.co_name in _COMPREHENSIONS:
            return
        with self._lock:
            self._look(frame, event, value)

    def _look(self, frame: FrameType, event: str, value: object) -> None:
        file = frame.f_code.co_filename.removeprefix(self._prefix).replace(os.sep, "/")
        is_call = event == "call"
        has_row = self._has_row(_arguments(frame) if is_call else value)
        if file.startswith("sandbox/"):
            if has_row:
                self._end()
            return
        self.executed.add(file)
        if has_row:
            self.handed.add(file)
        if is_call and has_row:
            self._working.add(id(frame))
        elif not is_call:
            self._working.discard(id(frame))
        if is_call and self._is_below_row(frame):
            self.called.add(file)

    def _is_below_row(self, frame: FrameType) -> bool:
        above = frame.f_back
        while above is not None:
            if id(above) in self._working:
                return True
            above = above.f_back
        return False

    def _has_row(self, value: object, depth: int = 0) -> bool:
        """Whether the row's text, name or job id is in ``value``; notes the records that it is in."""
        if isinstance(value, str):
            return any(mark in value for mark in self._marks)
        if isinstance(value, bytes):
            return TEXT.encode() in value
        found = False
        if depth < _DEPTH:
            for part in _parts(value):  # all of them, since each may show another record
                found |= self._has_row(part, depth + 1)
        if found and _is_record(value) and "sandbox" not in type(value).__module__:
            self.records.add(f"{type(value).__module__}.{type(value).__qualname__}")
            identity = getattr(value, "id", None)
            if isinstance(identity, str) and len(identity) >= _ID_LENGTH:
                self._marks.add(identity)
        return found

    def _end(self) -> None:
        """Write what was seen, and end the process without the run's own end."""
        result = {
            "executed": sorted(self.executed),
            "handed": sorted(self.handed),
            "working": sorted(self.handed | self.called),
            "records": sorted(self.records),
        }
        self._result.write_text(json.dumps(result), encoding="utf-8")
        os._exit(0)


def _arguments(frame: FrameType) -> list[object]:
    """The values of a function's parameters and of the names it closes over."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    names = (*code.co_varnames[:count], *code.co_freevars)
    values = frame.f_locals
    return [values[name] for name in names if name in values]


def _is_record(value: object) -> bool:
    """Whether a value is a dataclass or a named tuple."""
    return dataclasses.is_dataclass(type(value)) or hasattr(type(value), "_fields")


def _parts(value: object) -> Iterable[object]:
    """What a record or a collection consists of, and the body of an HTTP request; nothing for other objects."""
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)[:_MANY]
    if isinstance(value, dict):
        return list(value.values())[:_MANY]
    if dataclasses.is_dataclass(value):
        return [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    if type(value).__name__ == "Request":
        return [getattr(value, "_content", None)]
    return []


def main() -> None:
    """Run the command under the trace."""
    package, result, *arguments = sys.argv[1:]
    trace = Trace(Path(package), Path(result))
    sys.argv = ["batchveo", *arguments]
    threading.setprofile(trace)
    sys.setprofile(trace)
    runpy.run_module("batchveo", run_name="__main__")


if __name__ == "__main__":
    main()
