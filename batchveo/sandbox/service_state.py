"""What the sandbox remembers, and the journal that keeps it over a restart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from batchveo.provider.catalog import MODELS, Catalog
from batchveo.sandbox.account import Account, LoggedRequest, RateWindow
from batchveo.sandbox.calls import Refused
from batchveo.sandbox.generations import Generation, GenerationFactory
from batchveo.sandbox.seeded_random import FaultPlan, SeededRandom
from batchveo.sandbox.settings import Settings


class Journal:
    """A JSON Lines file with a line per logged request, written before the answer to the request leaves."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._drop_torn_line()
        path.touch()

    def read_opening(self, now: float) -> float:
        """When the sandbox was opened first; for a new journal that is ``now``, and it is written."""
        with self._path.open(encoding="utf-8") as lines:
            first = lines.readline()
        if first:
            return float(json.loads(first)["opened_at"])
        self._write_line({"opened_at": now})
        return now

    def read_requests(self) -> Iterator[LoggedRequest]:
        """Every request, oldest first."""
        with self._path.open(encoding="utf-8") as lines:
            next(lines, None)
            for line in lines:
                noted = json.loads(line)
                if noted["generation"] is not None:
                    noted["generation"] = Generation(**noted["generation"])
                yield LoggedRequest(**noted)

    def write_request(self, entry: LoggedRequest) -> None:
        """Append a request."""
        self._write_line(asdict(entry))

    def _write_line(self, content: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(content, separators=(",", ":")) + "\n")

    def _drop_torn_line(self) -> None:
        # A kill in the middle of a write leaves a line without its end; its answer never left.
        written = self._path.read_bytes() if self._path.exists() else b""
        whole = written.rfind(b"\n") + 1
        if whole < len(written):
            with self._path.open("r+b") as file:
                file.truncate(whole)


@dataclass(slots=True, kw_only=True)
class ServiceState:
    """The state that all calls share; ``opened_at`` is when the accounts got their balance.

    ``chances`` decides what happens, ``ids`` names it. ``calls`` counts the calls of this process by their name;
    ``earlier_submits`` counts those of earlier processes. ``accounts`` has each account by its owner: a digest of its
    API key, or the empty string if all keys share one.
    """

    settings: Settings
    catalog: Catalog
    chances: SeededRandom
    ids: SeededRandom
    faults: FaultPlan
    factory: GenerationFactory
    opened_at: float
    journal: Journal | None = None
    earlier_submits: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    requests: list[LoggedRequest] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    peak_in_flight: int = 0
    leaks: list[str] = field(default_factory=list)

    def name_owner(self, key: str) -> str:
        """The owner of the account that an API key belongs to."""
        return self.ids.draw_hex("owner", key) if self.settings.per_key else ""

    def open_account(self, owner: str) -> Account:
        """The account of an owner, made at the first call."""
        if owner not in self.accounts:
            self.accounts[owner] = Account(self.settings.balance)
        return self.accounts[owner]

    def find_file(self, name: str) -> Generation | None:
        """The generation whose video has this name, on any account: a content network asks for no key."""
        return next((held.files[name] for held in self.accounts.values() if name in held.files), None)

    def add_request(self, entry: LoggedRequest) -> None:
        """Add a request, and its generation if it was accepted; the journal has it first."""
        if self.journal is not None:
            self.journal.write_request(entry)
        self.restore_request(entry)

    def restore_request(self, entry: LoggedRequest) -> None:
        """Add a request that the journal has already."""
        self.requests.append(entry)
        self.open_account(entry.owner).add_request(entry)
        in_flight = sum(account.count_in_flight(entry.created) for account in self.accounts.values())
        self.peak_in_flight = max(self.peak_in_flight, in_flight)

    def check_rate(self, window: RateWindow, limit: int | None, now: float) -> None:
        """Count a call; raises a 429 if it exceeds the limit of calls a minute."""
        if limit is not None and (wait := window.seconds_until_free(limit, now)) > 0:
            raise self.throttle(wait)
        window.add_call(now)

    def throttle(self, wait: float) -> Refused:
        """A 429; ``wait`` is seconds."""
        return Refused(429, "Too Many Requests", retry_after=wait if self.settings.retry_after else None)


def open_state(
    settings: Settings, *, now: float, journal: Path | None = None, catalog: Catalog = MODELS
) -> ServiceState:
    """A new state, or the one that the journal has."""
    notes = Journal(journal) if journal is not None else None
    opened_at = notes.read_opening(now) if notes else now
    chances = SeededRandom(settings.seed)
    # The opening time takes part, so that a later sandbox with the same seed makes other ids.
    ids = SeededRandom((settings.seed, opened_at))
    faults = FaultPlan(settings.faults, chances)
    state = ServiceState(
        settings=settings,
        catalog=catalog,
        chances=chances,
        ids=ids,
        faults=faults,
        factory=GenerationFactory(settings=settings, chances=chances, ids=ids, faults=faults),
        opened_at=opened_at,
        journal=notes,
    )
    for entry in notes.read_requests() if notes else ():
        state.restore_request(entry)
        state.earlier_submits = entry.ordinal + 1
    return state
