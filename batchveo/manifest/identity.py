"""What makes a job the same job when its manifest is read again."""

from __future__ import annotations

import json
import re
from hashlib import sha256

ID_BYTES = 10
"""An id is the beginning of a SHA-256, written as twice as many hex digits."""

_NOT_ASCII = re.compile(r"[^ -~]+")


class Identities:
    """Gives out the ids of one manifest file, and tells equal requests in it apart by counting them.

    Keeps eight bytes of a hash for each job. Should two of a million differ and agree in those, one of them
    is counted as a repeat: its id is as unique and as stable as any.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._repeats: dict[int, int] = {}

    def next(self, request: str, index: int, given: str | None) -> tuple[str, str]:
        """The id of the next job, and the id of the first one that asked word for word for the same.

        ``request`` is canonical JSON. The hash is taken of a JSON object in ASCII, its keys sorted too.
        """
        own_id = "" if given is None else f'"id":{json.dumps(given)},'
        before, after = f'{{{own_id}"index":{index},', f'"request":{_in_ascii(request)}}}'
        first = _digest(before + after)
        key = int.from_bytes(first[:8], "big") >> 4  # sixty bits: a machine word less than sixty-four take
        if key not in self._seen:
            self._seen.add(key)
            own = first.hex()
            return own, own
        self._repeats[key] = occurrence = self._repeats.get(key, 0) + 1
        return _digest(f'{before}"occurrence":{occurrence},{after}').hex(), first.hex()


def _digest(identity: str) -> bytes:
    return sha256(identity.encode()).digest()[:ID_BYTES]


def _in_ascii(text: str) -> str:
    """JSON with escapes for whatever is not printable ASCII, which in JSON stands only inside of strings."""
    return text if text.isascii() and "\x7f" not in text else _NOT_ASCII.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]
