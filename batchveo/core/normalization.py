"""Requests in the form by which they are compared: texts in NFC, without blanks and invisible marks at their ends.

What is sent stays as it was written; two requests of one normal form ask for the same video.
"""

from __future__ import annotations

import json
import re
import unicodedata
from hashlib import sha256

from batchveo.core.job_row import canonical_json

MARKS = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
"""Characters without a width that stick to the ends of what is copied from elsewhere."""

ENDS = "".join(char for char in map(chr, range(0x3001)) if char.isspace()) + MARKS
"""All that makes no difference at the ends of a text."""

_KEY_BYTES = 10
_MAY_DIFFER = re.compile(rf'"[{ENDS}]|[{ENDS}]"|\\')


def normal_text(text: str) -> str:
    """The text in NFC, without blanks and marks at its ends."""
    return unicodedata.normalize("NFC", text).strip(ENDS)


def normal_request(request: str) -> str:
    """The normal form of a request in canonical JSON, as canonical JSON; most requests are their own."""
    if _is_surely_normal(request):
        return request
    if "\\" not in request:
        return _by_quotes(request)
    value = json.loads(request)
    normal = _normal(value)
    return request if normal == value else canonical_json(normal)


def normal_key(request: str, repeat_index: int) -> str:
    """What two jobs have in common that ask for the same video; ``request`` is canonical JSON."""
    return sha256(f"{repeat_index} {normal_request(request)}".encode()).digest()[:_KEY_BYTES].hex()


def _is_surely_normal(request: str) -> bool:
    """A look at the characters, which decides for nearly all requests: only the others are taken apart."""
    if request.isascii():  # other blanks than a space stand in JSON as escapes
        return '" ' not in request and ' "' not in request and "\\" not in request
    return not _MAY_DIFFER.search(request) and unicodedata.is_normalized("NFC", request)


def _by_quotes(request: str) -> str:
    """The normal form of JSON without an escape: between two quotes stands a text, before a colon a key."""
    parts = request.split('"')
    for place in range(1, len(parts), 2):
        if not parts[place + 1].startswith(":"):
            parts[place] = normal_text(parts[place])
    return '"'.join(parts)


def _normal(value: object) -> object:
    if isinstance(value, str):
        return normal_text(value)
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    return value
