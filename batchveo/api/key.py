"""The API key: where it comes from, and how it is kept out of everything that is shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from batchveo.errors import UsageError

VARIABLES = ("AIMLAPI_API_KEY", "AIMLAPI_KEY", "AIML_API_KEY")
"""Environment variables that may hold the key; the first that is set wins."""


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

    @property
    def header(self) -> str:
        """The value of the Authorization header; for requests to the service only."""
        return f"Bearer {self._value}"

    def scrub(self, text: bytes) -> bytes:
        """``text`` without the key in any case of letters, should a server have put it there."""
        return re.sub(re.escape(self._value.encode()), b"***", text, flags=re.IGNORECASE)


def find_key(
    key_file: Path | None = None, environment: Mapping[str, str] = os.environ, *, required: bool = True
) -> ApiKey | None:
    """The key from ``key_file``, or else from the environment.

    Raises ``UsageError`` where there is none and one is required, or the file cannot be read.
    """
    if key_file is not None:
        try:
            return ApiKey(key_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError(f"the API key file {key_file} cannot be read: {reason}") from None
    for variable in VARIABLES:
        if environment.get(variable, "").strip():
            return ApiKey(environment[variable])
    if required:
        raise UsageError(
            f"no API key: set {VARIABLES[0]}, or name a file with --api-key-file; "
            "--sandbox tries everything without one"
        )
    return None
