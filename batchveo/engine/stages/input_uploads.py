"""The stage that knows which input files are in the user's bucket, and removes those that no job needs any more."""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Callable

import anyio

from batchveo.core.destination import BucketUrl
from batchveo.core.errors import UsageError, find_reason
from batchveo.core.events import Event, JobStateChanged
from batchveo.core.models import Job
from batchveo.core.notices import InputsNotRemoved
from batchveo.core.settings import RunSettings
from batchveo.engine.input_addresses import BucketOpener
from batchveo.engine.recorder import Recorder
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.store.uploads import UploadedFile

_log = logging.getLogger(__name__)

AT_ONCE = 8
REST_SECONDS = 600.0
END_SECONDS = 30.0
"""How long a run waits at its end for files to be removed; the next run removes the others."""


class InputUploads:
    """Keeps the record of uploaded files. Call ``run`` once.

    What a run cannot remove, or dies before, is found by the next one, also if that has another bucket or none.
    """

    def __init__(
        self, context: RunContext, bus: EventBus, recorder: Recorder, settings: RunSettings, open_bucket: BucketOpener
    ) -> None:
        self._context = context
        self._bus = bus
        self._recorder = recorder
        self._inputs = settings.inputs
        self._open_bucket = open_bucket
        self._has_any = False
        self._removing: dict[UploadedFile, anyio.Event] = {}
        self._resting: dict[str, float] = {}
        """Until when (seconds since the epoch) nothing is removed from a bucket: it failed, for all of a minute."""
        self._due = anyio.Event()

    async def begin_upload(self, job: Job, sha256: str, media_type: str) -> str:
        """The name of the file in the bucket, once it is safe on disk that ``job`` uses it, and nobody removes it."""
        if self._inputs is None:
            raise UsageError("--inputs is not given")
        name = f"{self._context.store.uploads.read_tag()}/{sha256}{mimetypes.guess_extension(media_type) or ''}"
        file = UploadedFile(self._inputs, name)
        while file in self._removing:
            await self._removing[file].wait()
        # no await since the last look: a removal that begins from here on sees that the file is needed
        self._context.store.uploads.add_use(file, job)
        self._has_any = True
        await self._recorder.wait_durable()
        return name

    async def run(self) -> None:
        """Remove files as soon as the last generation that needs them has ended; until cancelled."""
        self._has_any = self._context.store.uploads.has_any()
        self._bus.subscribe(self._follow_event)
        while True:
            await self._remove_unneeded()
            await self._due.wait()
            self._due = anyio.Event()

    async def finish(self, *, is_interrupted: Callable[[], bool]) -> None:
        """Wait until what is not needed is removed, at most ``END_SECONDS``, and not after a stop signal."""
        self._resting = dict.fromkeys(self._resting, 0.0)
        with anyio.move_on_after(END_SECONDS):
            while self._list_unneeded() and not is_interrupted():
                self._due.set()
                await self._bus.wait()

    def _follow_event(self, event: Event) -> None:
        if self._has_any and isinstance(event, JobStateChanged) and not event.job.state.awaits_generation:
            self._due.set()

    def _list_unneeded(self) -> list[UploadedFile]:
        if not self._has_any:
            return []
        now = self._context.now()
        resting = [bucket for bucket, until in self._resting.items() if until > now]
        return self._context.store.uploads.list_unneeded(most=AT_ONCE, without=resting)

    async def _remove_unneeded(self) -> None:
        while files := self._list_unneeded():
            async with anyio.create_task_group() as tasks:
                for file in files:
                    self._removing[file] = anyio.Event()
                    tasks.start_soon(self._remove_file, file)
            self._bus.notify()

    async def _remove_file(self, file: UploadedFile) -> None:
        try:
            await self._open_bucket(BucketUrl(file.bucket)).delete(file.name)
            self._context.store.uploads.forget_file(file)
            _log.debug("removed the input %s of %s", file.name, file.bucket)
        except (OSError, UsageError) as error:
            if file.bucket not in self._resting:
                reason = find_reason(error)
                self._bus.emit(InputsNotRemoved(bucket=file.bucket, reason=reason))
            self._resting[file.bucket] = self._context.now() + REST_SECONDS
        finally:
            self._removing.pop(file).set()
