"""Removes from a report, which may be mailed, what shows its origin: folders, names of user and machine."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

OWN_WORDS = frozenset({"prompt", "negative_prompt", "name", "example_name"})
"""Keys whose texts the user wrote: only known folders are removed from them."""
SHORTEST_NAME = 4
"""Letters of a user's or machine's name that is searched for, at the least: ``pi`` is a word too."""
COMMON_NAMES = frozenset({"root", "user", "admin", "ubuntu", "debian", "runner", "nobody", "localhost", "home"})
_HOMES = frozenset({"home", "Users"})

_PART = r"[^\s/\\'\"<>|:;,()]+"
_BLANKS = rf"(?:[ ](?![.~]){_PART}){{0,6}}"  # folders' names may have blanks
_MORE = rf"(?:{_BLANKS}[/\\]+{_PART})"
_ROOTED = r"(?:file:/+|~/|(?:\.\./)+|[A-Za-z]:[\\/]|\\\\)"
# a scheme is short; without the bound, each letter of a megabyte without blanks is a start that is searched to its end
_LEFT_ALONE = r"(?:(?!file:)[A-Za-z][A-Za-z0-9+.-]{1,30}://|data:)[^\s'\"<>]+"
_QUOTED = r"(?P<quote>['\"])(?P<quoted>(?:file:/|/|~/|\.\./|[A-Za-z]:[\\/]|\\\\)[^'\"\n]*)(?P=quote)"
_PLAIN = rf"(?<![\w./\\~])(?P<plain>(?:/{_PART}{_MORE}+|{_ROOTED}{_PART}{_MORE}*)[/\\]*)"
_FOUND = re.compile(f"{_LEFT_ALONE}|{_QUOTED}|{_PLAIN}")


def find_name(path: str) -> str:
    """The last part of a path of any system; empty for a root."""
    parts = [part for part in re.split(r"[/\\]+", path.removeprefix("file:")) if part]
    return "" if not parts or re.fullmatch(r"[A-Za-z]:|~|\.+", parts[-1]) else parts[-1]


class Redaction:
    """Removes paths and names from texts.

    ``folders`` are removed in addition to the home and the current folder. ``names`` replace those of user and
    machine.
    """

    def __init__(self, folders: Iterable[str | Path] = (), *, names: Iterable[str] | None = None) -> None:
        known = {str(folder).rstrip("/\\") for folder in (*folders, *_list_own_folders())}
        private = [folder for folder in known if Path(folder).is_absolute() and len(Path(folder).parts) > 1]
        self._folders = _compile_any((f"{re.escape(folder)}(?:[/\\\\]+|(?![\\w.-]))" for folder in private), r"[\w.-]")
        private_names = filter(_is_private, _list_own_names() if names is None else names)
        self._names = _compile_any((rf"{re.escape(name)}(?!\w)" for name in private_names), r"\w")

    def clean_text(self, text: str) -> str:
        """``text`` without the names, and with only the last part of each absolute path."""
        return self._names.sub("…", _FOUND.sub(_replace_path, self.clean_own_words(text)))

    def clean_own_words(self, text: str) -> str:
        """A text of the user without the known folders."""
        return self._folders.sub(lambda found: "" if found.group().endswith(("/", "\\")) else "…", text)

    def clean_row(self, row: Mapping[str, object]) -> dict[str, object]:
        """A JSON object whose texts are all cleaned."""
        return {key: self._clean_value(value, own=key in OWN_WORDS) for key, value in row.items()}

    def _clean_value(self, value: object, *, own: bool = False) -> object:
        if isinstance(value, str):
            return self.clean_own_words(value) if own else self.clean_text(value)
        if isinstance(value, Mapping):
            return self.clean_row(value)
        if isinstance(value, list | tuple):
            return [self._clean_value(item, own=own) for item in value]
        return value


class ManifestLabels:
    """Short, unique names of manifests: of two equal names in different folders the second gets a number."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}

    def find_label(self, path: str) -> str:
        """A relative path without ``..`` itself; of any other path the name."""
        if path not in self._labels:
            wanted = path if _is_inside(path) else find_name(path) or "manifest"
            used, label, number = set(self._labels.values()), wanted, 1
            while label in used:
                number += 1
                label = f"{wanted} ({number})"
            self._labels[path] = label
        return self._labels[path]


def reveals_location(start: Path, end: Path) -> bool:
    """Whether the relative path from folder ``start`` to ``end`` shows where on the machine they are.

    It does if it leads over the root or the folder of the users' homes.
    """
    try:
        common = Path(os.path.commonpath([start, end]))
    except ValueError:  # another drive of Windows
        return True
    if common == start:
        return False
    home = _find_home()
    return len(common.parts) == 1 or common.name in _HOMES or (home is not None and common in home.parents)


def _is_inside(path: str) -> bool:
    outside = Path(path).is_absolute() or re.match(r"~|[A-Za-z]:|\\|file:", path)
    return not outside and ".." not in re.split(r"[/\\]", path)


def _compile_any(patterns: Iterable[str], not_after: str) -> re.Pattern[str]:
    # the longest first, so that a folder within another is removed whole; without patterns nothing matches
    ordered = sorted(patterns, key=len, reverse=True)
    return re.compile(f"(?<!{not_after})(?:{'|'.join(ordered)})" if ordered else r"(?!)")


def _replace_path(found: re.Match[str]) -> str:
    if found["quoted"] is not None:
        return f"{found['quote']}{find_name(found['quoted']) or '…'}{found['quote']}"
    return found.group() if found["plain"] is None else find_name(found["plain"]) or "…"


def _find_home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        return None


def _list_own_folders() -> list[str]:
    home = _find_home()
    return [str(folder) for folder in (home, Path.cwd()) if folder is not None]


def _list_own_names() -> list[str]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = ""
    host = socket.gethostname()
    home = _find_home()
    return [user, home.name if home else "", host, host.partition(".")[0]]


def _is_private(name: str) -> bool:
    return len(name) >= SHORTEST_NAME and name.lower() not in COMMON_NAMES
