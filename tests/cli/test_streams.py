"""What standard output is made ready for."""

from __future__ import annotations

import io
import sys

import pytest

from batchveo import cli


def test_pipes_take_every_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTF-8 on Windows, whatever its code page; elsewhere what the terminal lacks is written out."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="cp1252")
    monkeypatch.setattr(sys, "platform", "win32")
    cli._take_every_script(out)
    out.write("狐狸 🦊")
    out.flush()
    assert raw.getvalue().decode() == "狐狸 🦊"
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "platform", "linux")
    cli._take_every_script(out)
    out.write("狐")
    out.flush()
    assert raw.getvalue() == b"\\u72d0"
    cli._take_every_script(io.StringIO())
