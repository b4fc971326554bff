"""What one run knows from the question to its end: its options, its clients and its prices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from batchveo.core.clock import Clock
from batchveo.core.events import Reporter
from batchveo.core.settings import Cluster, RunSettings
from batchveo.operations.approval import Approve, Consent
from batchveo.operations.preflight import start_sandbox
from batchveo.operations.prices import KnownPrices, find_prices
from batchveo.operations.saved_settings import ChosenSettings
from batchveo.provider import ApiClient
from batchveo.provider.clients import any_client, open_api_clients
from batchveo.provider.service import Service
from batchveo.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the caller of ``run`` or ``resume`` asks for. ``told``: the settings that a later ``resume`` keeps."""

    command: Literal["run", "resume"]
    state: Path
    settings: RunSettings
    told: ChosenSettings
    service: Service
    reporter: Reporter
    approve: Approve | None
    cluster: Cluster | None
    consent: Consent


@dataclass(slots=True, kw_only=True)
class RunContext:
    """One run. Clients are opened, and prices fetched, when they are first needed, and then kept.

    ``service`` is that of the options; the sandbox gets its address when it is started.
    """

    options: RunOptions
    service: Service
    clock: Clock = field(default_factory=Clock)
    _closing: AsyncExitStack
    _clients: Mapping[str, ApiClient] | None = None
    _prices: KnownPrices | None = None
    _priced: frozenset[str] = frozenset()

    async def open_clients(self) -> Mapping[str, ApiClient]:
        """A client for each key, by its label."""
        if self._clients is None:
            self.service = self._closing.enter_context(start_sandbox(self.service, self.options.state))
            self._clients = await self._closing.enter_async_context(open_api_clients(self.service))
        return self._clients

    async def find_prices(self, models: Sequence[str], store: Store | None) -> KnownPrices:
        """The prices of ``models``; fetched again only if they were not live, or not of all these models."""
        if self._prices is None or self._prices.trouble or not self._priced.issuperset(models):
            self._prices = await find_prices(any_client(await self.open_clients()), models, store)
            self._priced = frozenset(models)
        return self._prices


@asynccontextmanager
async def open_context(options: RunOptions) -> AsyncIterator[RunContext]:
    """The context of one run; closes the clients, and stops the sandbox, at its end."""
    async with AsyncExitStack() as closing:
        yield RunContext(options=options, service=options.service, _closing=closing)
