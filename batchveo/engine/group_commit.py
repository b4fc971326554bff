"""Durable together: the writes of one moment share a transaction, and so one fsync."""

from __future__ import annotations

import logging

import anyio
import anyio.lowlevel

from batchveo.store import Store

_log = logging.getLogger(__name__)

MOMENT = 12
"""Turns of the event loop for which a group stays open: a tenth of a millisecond where little happens, and some
dozens of answers where much does."""


class _Group:
    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.error: BaseException | None = None


class GroupCommit:
    """Flushes a ``store`` that is ``sharing``: the first writer of a group leads, the others follow.

    Writes themselves stay synchronous, so that no cancellation falls between an answer and its record; what must
    not happen before the record is safe, a request above all, awaits ``durable`` first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: _Group | None = None

    async def durable(self) -> None:
        """Return when all that was written before this call is on disk, cancelled or not.

        Raises ``sqlite3.Error`` where it cannot be put there, or where anything before it could not: then nothing
        of the group is, and what was claimed in it must not leave.
        """
        group = self._open
        if group is None:
            if self._store.connection.unflushed:
                await self._lead()
            return
        with anyio.CancelScope(shield=True):
            await group.ended.wait()
        if group.error is not None:
            raise group.error

    async def _lead(self) -> None:
        group = self._open = _Group()
        try:
            with anyio.CancelScope(shield=True):  # once around all turns: a scope costs more than a turn
                for _ in range(MOMENT):
                    await anyio.lowlevel.checkpoint()
            self._store.connection.flush()
            _log.debug("the writes of one moment are committed")
        except BaseException as error:
            group.error = error
            raise
        finally:
            self._open = None
            group.ended.set()
