"""What of this machine a report leaves out, since it may be mailed: folders, the user, the machine's name."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

OWN_WORDS = frozenset({"prompt", "negative_prompt", "name", "example_name"})
"""Keys whose texts are the user's own words: only known folders are taken out of them."""
SHORTEST_NAME = 4
"""Letters of a user's or a machine's name from which on texts are searched for it: ``pi`` is a word."""
COMMON_NAMES = frozenset({"root", "user", "admin", "ubuntu", "debian", "runner", "nobody", "localhost", "home"})
_HOMES = frozenset({"home", "Users"})

_PART = r"[^\s/\\'\"<>|:;,()]+"
_BLANKS = rf"(?:[ ](?![.~]){_PART}){{0,6}}"  # folders' names may have blanks
_MORE = rf"(?:{_BLANKS}[/\\]+{_PART})"
_ROOTED = r"(?:file:/+|~/|(?:\.\./)+|[A-Za-z]:[\\/]|\\\\)"
_LEFT_ALONE = r"(?:(?!file:)[A-Za-z][A-Za-z0-9+.-]+://|data:)[^\s'\"<>]+"
_QUOTED = r"(?P<quote>['\"])(?P<quoted>(?:file:/|/|~/|\.\./|[A-Za-z]:[\\/]|\\\\)[^'\"\n]*)(?P=quote)"
_PLAIN = rf"(?<![\w./\\~])(?P<plain>(?:/{_PART}{_MORE}+|{_ROOTED}{_PART}{_MORE}*)[/\\]*)"
_FOUND = re.compile(f"{_LEFT_ALONE}|{_QUOTED}|{_PLAIN}")


def name_in(path: str) -> str:
    """The last part of a path of any system; empty for a root."""
    parts = [part for part in re.split(r"[/\\]+", path.removeprefix("file:")) if part]
    return "" if not parts or re.fullmatch(r"[A-Za-z]:|~|\.+", parts[-1]) else parts[-1]


class Redaction:
    """Takes out of texts what tells of this machine.

    ``folders`` are known to stand in them; the home and the current folder are always looked for. ``names`` are
    those of user and machine unless they are given.
    """

    def __init__(self, folders: Iterable[str | Path] = (), *, names: Iterable[str] | None = None) -> None:
        known = {str(folder).rstrip("/\\") for folder in (*folders, *_own_folders())}
        private = [folder for folder in known if Path(folder).is_absolute() and len(Path(folder).parts) > 1]
        self._folders = _any_of((f"{re.escape(folder)}(?:[/\\\\]+|(?![\\w.-]))" for folder in private), r"[\w.-]")
        told = filter(_is_telling, _own_names() if names is None else names)
        self._names = _any_of((rf"{re.escape(name)}(?!\w)" for name in told), r"\w")

    def text(self, text: str) -> str:
        """``text`` with its last part for each absolute path, and without the names."""
        return self._names.sub("…", _FOUND.sub(_shown, self.own_words(text)))

    def own_words(self, text: str) -> str:
        """``text`` without the folders that are known; the rest is the user's own."""
        return self._folders.sub(lambda found: "" if found.group().endswith(("/", "\\")) else "…", text)

    def row(self, row: Mapping[str, object]) -> dict[str, object]:
        """A JSON object with all its texts so."""
        return {key: self._value(value, own=key in OWN_WORDS) for key, value in row.items()}

    def _value(self, value: object, *, own: bool = False) -> object:
        if isinstance(value, str):
            return self.own_words(value) if own else self.text(value)
        if isinstance(value, Mapping):
            return self.row(value)
        if isinstance(value, list | tuple):
            return [self._value(item, own=own) for item in value]
        return value


class Labels:
    """Short names for manifests, each its own: two of one name in different folders are told apart by a number."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def of(self, path: str) -> str:
        """A relative path that does not climb stands for itself; of any other, its name."""
        if path not in self._given:
            wanted = path if _stays(path) else name_in(path) or "manifest"
            used, label, number = set(self._given.values()), wanted, 1
            while label in used:
                number += 1
                label = f"{wanted} ({number})"
            self._given[path] = label
        return self._given[path]


def is_telling_way(start: Path, end: Path) -> bool:
    """Whether the relative way from folder ``start`` to ``end`` says where on the machine they are.

    It does where it climbs up to the root, or to where the homes of users are.
    """
    try:
        common = Path(os.path.commonpath([start, end]))
    except ValueError:  # another drive of Windows
        return True
    if common == start:
        return False
    home = _home()
    return len(common.parts) == 1 or common.name in _HOMES or (home is not None and common in home.parents)


def _stays(path: str) -> bool:
    outside = Path(path).is_absolute() or re.match(r"~|[A-Za-z]:|\\|file:", path)
    return not outside and ".." not in re.split(r"[/\\]", path)


def _any_of(patterns: Iterable[str], not_after: str) -> re.Pattern[str]:
    """The longest first: what lies within another goes whole; of nothing, a pattern that never matches."""
    ordered = sorted(patterns, key=len, reverse=True)
    return re.compile(f"(?<!{not_after})(?:{'|'.join(ordered)})" if ordered else r"(?!)")


def _shown(found: re.Match[str]) -> str:
    if found["quoted"] is not None:
        return f"{found['quote']}{name_in(found['quoted']) or '…'}{found['quote']}"
    return found.group() if found["plain"] is None else name_in(found["plain"]) or "…"


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        return None


def _own_folders() -> list[str]:
    home = _home()
    return [str(folder) for folder in (home, Path.cwd()) if folder is not None]


def _own_names() -> list[str]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = ""
    host = socket.gethostname()
    home = _home()
    return [user, home.name if home else "", host, host.partition(".")[0]]


def _is_telling(name: str) -> bool:
    return len(name) >= SHORTEST_NAME and name.lower() not in COMMON_NAMES
