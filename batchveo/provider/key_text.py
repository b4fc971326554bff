"""How an API key may be written down: bare, in quotes, as ``NAME=key``, behind ``Bearer``, below comments.

No error here ever shows what was written: it may be the key.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection

_QUOTES = (('"', '"'), ("'", "'"), ("`", "`"), ("“", "”"), ("‘", "’"))
_NAMED = re.compile(r"(?:export\s+|set\s+|\$env:)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.IGNORECASE)
_HEADER = re.compile(r"(?:authorization\s*:\s*)?bearer\s+(.*)", re.IGNORECASE)
_COMMENTS = ("#", "//", ";")


def decode_text(content: bytes) -> str:
    """The text of a file by its byte order mark, else UTF-8; PowerShell's ``>`` writes UTF-16.

    Raises ``ValueError``.
    """
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None


def find_key_in_text(text: str, names: Collection[str]) -> str:
    """The one key that ``text`` holds; of several lines that of the first of ``names`` that is given a value.

    Raises ``ValueError`` with what would be right.
    """
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    lines = [line for line in lines if line and not line.startswith(_COMMENTS)]
    if len(lines) == 1:
        return strip_key(lines[0])
    if not lines:
        raise ValueError("it holds no key")
    found = [(match[1].upper(), match[2]) for line in lines if (match := _NAMED.fullmatch(line))]
    for name in names:
        values = [value for given, value in found if given == name]
        if values:
            return strip_key(values[-1])
    raise ValueError(f"it holds {len(lines)} lines; write the key alone, or {next(iter(names))}=the key")


def strip_key(text: str) -> str:
    """The key in ``text``, one line, without what is often written around it."""
    text = text.strip()
    if match := _NAMED.fullmatch(text):
        text = _unquoted(match[2])
    text = _unquoted(text)
    if match := _HEADER.fullmatch(text):
        text = _unquoted(match[1])
    return text


def _unquoted(text: str) -> str:
    text = text.strip()
    for left, right in _QUOTES:
        if len(text) >= 2 and text.startswith(left) and text.endswith(right):
            return text[1:-1].strip()
    return text
