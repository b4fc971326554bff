"""What the ledger tells of prices that no answer told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress

import anyio

from batchveo.core.errors import KeyRejected
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.billing import read_charges
from batchveo.store import Store

LEDGER_SECONDS = 30.0
LEDGER_REACH_SECONDS = 7 * 24 * 3600.0


async def learn_costs(store: Store, apis: Iterable[ApiClient], *, since: float) -> None:
    """Ask the ledger of each key, until all is told; it may be late, and the next run asks again."""
    with suppress(TimeoutError, sqlite3.DatabaseError), anyio.fail_after(LEDGER_SECONDS):
        unpriced = store.queries.list_unpriced()
        for api in apis:
            if not unpriced:
                return
            with suppress(ProviderError, KeyRejected):
                charges = await read_charges(api, since=since - LEDGER_REACH_SECONDS)
                for generation in unpriced.keys() & charges.keys():
                    store.transitions.record_cost(unpriced.pop(generation), charges[generation])
