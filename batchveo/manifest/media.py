"""What a request names as an image, a video or a sound: a web address, a data URI, or a local file."""

from __future__ import annotations

import binascii
import hashlib
import ipaddress
import re
import unicodedata
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from batchveo.core.models import InputFile
from batchveo.manifest.problems import Fault, shown, shown_bare

PRIVATE_TOPS = frozenset(
    ("local", "localhost", "localdomain", "internal", "lan", "home", "intranet", "corp", "private", "invalid", "arpa")
)
"""Last labels of host names that mean something in one network only (RFC 2606, RFC 6762, and usage)."""

_PUT_IT = "the service fetches it over the internet: put the file where anybody can"
_NUMBER = r"(?:0[xX][0-9a-fA-F]*|[0-9]+)"
_NUMERIC = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,3}}")
_MIB = 1024 * 1024
SIZE_LIMITS = {"image": 20 * _MIB, "video": 100 * _MIB, "audio": 20 * _MIB, "file": 100 * _MIB}
"""The largest input file in bytes, by its major media type."""

_FORMATS = {
    "image": "PNG, JPEG or WebP",
    "video": "MP4, QuickTime or WebM",
    "audio": "MP3, WAV, FLAC, Ogg or M4A",
    "file": "an image, a video or a sound",
}
_MARKS = {
    b"\x1a\x45\xdf\xa3": "video/webm",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"\xff\xf3": "audio/mpeg",
    b"\xff\xf2": "audio/mpeg",
    b"fLaC": "audio/flac",
    b"OggS": "audio/ogg",
}
MODELS_NAMED = 8
_REMEMBERED = 4096
# most addresses: a name with letters at its end, which cannot be a number; all others are looked at closely
_PLAIN_HTTPS = re.compile(
    r"https://(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+(?P<top>[A-Za-z]{2,63})(?::[0-9]{1,4})?(?:[/?#][!-~]*)?"
)
_SECOND = re.compile(r"[,;|\s]\s*(?:https?://|data:[a-z]+/)", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C: is a drive
_DATA = re.compile(r"data:(?P<major>[a-z]+)/[a-z0-9.+-]+;base64,(?P<payload>.+)", re.IGNORECASE | re.DOTALL)
_SPACE_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f]")


def check_host(host: str) -> None:
    """Raise ``Fault`` for a host that is this machine, in a private or reserved network, or no host at all."""
    name = unicodedata.normalize("NFKC", host).rstrip(".").lower()
    labels = name.split(".")
    if not name or "" in labels:
        raise Fault(f"{shown(host)} is not a host", "https://host/path")
    address = _parse_address(name)
    if address is not None:
        _check_address(host, address)
    elif labels[-1] == "localhost":
        raise Fault(f"{shown(host)} is this machine", _PUT_IT)
    elif len(labels) == 1 or labels[-1] in PRIVATE_TOPS:
        raise Fault(f"{shown(host)} is a name of a private network", _PUT_IT)


