"""What makes a job the same job when its manifest is read again."""

from __future__ import annotations

import json
import re
from hashlib import sha256

from batchveo.core.job_row import normal_request

ID_BYTES = 10
"""An id is the beginning of a SHA-256, written as twice as many hex digits."""

_NOT_ASCII = re.compile(r"[^ -~]+")


class Identities:
    """Gives out the ids of one reading, and tells equal requests in it apart by counting them.

    Keeps eight bytes of a hash for each job. Should two of a million differ and agree in those, one of them
    is counted as a repeat: its id is as unique and as stable as any.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._repeats: dict[int, int] = {}

    def assign_id(self, request: str, index: int, given: str | None) -> tuple[str, str]:
        """The id of the next job, and the id of the first one that asked for the same.

        ``request`` is canonical JSON, and counts in its normal form. The hash is taken of a JSON object in ASCII,
        its keys sorted too.
        """
        own_id, request = _id_parts(request, given)
        first = _hash_first(own_id, index, request)
        key = int.from_bytes(first[:8], "big") >> 4  # sixty bits: a machine word less than sixty-four take
        if key not in self._seen:
            self._seen.add(key)
            own = first.hex()
            return own, own
        self._repeats[key] = occurrence = self._repeats.get(key, 0) + 1
        again = f'{{{own_id}"index":{index},"occurrence":{occurrence},"request":{request}}}'
        return _hash_text(again).hex(), first.hex()


def first_id(request: str, index: int, given: str | None) -> str:
    """The id of the first job that asks for this."""
    own_id, request = _id_parts(request, given)
    return _hash_first(own_id, index, request).hex()


def _id_parts(request: str, given: str | None) -> tuple[str, str]:
    request = normal_request(request)
    if not request.isascii() or "\x7f" in request:
        request = _NOT_ASCII.sub(_escape_match, request)
    return "" if given is None else f'"id":{json.dumps(given)},', request


def _hash_first(own_id: str, index: int, request: str) -> bytes:
    return _hash_text(f'{{{own_id}"index":{index},"request":{request}}}')


def _hash_text(identity: str) -> bytes:
    return sha256(identity.encode()).digest()[:ID_BYTES]


def _escape_match(match: re.Match[str]) -> str:
    """What is no printable ASCII stands in JSON only inside of strings, and there as escapes."""
    return json.dumps(match[0])[1:-1]
