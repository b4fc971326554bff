"""API keys: where they come from, and how they are kept out of everything that is shown."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest, digest
from pathlib import Path

from batchveo.core.errors import UsageError
from batchveo.provider.key_text import decode_text, find_key_in_text, strip_key

VARIABLES = ("AIMLAPI_API_KEY", "AIMLAPI_KEY", "AIML_API_KEY")
"""Environment variables that may hold the key; the first that is set wins."""
LARGEST_FILE = 64 * 1024
"""Bytes; what is longer holds no key."""
FINGERPRINT_DIGITS = 20
"""Hex digits of a key's fingerprint: 80 bits."""
LABEL = re.compile(r"[A-Za-z0-9._-]{1,40}")
"""What a key may be called: the state, the reports and messages show it."""


class ApiKey:
    """A secret that does not show itself: ``repr`` and ``str`` are masked."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        value = value.strip()
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise UsageError("the API key is empty or has characters that no key has; check where it comes from")
        self._value = value

    def __repr__(self) -> str:
        return "ApiKey(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    @property
    def header(self) -> str:
        """The value of the Authorization header; for requests to the service only."""
        return f"Bearer {self._value}"

    def fingerprint(self, secret: bytes) -> str:
        """What tells this key from others to whoever has ``secret``: a keyed hash, cut short, of no other use."""
        return digest(secret, self._value.encode(), "sha256").hex()[:FINGERPRINT_DIGITS]

    def scrub(self, text: bytes) -> bytes:
        """``text`` without the key in any case of letters, should a server have put it there."""
        return re.sub(re.escape(self._value.encode()), b"***", text, flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedKey:
    """One of several keys, by its label, with the limits of its own; the only one may have no label.

    ``concurrency``: generations in flight with it, at most. ``rate``: submits a minute with it, at most.
    """

    name: str
    key: ApiKey
    concurrency: int | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.name and not LABEL.fullmatch(self.name):
            raise UsageError("the label of a key is 1 to 40 characters of A-Z a-z 0-9 . _ -")
        if self.name and ApiKey(self.name) == self.key:
            raise UsageError("the label of a key is shown to everyone, and this one is the key itself")
        if self.concurrency is not None and self.concurrency < 1:
            raise UsageError(f"key {self.name!r}: a concurrency is 1 or more")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise UsageError(f"key {self.name!r}: a rate is more than 0 a minute")


def find_key(
    key_file: Path | None = None, environment: Mapping[str, str] = os.environ, *, required: bool = True
) -> ApiKey | None:
    """The key from ``key_file``, or else from the environment.

    Raises ``UsageError`` where there is none and one is required, or the file cannot be read.
    """
    if key_file is not None:
        try:
            return read_key_file(key_file)
        except ValueError as error:
            raise UsageError(f"the API key file {key_file} cannot be read: {error}") from None
        except UsageError as error:
            raise UsageError(f"the API key file {key_file}: {error}") from None
    for variable in VARIABLES:
        if environment.get(variable, "").strip():
            return ApiKey(strip_key(environment[variable]))
    if required:
        raise UsageError(
            f"no API key: set {VARIABLES[0]}, or name a file with --api-key-file; "
            "--sandbox tries everything without one"
        )
    return None


def read_key_file(file: Path) -> ApiKey:
    """The key that a file holds, however it is written there.

    Raises ``ValueError`` where the file cannot be read, ``UsageError`` where what it holds is no key.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(error.strerror) from None
    if len(content) > LARGEST_FILE:
        raise ValueError(f"it is longer than {LARGEST_FILE >> 10} KiB")
    return ApiKey(find_key_in_text(decode_text(content), VARIABLES))
