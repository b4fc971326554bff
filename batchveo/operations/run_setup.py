"""What one run works with: its options, its manifests, its clients and its prices."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal

from batchveo.core.clock import Clock
from batchveo.core.errors import Declined, UsageError
from batchveo.core.events import Reporter
from batchveo.core.hooks import Hooks
from batchveo.core.settings import Cluster, RunSettings
from batchveo.manifest import Manifests, ReadOptions, Summary
from batchveo.manifest.media import ALL_WAYS, InputWays
from batchveo.operations.prices import KnownPrices, find_prices
from batchveo.operations.quote import Approve
from batchveo.operations.saved_settings import ChosenSettings
from batchveo.provider import ApiClient
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.service import Service, open_api_clients, pick_client
from batchveo.store import Added, StagingTable, Store
from batchveo.store.manifest_changes import ManifestChanges

PLAY_MONEY_USD = 1_000_000.0
"""US dollars of play money: a large manifest can be tried whole."""
NOTHING_DONE = "nothing was written or bought"

StrPath = str | os.PathLike[str]
Confirm = Callable[[str], bool]
"""Asks a person a yes-or-no question; may block, since nothing else happens meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the caller agrees to in advance, and who is asked about the rest.

    ``new_state``: the database may be new to the jobs although another one knows them. ``missing_videos``: the
    finished videos may be missing from their folder. ``confirm``: ``None`` if nobody can be asked.
    """

    new_state: bool = False
    missing_videos: bool = False
    confirm: Confirm | None = None

    def require(self, finding: str, advice: str, refusal: type[UsageError]) -> None:
        """Ask whether to continue in spite of ``finding``.

        Raises ``refusal`` with the ``advice`` if nobody can be asked, and ``Declined`` if the answer is no.
        """
        if self.confirm is None:
            raise refusal(f"{finding}\n{advice}\n{NOTHING_DONE}")
        require_yes(self.confirm(f"{finding}\n{advice}"))


def require_yes(answer: bool) -> None:  # noqa: FBT001 - the answer is all that is passed
    """Raise ``Declined`` if a person answered no."""
    if not answer:
        raise Declined(f"not begun: {NOTHING_DONE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedJobs:
    """The jobs of the manifests ``paths``, by ``catalog``: all of them in ``table``, counted in ``summary``."""

    paths: Sequence[StrPath]
    table: StagingTable
    summary: Summary
    catalog: Catalog

    @property
    def models(self) -> list[str]:
        """The models of these jobs."""
        return list(self.summary.by_model)

    def add_to(
        self, store: Store, *, run: int, now: float, compare: Callable[[ManifestChanges], None] | None = None
    ) -> Added:
        """Add the jobs to a database, with the catalogue that they were validated against; ``compare`` as there."""
        unknown = [model for model in self.models if model not in self.catalog]
        return store.imports.add_jobs(
            self.table, run=run, now=now, catalog=self.catalog.info, unknown=unknown, compare=compare
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSources:
    """The manifests of one call (``-`` is ``stdin``), how they are read, and the models that they may name."""

    paths: Sequence[StrPath]
    allow_unknown_model: bool = False
    strict_provenance: bool = False
    reading: ReadOptions | None = None
    stdin: BinaryIO | None = None
    catalog: Catalog = MODELS

    @contextmanager
    def stage(self, ways: InputWays = ALL_WAYS) -> Iterator[StagedJobs]:
        """Read all manifests once, into a staging table: the database is not touched before all is valid.

        ``ways``: how inputs can get to the service; an input without a way is a problem. Raises ``ManifestError`` with
        every problem.
        """
        with StagingTable() as table:
            with Manifests(
                self.paths,
                catalog=self.catalog,
                allow_unknown_model=self.allow_unknown_model,
                strict_provenance=self.strict_provenance,
                stdin=self.stdin,
                options=self.reading,
                ways=ways,
            ) as manifests:
                summary = manifests.read(table.add_rows)
            table.is_partial = summary.chosen is not None
            yield StagedJobs(paths=self.paths, table=table, summary=summary, catalog=self.catalog)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the caller of ``run`` or ``resume`` asks for.

    ``told``: the settings that a later ``resume`` keeps. ``recalled``: the options beside them that this ``resume`` has
    from the run before. ``find_service`` is called after the manifests are read:
    without an API key, too, a person sees every problem in them.
    """

    state: Path
    settings: RunSettings
    told: ChosenSettings
    find_service: Callable[[], Service]
    reporter: Reporter
    approve: Approve | None
    cluster: Cluster | None
    consent: Consent
    hooks: Hooks = field(default_factory=Hooks)
    recalled: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class RunSetup:
    """One run. Clients are opened, and prices fetched, when they are first needed, and then kept.

    The ``service`` of the sandbox gets its address when it is started.
    """

    options: RunOptions
    command: Literal["run", "resume"]
    service: Service
    clock: Clock = field(default_factory=Clock)
    _closing: AsyncExitStack
    _clients: Mapping[str, ApiClient] | None = None
    _prices: KnownPrices | None = None
    _priced: frozenset[str] = frozenset()

    async def open_clients(self) -> Mapping[str, ApiClient]:
        """A client for each key, by its label."""
        if self._clients is not None:
            return self._clients
        opening = open_service(self.service, self.options.state)
        self.service, clients = await self._closing.enter_async_context(opening)
        self._clients = clients
        return clients

    async def find_prices(self, models: Sequence[str], store: Store | None) -> KnownPrices:
        """The prices of ``models``; fetched again only if they were not live, or not of all these models."""
        if self._prices is None or self._prices.trouble or not self._priced.issuperset(models):
            self._prices = await find_prices(
                pick_client(await self.open_clients()), models, store, catalog=self.service.catalog
            )
            self._priced = frozenset(models)
        return self._prices


@asynccontextmanager
async def open_setup(options: RunOptions, command: Literal["run", "resume"]) -> AsyncIterator[RunSetup]:
    """The setup of one run; closes the clients, and stops the sandbox, at its end."""
    async with AsyncExitStack() as closing:
        yield RunSetup(options=options, command=command, service=options.find_service(), _closing=closing)


@asynccontextmanager
async def open_service(
    using: Service, state: Path | None = None
) -> AsyncIterator[tuple[Service, Mapping[str, ApiClient]]]:
    """``using`` with an address that answers, as ``start_sandbox`` does it, and a client for each of its keys."""
    with start_sandbox(using, state) as started:
        async with open_api_clients(started) as clients:
            yield started, clients


@contextmanager
def start_sandbox(using: Service, state: Path | None = None) -> Iterator[Service]:
    """``using`` with an address that answers: the embedded look-alike is started if that is meant.

    With ``state`` it remembers its generations, beside that file, across runs.
    """
    if not using.sandbox:
        yield using
        return
    from batchveo.sandbox import Service as Sandbox
    from batchveo.sandbox import Settings
    from batchveo.sandbox import running as serving

    journal = state.with_name(f"{state.name}.sandbox.jsonl") if state else None
    with serving(Sandbox(Settings(balance=PLAY_MONEY_USD), journal=journal, catalog=using.catalog)) as url:
        yield replace(using, base_url=url)
