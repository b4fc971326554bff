"""Checks the images that jobs begin with: whether they can be read and are large enough."""

from __future__ import annotations

import binascii
import warnings
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from batchveo.core.errors import find_reason
from batchveo.core.models import INPUT_PREFIX
from batchveo.provider import VideoClient
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.catalog.parameters import Media
from batchveo.provider.video_client import MOST_IMAGE_BYTES, ImageUnavailable, read_image_start
from batchveo.store import PreviewedJob

if TYPE_CHECKING:
    from PIL.ImageFile import Parser

AT_ONCE = 32
TRIES = 2
PAUSE_SECONDS = 2.0
HOPELESS = 3
"""Failures to connect to a host after which its other images are not requested."""
_BLOCK = 64 * 1024

Size = tuple[int, int]
"""Width and height in pixels."""
Progress = Callable[[int, int], None]
"""Gets how many of how many images are checked; must neither block nor raise."""

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1")
LONGEST_SIGNATURE = 16
"""Bytes after which the kind of a file is known."""


def ignore_progress(done: int, of: int) -> None:
    """For callers that do not watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageProblem:
    """An image that cannot be used: its URL or path, what is wrong, and the place of the first of its ``jobs``."""

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
    """How many different images were checked, whether their sizes could be read, and what is wrong."""

    checked: int
    sizes: bool
    problems: Sequence[ImageProblem]


@dataclass(slots=True)
class _Use:
    """The place of the first job that names an image, and how many jobs do."""

    source: str
    line: int | None
    jobs: int = 0


class NamedImages:
    """The different images that jobs name, with the jobs that name them; ``catalog`` knows where requests have them."""

    def __init__(self, catalog: Catalog = MODELS) -> None:
        self._catalog = catalog
        # by image, then by the least side that the models of the jobs take: one image may do for some of them only
        self._uses: dict[str, dict[int, _Use]] = {}

    def __len__(self) -> int:
        return len(self._uses)

    def __iter__(self) -> Iterator[str]:
        return iter(self._uses)

    def add_job(self, job: PreviewedJob) -> None:
        """Add the images of a job; a local file is known by its path."""
        model = self._catalog.get(job.model)
        least = 0 if model is None else model.least_image_side
        paths = {item.reference: item.path for item in job.inputs}
        found = self._catalog.find_addresses(job.model, job.request, Media.IMAGE)
        for image in dict.fromkeys(paths.get(value, value) for value in found):
            if not image.startswith(INPUT_PREFIX):
                use = self._uses.setdefault(image, {}).setdefault(least, _Use(job.source, job.line))
                use.jobs += 1

    def find_problem(self, image: str, finding: str | Size) -> ImageProblem | None:
        """What is wrong with one of them, for the jobs whose models do not take it."""
        if isinstance(finding, str):
            return _make_problem(image, finding, [*self._uses[image].values()])
        refusing = {least: use for least, use in self._uses[image].items() if least > min(finding)}
        if not refusing:
            return None
        width, height = finding
        small = f"is too small: {width}x{height}; the shorter side must be {min(refusing)} pixels or more"
        return _make_problem(image, small, [*refusing.values()])


def _make_problem(image: str, problem: str, uses: Sequence[_Use]) -> ImageProblem:
    first, jobs = uses[0], sum(use.jobs for use in uses)
    return ImageProblem(image=image, problem=problem, source=first.source, line=first.line, jobs=jobs)


async def check_images(
    images: NamedImages,
    *,
    loopback: bool = False,
    progress: Progress = ignore_progress,
    videos: VideoClient | None = None,
) -> ImageCheck:
    """Read the beginning of every image, many at a time; what is wrong with one is a result, not an error.

    ``loopback``: images may be on this machine. ``videos`` replaces the network in tests.
    """
    found: dict[str, str | Size] = {}
    async with videos or VideoClient(loopback=loopback) as opened:
        checker = _Checker(opened, found, progress, len(images))
        queue = iter(images)
        async with anyio.create_task_group() as workers:
            for _ in range(min(AT_ONCE, len(images))):
                workers.start_soon(checker.check_all, queue)
    problems = (images.find_problem(image, found[image]) for image in images if image in found)
    return ImageCheck(checked=len(images), sizes=has_pillow(), problems=[each for each in problems if each])


class _Checker:
    """Checks images until there are no more, and records the size of each, or why it cannot be used."""

    def __init__(self, videos: VideoClient, found: dict[str, str | Size], progress: Progress, total: int) -> None:
        self._videos = videos
        self._found = found
        self._progress = progress
        self._total = total
        self._done = 0
        self._silent: Counter[str] = Counter()
        self._why: dict[str, str] = {}

    async def check_all(self, queue: Iterator[str]) -> None:
        """Check images of ``queue``, which several tasks share."""
        for image in queue:
            try:
                header = await self._read_header(image)
            except ImageUnavailable as reason:
                self._found[image] = str(reason)
            else:
                if not header.is_image:
                    self._found[image] = "is no image"
                elif header.size is not None:
                    self._found[image] = header.size
            self._done += 1
            self._progress(self._done, self._total)

    async def _read_header(self, image: str) -> ImageHeader:
        if image.lower().startswith(("https://", "http://")):
            return await self._ask_twice(image)
        return (
            _read_data_header(image)
            if image.startswith("data:")
            else await anyio.to_thread.run_sync(_read_file_header, image)
        )

    async def _ask_twice(self, url: str) -> ImageHeader:
        """Ask a second time if that may help; a host that never answers is given up."""
        host = urlsplit(url).netloc
        for tries_left in reversed(range(TRIES)):
            # a dead host would cost a time limit for each of its ten thousand images
            if self._silent[host] >= HOPELESS:
                raise ImageUnavailable(f"not requested, since {host} {self._why[host]}")
            try:
                header = await self._ask_once(url)
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
                # only failures in a row count: a busy host answers now and then
                self._silent[host] = 0
                return header
        raise AssertionError("the last try returns or raises")

    async def _ask_once(self, url: str) -> ImageHeader:
        header = ImageHeader()

        def feed(piece: bytes) -> bool:
            header.feed(piece)
            return header.has_enough

        await read_image_start(self._videos, url, feed)
        return header


def _read_file_header(path: str) -> ImageHeader:
    header = ImageHeader()
    try:
        with Path(path).open("rb") as file:
            while not header.has_enough and (piece := file.read(_BLOCK)):
                header.feed(piece)
    except OSError as error:
        raise ImageUnavailable(f"cannot be read: {find_reason(error)}") from None
    return header


def _read_data_header(uri: str) -> ImageHeader:
    """The header of a data URI, which is validated when the manifest is read."""
    header = ImageHeader()
    start = uri.partition(",")[2][: MOST_IMAGE_BYTES // 3 * 4]
    try:
        header.feed(b64decode(start))
    except (binascii.Error, ValueError):
        raise ImageUnavailable("is not valid Base64") from None
    return header


class ImageHeader:
    """Reads an image's bytes as they come, until its ``size`` (width, height in pixels) is known.

    Without Pillow the size stays ``None``. Never raises, whatever the bytes are.
    """

    def __init__(self) -> None:
        self.size: Size | None = None
        self._start = b""
        self._parser = _make_parser()
        self._hopeless = self._parser is None

    @property
    def is_image(self) -> bool:
        """Whether it is an image, as far as its bytes show."""
        return self.size is not None or _is_signed(self._start)

    @property
    def has_enough(self) -> bool:
        """Whether more bytes would show nothing more."""
        return self.size is not None or (self._hopeless and len(self._start) >= LONGEST_SIGNATURE)

    def feed(self, piece: bytes) -> None:
        """Read the next bytes."""
        self._start += piece[: max(LONGEST_SIGNATURE - len(self._start), 0)]
        if self._parser is None or self._hopeless or self.size is not None:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about huge images, of which nothing is decoded here
                self._parser.feed(piece)
        except Exception:  # noqa: BLE001 - decoders fail on broken images in every way there is
            self._hopeless = True
        if self._parser.image is not None:
            self.size = self._parser.image.size


def has_pillow() -> bool:
    """Whether Pillow is installed, which reads sizes."""
    return find_spec("PIL") is not None


def _make_parser() -> Parser | None:
    if not has_pillow():
        return None
    from PIL.ImageFile import Parser

    return Parser()


def _is_signed(start: bytes) -> bool:
    if start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return True
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS
