"""What a terminal takes, by its environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from batchveo.display.terminal_features import find_features, make_file_url, write_link

XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environ", "links"),
    [
        (XTERM, False),
        ({**XTERM, "VTE_VERSION": "7600"}, True),
        ({**XTERM, "VTE_VERSION": "5000"}, False),
        ({**XTERM, "VTE_VERSION": "7600", "CI": "true"}, False),
        ({**XTERM, "VTE_VERSION": "7600", "NO_COLOR": "1"}, True),
        ({**XTERM, "VTE_VERSION": "7600", "FORCE_HYPERLINK": "0"}, False),
        ({**XTERM, "FORCE_HYPERLINK": "1"}, True),
        ({**XTERM, "WT_SESSION": "x"}, True),
        ({**XTERM, "TERM_PROGRAM": "vscode", "TERM_PROGRAM_VERSION": "1.71.0"}, False),
        ({**XTERM, "TERM_PROGRAM": "vscode", "TERM_PROGRAM_VERSION": "1.98.2"}, True),
        ({**XTERM, "TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.5.0"}, True),
        ({**XTERM, "TERM_PROGRAM": "Apple_Terminal", "TERM_PROGRAM_VERSION": "455"}, False),
        ({"TERM": "tmux-256color", "TMUX": "x", "TERM_PROGRAM": "tmux", "TERM_PROGRAM_VERSION": "3.3a"}, False),
        ({"TERM": "tmux-256color", "TMUX": "x", "TERM_PROGRAM": "tmux", "TERM_PROGRAM_VERSION": "3.5a"}, True),
        ({"TERM": "screen", "STY": "x", "VTE_VERSION": "7600"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "alacritty"}, True),
        ({"TERM": "linux"}, False),
    ],
)
def test_links_only_if_the_terminal_takes_them(environ: dict[str, str], links: bool) -> None:
    """NO_COLOR is about colours only."""
    assert find_features(environ).links is links


@pytest.mark.parametrize(
    ("environ", "title", "progress"),
    [
        (XTERM, True, False),
        ({"TERM": "linux"}, False, False),
        ({"TERM": "vt100"}, False, False),
        ({**XTERM, "WT_SESSION": "x"}, True, True),
        ({**XTERM, "ConEmuANSI": "ON"}, True, True),
        ({**XTERM, "TERM_PROGRAM": "ghostty"}, True, True),
        ({**XTERM, "TERM_PROGRAM": "ghostty", "TMUX": "x"}, True, False),
        ({**XTERM, "VTE_VERSION": "8001"}, True, True),
        ({**XTERM, "VTE_VERSION": "7600"}, True, False),
        ({**XTERM, "TERM_PROGRAM": "iTerm.app"}, True, False),
    ],
)
def test_title_and_progress(environ: dict[str, str], title: bool, progress: bool) -> None:
    """Elsewhere the sequence of a progress would pop up as a message."""
    found = find_features(environ)
    assert (found.title, found.progress) == (title, progress)


@pytest.mark.skipif(sys.platform == "win32", reason="names with control characters")
def test_a_link_holds_no_control_characters() -> None:
    """A hostile file name cannot end the link and write on the terminal."""
    url = make_file_url(Path("/v/a\x1b\\\x07 b\n狐.mp4"))
    assert url.startswith("file://")
    assert url.endswith("/v/a%1B%5C%07%20b%0A%E7%8B%90.mp4")
    assert write_link("a", url) == f"\x1b]8;;{url}\x1b\\a\x1b]8;;\x1b\\"
