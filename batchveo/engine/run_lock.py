"""Takes the lock of a state that somebody may be about to let go of."""

from __future__ import annotations

import anyio

from batchveo.core.errors import StateLocked
from batchveo.store import Store

GAP_SECONDS = 0.2


async def hold(store: Store, *, patience: float = 0.0) -> None:
    """Make this the one run of the state, waiting so many seconds for another to end; raises ``StateLocked``."""
    with anyio.move_on_after(patience):
        while True:
            try:
                store.runs.acquire_lock()
            except StateLocked:
                await anyio.sleep(GAP_SECONDS)
            else:
                return
    store.runs.acquire_lock()
