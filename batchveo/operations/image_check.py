"""Whether the images that jobs begin with can be had, and are large enough, before a night is spent on them."""

from __future__ import annotations

import binascii
import warnings
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from batchveo.core.models import INPUT_PREFIX
from batchveo.provider import VideoClient
from batchveo.provider.image_client import MOST_BYTES, ImageUnavailable, read_image_start
from batchveo.store import Foreseen

if TYPE_CHECKING:
    from PIL.ImageFile import Parser

FIELDS = ("image_url", "last_image_url", "image_urls")
LEAST_PIXELS = 720
"""The shorter side at least: an image in 720p is 1280x720 lying, and 720x1280 standing."""
AT_ONCE = 32
TRIES = 2
PAUSE_SECONDS = 2.0
HOPELESS = 3
"""Failures to connect to a host after which its other images are not asked for one by one."""
_BLOCK = 64 * 1024

Progress = Callable[[int, int], None]
"""Told how many of how many images have been looked at; must neither block nor raise."""

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1")
LONGEST_SIGNATURE = 16
"""Bytes after which it is clear what something is."""


def ignore_progress(done: int, of: int) -> None:
    """The progress of those who do not watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageProblem:
    """An image that will not do: its URL or path, what is wrong, where the first of its ``jobs`` stands."""

    image: str
    problem: str
    source: str
    line: int | None
    jobs: int

    @property
    def place(self) -> str:
        """``file:line``."""
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCheck:
    """How many different images were looked at, whether their sizes could be told, and what is wrong."""

    checked: int
    sizes: bool
    problems: Sequence[ImageProblem]


class NamedImages:
    """The different images that jobs name, each with the first job that does."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, int | None]] = {}
        self._jobs: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._first)

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def add(self, job: Foreseen) -> None:
        """Note the images of a job; a local file goes by its path."""
        paths = {item.reference: item.path for item in job.inputs}
        named = dict.fromkeys(paths.get(value, value) for value in _values(job.request))
        for image in named:
            if not image.startswith(INPUT_PREFIX):
                self._first.setdefault(image, (job.source, job.line))
                self._jobs[image] += 1

    def problem(self, image: str, problem: str) -> ImageProblem:
        """What is wrong with one of them."""
        source, line = self._first[image]
        return ImageProblem(image=image, problem=problem, source=source, line=line, jobs=self._jobs[image])


async def check_images(
    pictures: NamedImages,
    *,
    loopback: bool = False,
    progress: Progress = ignore_progress,
    videos: VideoClient | None = None,
) -> ImageCheck:
    """Look at the beginning of every image, many at a time. Never raises for what is wrong with one.

    ``loopback``: images may be on this machine. ``videos`` replaces the network in tests.
    """
    found: dict[str, str] = {}
    async with videos or VideoClient(loopback=loopback) as opened:
        checker = _Checker(opened, found, progress, len(pictures))
        queue = iter(pictures)
        async with anyio.create_task_group() as workers:
            for _ in range(min(AT_ONCE, len(pictures))):
                workers.start_soon(checker.work, queue)
    problems = [pictures.problem(image, found[image]) for image in pictures if image in found]
    return ImageCheck(checked=len(pictures), sizes=has_pillow(), problems=problems)