def _check_address(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    # an IPv6 address may wrap a private one of IPv4
    inner = address.ipv4_mapped or address.sixtofour if isinstance(address, ipaddress.IPv6Address) else None
    address = inner or address
    if address.is_loopback or address.is_unspecified:
        raise Fault(f"{shown(host)} is this machine", _PUT_IT)
    if address.is_multicast or not address.is_global:
        raise Fault(f"{shown(host)} is in a private or reserved network", _PUT_IT)


def _parse_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, also in the old forms that browsers take; ``None`` for a name."""
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        pass
    if not _NUMERIC.fullmatch(name):
        return None
    try:
        return ipaddress.IPv4Address(_parse_old_form(name))
    except ValueError:
        raise Fault(f"{shown(name)} is not a host", "https://host/path") from None


def _parse_old_form(name: str) -> int:
    """127.1, 0x7f.1, 0177.0.0.1 or 2130706433 as a number: the last part fills what is left of the four bytes."""
    *bytes_, last = (_parse_number(part) for part in name.split("."))
    rest = 4 - len(bytes_)
    if any(byte > 255 for byte in bytes_) or last >= 256**rest:
        raise ValueError(name)
    return sum(byte << 8 * (3 - place) for place, byte in enumerate(bytes_)) + last


def _parse_number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") and part != "0" else 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputWays:
    """How inputs of this machine can get to the service.

    ``by_url``: through the user's bucket, also for parameters that take only addresses. ``frames``: frames of videos
    can be taken, since PyAV is installed.
    """

    by_url: bool = False
    frames: bool = True


NO_BUCKET = InputWays()
ALL_WAYS = InputWays(by_url=True)


class LocalFiles:
    """Reads each input file once, however many jobs name it (the last few thousand are remembered).

    ``ways``: how the files can get to the service.
    """

    def __init__(self, ways: InputWays = InputWays()) -> None:
        self.ways = ways
        self._looked_at = lru_cache(maxsize=_REMEMBERED)(_inspect_file)

    def read_input(self, value: str, folder: Path, major: str) -> InputFile:
        """The file that a path or ``file:`` URL names, relative to ``folder``.

        ``major`` is ``image``, ``video`` or ``audio``, or ``file`` for any of these. Raises ``Fault`` for a file that
        is missing, too large, or not in a format the service takes.
        """
        found = self._looked_at(folder / _read_path(value), major)
        if isinstance(found, Fault):
            raise found
        return found


def list_models(names: Sequence[str], near: str) -> str:
    """The names that begin most like ``near``, and how many more there are."""
    nearest = find_nearest(names, near)
    more = len(names) - MODELS_NAMED
    return ", ".join(nearest[:MODELS_NAMED]) + (f" and {more} more" if more > 0 else "")


def find_nearest(names: Sequence[str], near: str) -> list[str]:
    """The names, with those first that begin most like ``near``."""
    return sorted(names, key=partial(_count_shared, near), reverse=True)


def _count_shared(text: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False)))


def media_type(start: bytes) -> str | None:
    """The media type of a file by its first bytes; ``None`` for one we do not know."""
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(start[8:12])
    if start[4:8] == b"ftyp":
        return {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4"}.get(start[8:12], "video/mp4")
    return next((kind for mark, kind in _MARKS.items() if start.startswith(mark)), None)


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
        if found is None or not (major == "file" or found.startswith(major)):
            raise Fault(f"the file {path} is not {_FORMATS[major]}", "convert it")
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return InputFile(sha256=digest, media_type=found, path=str(path))


class Address(Enum):
    """The kinds of values that may name an image, a video or a sound."""

    WEB = auto()
    DATA = auto()
    PATH = auto()


def kind_of(value: str) -> Address:
    """What the value is, checked as far as it can be without a network. Raises ``Fault``.

    A web address is one that the service itself can reach: it fetches what is named, not this machine.
    """
    # one match decides for most addresses; taking one apart takes seven times as long
    plain = _PLAIN_HTTPS.fullmatch(value)
    if plain and plain["top"].lower() not in PRIVATE_TOPS and not _SECOND.search(value):
        return Address.WEB
    if not value.strip():
        raise Fault("is empty", "an https URL")
    scheme = _SCHEME.match(value)
    if scheme is None or scheme[1].lower() == "file":
        return Address.PATH
    if scheme[1].lower() == "data":
        return Address.DATA
    _check_web(value, scheme[1].lower())
    return Address.WEB


def check_data(value: str, major: str) -> None:
    """Raise ``Fault`` unless the value is a Base64 data URI of that major type (any, if it is ``file``)."""
    match = _DATA.fullmatch(value)
    if match is None:
        raise Fault(f"{shown(value)} is not a Base64 data URI", f"data:{major}/…;base64,…")
    if major != "file" and match["major"].lower() != major:
        raise Fault(f"holds {match['major'].lower()} data", f"data:{major}/…;base64,…")
    try:
        b64decode(match["payload"], validate=True)
    except (binascii.Error, ValueError):
        raise Fault(f"{shown(value)} is not valid Base64", "was it cut short?") from None


def check_reachable(value: str) -> None:
    """Raise ``Fault`` for a web address that a service elsewhere cannot fetch; anything else passes."""
    scheme = _SCHEME.match(value)
    if scheme is not None and scheme[1].lower() in {"https", "http"}:
        _check_reachable(value, scheme[1])


def _check_web(value: str, scheme: str) -> None:
    if scheme not in {"https", "http"}:
        raise Fault(f"{shown(value)} has a scheme that the service does not fetch", "give an https URL")
    _check_reachable(value, scheme)
    if scheme == "http":
        raise Fault(f"{shown(value)} is not encrypted", shown_bare(f"https{value[len(scheme) :]}"))


def _check_reachable(value: str, scheme: str) -> None:
    if _SECOND.search(value):
        raise Fault(
            f"{shown(value)} holds more than one URL",
            "a field takes one, a list takes [a, b], or a | between two in a cell; "
            "a comma that belongs to a URL is written %2C",
        )
    if _SPACE_OR_CONTROL.search(value):
        raise Fault(f"{shown(value)} holds a space or a control character", "write a space as %20")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Fault(f"{shown(value)} is not a URL: {error}", "https://host/path") from None
    if parts.username is not None or parts.password is not None:
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        # the value is not shown: the password would be
        raise Fault("holds a user name or a password", f"an address that needs none, such as {shown_bare(bare)}")
    if not host or "//" not in value[: len(scheme) + 3]:
        raise Fault(f"{shown(value)} names no host", "https://host/path")
    check_host(host)
