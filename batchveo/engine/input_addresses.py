"""Addresses for input files of which the service takes nothing else: through a bucket of the user."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import anyio

from batchveo.core.destination import BucketUrl
from batchveo.core.errors import UsageError
from batchveo.core.models import INPUT_PREFIX, Job
from batchveo.core.settings import RunSettings
from batchveo.engine.broker import Broker
from batchveo.engine.input_files import fill_references, find_references
from batchveo.provider.catalog import Catalog
from batchveo.storage.base import InputBucket

AT_ONCE = 4
"""Files that are read and uploaded at the same time: each is whole in memory, and may be a video."""
LEAST_SECONDS = 86_400.0
"""How long an address is valid at least: a generation may wait for hours before the service fetches its inputs."""

BucketOpener = Callable[[BucketUrl], InputBucket]


class InputAddresses:
    """Uploads the files that a request can only name by an address, and signs the addresses.

    Both happen right before the request is sent: what is in the bucket is there for a request in progress, and an
    address that is signed then cannot expire in a queue. It is in the request that leaves, and nowhere else.
    """

    def __init__(self, broker: Broker, settings: RunSettings, catalog: Catalog, open_bucket: BucketOpener) -> None:
        self._broker = broker
        self._inputs = settings.inputs
        self._seconds = max(settings.patience, LEAST_SECONDS)
        self._catalog = catalog
        self._open_bucket = open_bucket
        self._turns = anyio.Semaphore(AT_ONCE)
        self._uploading: dict[str, anyio.Event] = {}

    async def fill_request(self, job: Job) -> Mapping[str, object]:
        """The request of ``job`` with the addresses; files that may travel as data URIs stay references.

        Raises ``OSError`` if a file cannot be read or uploaded, ``UsageError`` if no bucket is given.
        """
        if next(find_references(job.request), None) is None:
            return job.request
        named = self._catalog.find_url_only(job.model, job.request)
        files = sorted({value.removeprefix(INPUT_PREFIX) for value in named if value.startswith(INPUT_PREFIX)})
        urls = {sha256: await self._find_url(job, sha256) for sha256 in files}
        return {field: fill_references(value, urls) for field, value in job.request.items()}

    async def _find_url(self, job: Job, sha256: str) -> str:
        if self._inputs is None:
            raise UsageError(f"{job.model} takes only an address of an input: give --inputs s3://bucket/prefix")
        bucket = self._open_bucket(self._inputs)
        # from here on the file is known, and not removed, until the generation of the job has ended
        name = await self._broker.begin_upload(job, sha256)
        async with self._take_turn(name):
            if await bucket.find_head(name) is None:
                media_type, content = await self._broker.read_input_file(sha256)
                await bucket.put(name, content, media_type)
        return await bucket.sign_url(name, self._seconds)

    @asynccontextmanager
    async def _take_turn(self, name: str) -> AsyncIterator[None]:
        """One at a time for each file: the second request that names it finds it uploaded."""
        while name in self._uploading:
            await self._uploading[name].wait()
        self._uploading[name] = anyio.Event()
        try:
            async with self._turns:
                yield
        finally:
            self._uploading.pop(name).set()