class _Checker:
    """Looks at images until there are no more, and notes what is wrong with them."""

    def __init__(self, videos: VideoClient, found: dict[str, str], progress: Progress, total: int) -> None:
        self._videos = videos
        self._found = found
        self._progress = progress
        self._total = total
        self._done = 0
        self._silent: Counter[str] = Counter()
        self._why: dict[str, str] = {}

    async def work(self, queue: Iterator[str]) -> None:
        """Take from ``queue``, which the others take from too."""
        for image in queue:
            try:
                gauge = await self._gauge(image)
            except ImageUnavailable as reason:
                self._found[image] = str(reason)
            else:
                problem = find_problem(gauge)
                if problem is not None:
                    self._found[image] = problem
            self._done += 1
            self._progress(self._done, self._total)

    async def _gauge(self, image: str) -> ImageHeader:
        if image.lower().startswith(("https://", "http://")):
            return await self._asked(image)
        return _data(image) if image.startswith("data:") else await anyio.to_thread.run_sync(_file, image)

    async def _asked(self, url: str) -> ImageHeader:
        """Ask a second time where that may help; a host that never answers is given up."""
        host = urlsplit(url).netloc
        for tries_left in reversed(range(TRIES)):
            if self._silent[host] >= HOPELESS:
                raise ImageUnavailable(f"not asked for any more, since {host} {self._why[host]}")
            try:
                gauge = await self._look(url)
            except ImageUnavailable as reason:
                if not reason.passing:
                    raise
                if reason.silent:
                    self._silent[host] += 1
                    self._why[host] = str(reason)
                if not tries_left:
                    raise
                await anyio.sleep(PAUSE_SECONDS)
            else:
                self._silent[host] = 0
                return gauge
        raise AssertionError("the last try returns or raises")

    async def _look(self, url: str) -> ImageHeader:
        gauge = ImageHeader()

        def feed(piece: bytes) -> bool:
            gauge.feed(piece)
            return gauge.has_enough

        await read_image_start(self._videos, url, feed)
        return gauge


def find_problem(gauge: ImageHeader) -> str | None:
    """What the service would refuse about an image; ``None`` where nothing is known."""
    if not gauge.is_image:
        return "is no image"
    if gauge.size is None or min(gauge.size) >= LEAST_PIXELS:
        return None
    width, height = gauge.size
    return f"is too small: {width}x{height}; the shorter side must be {LEAST_PIXELS} pixels or more"


def _values(request: Mapping[str, object]) -> Iterator[str]:
    for field in FIELDS:
        value = request.get(field)
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))


def _file(path: str) -> ImageHeader:
    gauge = ImageHeader()
    try:
        with Path(path).open("rb") as file:
            while not gauge.has_enough and (piece := file.read(_BLOCK)):
                gauge.feed(piece)
    except OSError as error:
        raise ImageUnavailable(f"cannot be read: {error.strerror}") from None
    return gauge


def _data(uri: str) -> ImageHeader:
    """The gauge of a data URI, which was validated when the manifest was read."""
    gauge = ImageHeader()
    start = uri.partition(",")[2][: MOST_BYTES // 3 * 4]
    try:
        gauge.feed(b64decode(start))
    except (binascii.Error, ValueError):
        raise ImageUnavailable("is not valid Base64") from None
    return gauge


class ImageHeader:
    """Takes a picture's bytes as they come, until its ``size`` (width, height in pixels) is known.

    Without Pillow the size stays ``None``. Never raises, whatever the bytes are.
    """

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None
        self._start = b""
        self._parser = _parser()
        self._hopeless = self._parser is None

    @property
    def is_image(self) -> bool:
        """Whether it is a picture, as far as its bytes tell."""
        return self.size is not None or _is_signed(self._start)

    @property
    def has_enough(self) -> bool:
        """Whether more bytes would tell nothing more."""
        return self.size is not None or (self._hopeless and len(self._start) >= LONGEST_SIGNATURE)

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._start += piece[: max(LONGEST_SIGNATURE - len(self._start), 0)]
        if self._parser is None or self._hopeless or self.size is not None:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of huge pictures: nothing of them is decoded here
                self._parser.feed(piece)
        except Exception:  # noqa: BLE001 - decoders fail on broken pictures in every way there is
            self._hopeless = True
        if self._parser.image is not None:
            self.size = self._parser.image.size


def has_pillow() -> bool:
    """Whether Pillow is there."""
    return find_spec("PIL") is not None


def _parser() -> Parser | None:
    if not has_pillow():
        return None
    from PIL.ImageFile import Parser

    return Parser()


def _is_signed(start: bytes) -> bool:
    if start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return True
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS
