"""The ``.env`` file of the current folder: the API key and batchveo's own variables, nothing else of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from batchveo.cli.config import explain_refusal
from batchveo.core.errors import UsageError

FILE = Path(".env")
LARGEST_BYTES = 1024 * 1024
KEYS = ("AIMLAPI_API_KEY", "AIMLAPI_KEY", "AIML_API_KEY")
"""Copies of those in ``provider.api_key``, which takes long to import; a test compares the two."""

PREFIX = "BATCHVEO_"

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


@contextmanager
def with_dotenv(file: Path = FILE) -> Iterator[None]:
    """The environment with what ``file`` adds to it; what is in the real one is kept."""
    added = find_additions(file, os.environ)
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def find_additions(file: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What ``file`` sets and ``environment`` does not; an API key of the environment hides every key of the file.

    Raises ``UsageError`` for what a folder may not set.
    """
    found = read_dotenv(file)
    # else a forgotten key in the folder could be charged instead of the user's own
    has_key = any(environment.get(name, "").strip() for name in KEYS)
    added = {name: value for name, value in found.items() if not (name in KEYS and has_key) and name not in environment}
    for name in added:
        refused = explain_refusal(name.removeprefix(PREFIX).lower().replace("_", "-"))
        if refused:
            raise UsageError(f"{file}: {name}: {refused}")
    return added


def read_dotenv(file: Path) -> dict[str, str]:
    """Our variables in ``file``, if there is one. Raises ``UsageError`` that never shows a value."""
    found: dict[str, str] = {}
    for number, line in enumerate(_read_lines(file), 1):
        match = _LINE.fullmatch(line)
        if match is not None and is_ours(match[1]):
            value = _parse_value(match[2].strip())
            if value is None:
                raise UsageError(f"{file}:{number}: the quotes of {match[1]} are not closed, or text follows them")
            found[match[1]] = value
    return found


def is_ours(name: str) -> bool:
    """Whether a variable is read from there; a ``.env`` holds those of other programs too."""
    return name in KEYS or name.startswith(PREFIX)


def is_open_to_others(file: Path = FILE) -> bool:
    """Whether other users of the machine can read a key in ``file``."""
    with suppress(OSError, UsageError):
        return (
            os.name == "posix" and bool(file.stat().st_mode & 0o077) and any(name in KEYS for name in read_dotenv(file))
        )
    return False


def _read_lines(file: Path) -> list[str]:
    try:
        if not file.is_file() or file.stat().st_size > LARGEST_BYTES:
            return []
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text") from None
    except OSError:
        return []  # a user who may not read it does not use it


def _parse_value(text: str) -> str | None:
    """The value written as ``text``; ``None`` if its quotes are not whole."""
    if text.startswith('"'):
        match = _DOUBLE.fullmatch(text)
        return match and re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), match[1])
    if text.startswith("'"):
        match = _SINGLE.fullmatch(text)
        return match and match[1]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
