"""Local images and videos that a request carries along."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from batchveo.core.models import InputFile
from batchveo.manifest.problems import Fault, shown
from batchveo.provider.catalog import MODELS

_MIB = 1024 * 1024
SIZE_LIMITS = {"image": 20 * _MIB, "video": 100 * _MIB}
"""The largest input file in bytes, by its major media type."""

_FORMATS = {"image": "PNG, JPEG or WebP", "video": "MP4, QuickTime or WebM"}
_REMEMBERED = 4096


class LocalFiles:
    """Reads each input file once, however many jobs name it (the last few thousand are remembered)."""

    def __init__(self) -> None:
        self._looked_at = lru_cache(maxsize=_REMEMBERED)(_inspect_file)

    def read_input(self, value: str, folder: Path, major: str) -> InputFile:
        """The file that a path or ``file:`` URL names, relative to ``folder``.

        ``major`` is ``image`` or ``video``. Raises ``Fault`` for a file that is missing, too large, or not
        in a format the service takes.
        """
        found = self._looked_at(folder / _read_path(value), major)
        if isinstance(found, Fault):
            raise found
        return found


def models_taking_files(field: str) -> list[str]:
    """The models whose page documents a data URI in this field, so that a local file can be sent."""
    return [name for name, model in MODELS.items() if field in model.params and model.params[field].data_uri]


def media_type(start: bytes) -> str | None:
    """The media type that the first bytes of a file tell; ``None`` for one we do not know."""
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    if start[4:8] == b"ftyp":
        return "video/quicktime" if start[8:12] == b"qt  " else "video/mp4"
    return "video/webm" if start.startswith(b"\x1a\x45\xdf\xa3") else None


def _read_path(value: str) -> str:
    if not value.lower().startswith("file:"):
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        raise Fault(f"{shown(value)} is not a file URL", "file:///path, or a plain path") from None
    if parts.netloc not in {"", "localhost"}:
        raise Fault(f"{shown(value)} names a file on another host", "file:///path, or a plain path")
    return unquote(parts.path)


def _inspect_file(path: Path, major: str) -> InputFile | Fault:
    try:
        return _read_file(path, major)
    except Fault as fault:
        return fault
    except (OSError, ValueError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        return Fault(f"the file {path} {reason}", "paths are relative to the manifest's folder")


def _read_file(path: Path, major: str) -> InputFile:
    limit = SIZE_LIMITS[major]
    if path.exists() and not path.is_file():
        raise Fault(f"{path} is not a file")
    with path.open("rb") as stream:
        if path.stat().st_size > limit:
            raise Fault(f"the file {path} is larger than {limit // _MIB} MiB", "make it smaller")
        found = media_type(stream.read(16))
        if found is None or not found.startswith(major):
            raise Fault(f"the file {path} is not {_FORMATS[major]}", "convert it")
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return InputFile(sha256=digest, media_type=found, path=str(path))
