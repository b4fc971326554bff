"""What makes a job the same job when its manifest is read again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

ID_BYTES = 10
"""An id is the beginning of a SHA-256, written as twice as many hex digits."""

_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, check_circular=False
).encode


class Identities:
    """Gives out the ids of one manifest file, and tells equal requests in it apart by counting them.

    Keeps eight bytes of a hash for each job. Should two of a million differ and agree in those, one of them
    is counted as a repeat: its id is as unique and as stable as any.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._repeats: dict[int, int] = {}

    def next(self, request: Mapping[str, object], index: int, given: str | None) -> tuple[str, str]:
        """The id of the next job, and the id of the first one that asked word for word for the same."""
        identity: dict[str, object] = {"index": index, "request": request}
        if given is not None:
            identity["id"] = given
        first = _digest(identity)
        key = int.from_bytes(first[:8], "big") >> 4  # sixty bits: a machine word less than sixty-four take
        if key not in self._seen:
            self._seen.add(key)
            own = first.hex()
            return own, own
        self._repeats[key] = identity["occurrence"] = self._repeats.get(key, 0) + 1
        return _digest(identity).hex(), first.hex()


def _digest(identity: dict[str, object]) -> bytes:
    return hashlib.sha256(_canonical(identity).encode()).digest()[:ID_BYTES]
