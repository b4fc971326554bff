"""API keys: where they come from, and how they are kept out of everything that is shown.

A key may be written bare, in quotes, as ``NAME=key``, behind ``Bearer``, or below comments. No error shows what was
written: it may be the key.
"""

from __future__ import annotations

import codecs
import math
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hmac import compare_digest, digest
from pathlib import Path

from batchveo.core.errors import UsageError, find_reason

VARIABLES = ("AIMLAPI_API_KEY", "AIMLAPI_KEY", "AIML_API_KEY")
"""Environment variables that may hold the key; the first that is set wins."""
LARGEST_FILE = 64 * 1024
"""Bytes; a longer file holds no key."""
FINGERPRINT_DIGITS = 20
"""Hex digits of a key's fingerprint: 80 bits."""
LABEL = re.compile(r"[A-Za-z0-9._-]{1,40}")
"""The form of a key's label, which the database, the reports and messages show."""

_QUOTES = (('"', '"'), ("'", "'"), ("`", "`"), ("“", "”"), ("‘", "’"))
_NAMED = re.compile(r"(?:export\s+|set\s+|\$env:)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.IGNORECASE)
_HEADER = re.compile(r"(?:authorization\s*:\s*)?bearer\s+(.*)", re.IGNORECASE)
_COMMENTS = ("#", "//", ";")


class ApiKey:
    """A secret that does not show itself: ``repr`` and ``str`` are masked."""

    __slots__ = ("_anywhere", "_value")

    def __init__(self, value: str) -> None:
        value = value.strip()
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise UsageError("the API key is empty or has characters that no key has; check where it comes from")
        self._value = value
        self._anywhere = re.compile(re.escape(value.encode()), re.IGNORECASE)

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
        """A keyed hash, cut short: it tells keys apart for those who have ``secret``, and is of no other use."""
        return digest(secret, self._value.encode(), "sha256").hex()[:FINGERPRINT_DIGITS]

    def scrub(self, text: bytes) -> bytes:
        """``text`` without the key, in upper or lower case, in case a server has put it there."""
        return self._anywhere.sub(b"***", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedKey:
    """A key with its label and the limits of its own; an only key may have no label.

    ``concurrency``: most generations in flight with it. ``rate``: most submits a minute with it.
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

    Raises ``UsageError`` if there is none and one is required, or if the file cannot be read.
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
    """The key in ``file``, in any of the forms of this module.

    Raises ``ValueError`` if the file cannot be read, ``UsageError`` if its content is no key.
    """
    return ApiKey(_find_key_in_text(read_small_text(file, most=LARGEST_FILE), VARIABLES))


def read_small_text(file: Path, *, most: int) -> str:
    """The text of ``file``, at most ``most`` bytes, by its byte order mark or else UTF-8. Raises ``ValueError``."""
    try:
        with file.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise ValueError(find_reason(error)) from None
    if len(content) > most:
        raise ValueError(f"it is longer than {f'{most >> 20} MiB' if most >> 20 else f'{most >> 10} KiB'}")
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell's ">" writes
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None


def strip_key(text: str) -> str:
    """The key in ``text``, one line, without what is often written around it."""
    text = text.strip()
    if match := _NAMED.fullmatch(text):
        text = _strip_quotes(match[2])
    text = _strip_quotes(text)
    if match := _HEADER.fullmatch(text):
        text = _strip_quotes(match[1])
    return text


def _find_key_in_text(text: str, names: Collection[str]) -> str:
    """The only key in ``text``; of several lines that of the first of ``names`` that has a value."""
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


def _strip_quotes(text: str) -> str:
    text = text.strip()
    for left, right in _QUOTES:
        if len(text) >= 2 and text.startswith(left) and text.endswith(right):
            return text[1:-1].strip()
    return text
