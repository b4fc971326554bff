"""The destination of finished videos: a folder, or a prefix in a bucket; and the place of their sidecars."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from batchveo.core.errors import UsageError
from batchveo.core.hints import find_closest

BUCKET_SCHEMES = {"s3": "s3", "gs": "gs", "az": "az", "azure": "az"}
"""The kinds of buckets, by the schemes of their URLs."""
LONGEST_PREFIX = 512
"""Bytes of UTF-8; buckets allow keys of 1,024 bytes, with the file name."""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)  # two letters at least: C:\x is a path
_SLIP = re.compile(
    r"(?:s3|gs|gcs|az|azure|file|https?)\s*[:;]"  # s3:/bucket, s3:bucket, s3;//bucket, file:videos
    r"|(?:s3|gs|az|azure|file)//"  # s3//bucket
    r"|[a-z][a-z0-9+.-]+:/",  # minio:/bucket
    re.IGNORECASE,
)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,221}")
_DRIVE = re.compile(r"/[A-Za-z]:/")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]")


class BucketUrl(str):
    """A checked URL of a bucket or of a prefix in it: ``s3://bucket/prefix``, without a slash at its end.

    The prefix is not decoded: ``%41`` does not mean ``A``.
    """

    __slots__ = ()

    @property
    def scheme(self) -> str:
        """``s3``, ``gs`` or ``az``."""
        return self.partition("://")[0]

    @property
    def bucket(self) -> str:
        """The name of the bucket, or of the container."""
        return self.partition("://")[2].partition("/")[0]

    @property
    def prefix(self) -> str:
        """The beginning of all keys, without the slash after it; empty for the bucket itself."""
        return self.partition("://")[2].partition("/")[2]


Destination = Path | BucketUrl


def parse_destination(value: str | os.PathLike[str]) -> Destination:
    """The destination that ``value`` names; a ``file://`` URL is its folder.

    Raises ``UsageError`` for a URL that is no destination, or that contains a secret: the database, the sidecars and
    the reports show the destination.
    """
    if isinstance(value, BucketUrl):
        return value
    text = os.fspath(value)
    match = _URL.fullmatch(text)
    if match is None:
        if _SLIP.match(text):  # also what a Path makes of a URL
            hint = "s3://bucket/prefix, as text, file:///folder, or ./ before the name of a folder"
            raise UsageError(f"{text!r} is neither a folder nor a URL: write {hint}")
        return expand_home(value)
    scheme = match[1].lower()
    if scheme == "file":
        return _parse_file_url(text)
    if scheme not in BUCKET_SCHEMES:
        near = find_closest(scheme, BUCKET_SCHEMES, most=1, cutoff=0.5)  # so short a word has half of it right
        meant = f"did you mean {near[0]}://?" if near else "s3://, gs://, az:// or a folder"
        raise UsageError(f"videos cannot go to {scheme}:// ({meant})")
    return _parse_bucket(BUCKET_SCHEMES[scheme], match[2])


def parse_bucket(option: str, value: str | os.PathLike[str]) -> BucketUrl:
    """The bucket that the value of ``option`` names; raises ``UsageError``, also for a folder."""
    found = parse_destination(value)
    if not isinstance(found, BucketUrl):
        raise UsageError(f"{option} {os.fspath(value)!r} is no bucket: write s3://, gs:// or az://bucket/prefix")
    return found


def expand_home(path: str | os.PathLike[str]) -> Path:
    """``path`` with its ``~`` replaced by the home folder; shells do that in few places, config files never.

    Raises ``UsageError`` if there is no such home folder, so that no folder named ``~`` is made by mistake; ``./~``
    names one.
    """
    text = os.fspath(path)
    if not text.startswith("~"):
        return Path(path)
    expanded = os.path.expanduser(text)  # noqa: PTH111 - Path's raises if there is no home
    if expanded.startswith("~"):
        user = Path(text).parts[0]
        raise UsageError(f"{text!r}: there is no home folder {user}; ./{user} names a folder of that name")
    return Path(expanded)


def require_cloud() -> None:
    """Raise ``UsageError`` unless the extra for buckets is installed."""
    if find_spec("obstore") is None:
        raise UsageError("buckets need an extra: pip install 'batchveo[cloud]'")


def _parse_bucket(scheme: str, rest: str) -> BucketUrl:
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket or "?" in rest or "#" in rest:  # the text itself is not repeated
        raise UsageError(
            "the URL of a bucket holds no key, no query and no '?', '#' or 'user@': credentials come from the "
            "environment (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME, ...)"
        )
    if bucket and not _BUCKET.fullmatch(bucket):  # the text is not repeated here either
        hint = "; an endpoint is named by AWS_ENDPOINT_URL" if ":" in bucket else ""
        raise UsageError(
            f"what follows {scheme}:// is no name of a bucket: 3 or more characters of A-Z a-z 0-9 . _ -{hint}"
        )
    if not bucket:
        raise UsageError(f"{scheme}:// needs the name of a bucket: {scheme}://bucket/prefix")
    parts = prefix.rstrip("/").split("/") if prefix.rstrip("/") else []
    if not {"", ".", ".."}.isdisjoint(parts) or _CONTROL.search(prefix):
        raise UsageError(f"{prefix!r} is no prefix: no empty part, no '.', no '..', no control characters")
    if len(prefix.encode()) > LONGEST_PREFIX:
        raise UsageError(f"the prefix is longer than {LONGEST_PREFIX} bytes")
    return BucketUrl("/".join([f"{scheme}://{bucket}", *parts]))


def _parse_file_url(text: str) -> Path:
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not parts.path.strip("/"):
        raise UsageError(f"{text!r} names no folder of this machine: file:///folder")
    path = unquote(parts.path)
    return Path(path.lstrip("/") if _DRIVE.match(path) else path)


VIDEO_SUFFIX = ".mp4"
SIDECAR_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Sidecars:
    """The place of the sidecars: ``folder`` for all of them, or ``None`` for each beside its video.

    ``written``: whether there are any. Only for videos in folders.
    """

    folder: Path | None = None
    written: bool = True

    @classmethod
    def named(cls, text: str | None) -> Sidecars:
        """Parse ``--sidecars``: a folder, ``none``, ``beside``, or nothing.

        ``str()`` of the result can be parsed again, and means the same in every working folder.
        """
        if text in (None, "", "beside"):
            return BESIDE
        return NONE if text == "none" else cls(folder=Path(str(text)).expanduser().absolute())

    def __str__(self) -> str:
        if not self.written:
            return "none"
        return "beside" if self.folder is None else str(self.folder)

    def of(self, folder: Path, file: str) -> Path | None:
        """The path of the sidecar of the video ``file`` in ``folder``; ``None`` if none is written."""
        if not self.written:
            return None
        return (folder if self.folder is None else self.folder) / (file.removesuffix(VIDEO_SUFFIX) + SIDECAR_SUFFIX)


BESIDE = Sidecars()
NONE = Sidecars(written=False)
