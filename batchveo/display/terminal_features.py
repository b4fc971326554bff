"""What a terminal can do beyond text: links, its title, the progress in the taskbar; by its environment, without I/O.

No terminal answers such a question reliably, so what it says of itself in its variables has to do. Links follow the
rules of the npm package ``supports-hyperlinks``, with tmux; progress those of cargo, with VTE and mintty.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LINKING_TERMS = ("alacritty", "xterm-kitty", "xterm-ghostty", "foot", "wezterm", "contour")
LINKING_PROGRAMS = {
    "iTerm.app": (3, 1),
    "WezTerm": (20200620,),
    "vscode": (1, 72),
    "ghostty": (),
    "zed": (),
    "tmux": (3, 4),
}
"""Terminals by ``TERM_PROGRAM``, each with its first version that takes links."""
PROGRESS_PROGRAMS = ("WezTerm", "ghostty", "mintty")
WORDLESS_TERMS = ("linux", "vt", "ansi", "cons")
"""Terminals without a title: consoles, by the beginning of their names."""
LINK_END = "\x1b\\"


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a terminal takes: ``links`` (OSC 8), a ``title`` (OSC 2), ``progress`` in the taskbar (OSC 9;4)."""

    links: bool = False
    title: bool = False
    progress: bool = False


def find_features(environ: Mapping[str, str]) -> Features:
    """The features of the terminal that ``environ`` describes; whether there is one is the caller's to find out."""
    term = environ.get("TERM", "")
    return Features(
        links=accepts_links(environ),
        title=bool(term or sys.platform == "win32") and not term.startswith(WORDLESS_TERMS),
        progress=_accepts_progress(environ),
    )


def accepts_links(environ: Mapping[str, str]) -> bool:
    """Whether to make links of file names, as ``FORCE_HYPERLINK`` says or the terminal is known to take them."""
    forced = environ.get("FORCE_HYPERLINK")
    if forced:
        return forced not in ("0", "false")
    if environ.get("CI") or environ.get("TEAMCITY_VERSION"):
        return False
    if environ.get("WT_SESSION") or environ.get("KONSOLE_VERSION"):
        return True
    first = LINKING_PROGRAMS.get(environ.get("TERM_PROGRAM", ""))
    if first is not None:
        return _read_version(environ.get("TERM_PROGRAM_VERSION", "")) >= first
    if environ.get("TMUX") or environ.get("STY"):  # they stand between: the variables below are of the one outside
        return False
    # 0.50.0 crashes at a link
    return _read_vte(environ) > 5000 or environ.get("TERM", "").startswith(LINKING_TERMS)


def _accepts_progress(environ: Mapping[str, str]) -> bool:
    # other terminals show the sequence as a message to the user
    if environ.get("TMUX") or environ.get("STY"):
        return False
    known = bool(environ.get("WT_SESSION")) or environ.get("ConEmuANSI") == "ON"
    return known or environ.get("TERM_PROGRAM") in PROGRESS_PROGRAMS or _read_vte(environ) >= 8000


def _read_vte(environ: Mapping[str, str]) -> int:
    """The version of VTE, as 5002 for 0.50.2; 0 for another terminal."""
    version = environ.get("VTE_VERSION", "")
    return int(version) if version.isascii() and version.isdigit() else 0


def _read_version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", text)[:3])


def make_file_url(path: Path) -> str:
    """The URL of a file on this machine; its control characters are escaped, as are all that no URL has."""
    url = path.absolute().as_uri()
    # over ssh, the terminal knows by the host that the file is not on its own machine
    return url if sys.platform == "win32" else f"file://{socket.gethostname()}{url.removeprefix('file://')}"


def write_link(text: str, url: str) -> str:
    """``text`` as a link to ``url``, for terminals that take links."""
    return f"\x1b]8;;{url}{LINK_END}{text}\x1b]8;;{LINK_END}"


SAVE_TITLE = "\x1b[22;2t"
CLEAR_PROGRESS = "\x1b]9;4;0;0\x07"
RESTORE_TITLE = "\x1b]2;\x07\x1b[23;2t"
"""An empty title for terminals that saved none, then the one that was saved."""
RUNNING, PAUSED = 1, 4
"""States of the progress in a taskbar."""


def write_title(title: str) -> str:
    """The sequence that sets the title."""
    return f"\x1b]2;{title}\x07"


def write_progress(percent: int, *, state: int = RUNNING) -> str:
    """The sequence that sets the progress in the taskbar."""
    return f"\x1b]9;4;{state};{percent}\x07"
