"""Everything that the sandbox remembers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from batchveo.sandbox.account import Account
from batchveo.sandbox.faults import Faults
from batchveo.sandbox.generations import Fates, Generation
from batchveo.sandbox.journal import Journal
from batchveo.sandbox.logs import LoggedRequest
from batchveo.sandbox.seeded_random import SeededRandom
from batchveo.sandbox.settings import Settings


@dataclass(slots=True, kw_only=True)
class SandboxState:
    """The state that all calls share; ``opened_at`` is when the accounts got their balance.

    ``dice`` decides chances, ``names`` ids. ``calls`` counts the calls of this process by their name,
    ``earlier_submits`` is where a former process left off. ``accounts`` has each by its owner: all keys together,
    whose name is empty, or a key, whose name does not tell it.
    """

    settings: Settings
    dice: SeededRandom
    names: SeededRandom
    faults: Faults
    fates: Fates
    opened_at: float
    journal: Journal | None = None
    earlier_submits: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    requests: list[LoggedRequest] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    peak_in_flight: int = 0
    leaks: list[str] = field(default_factory=list)

    def owner(self, key: str) -> str:
        """What the owner of the account is called that a key belongs to."""
        return self.names.digest("owner", key).hex() if self.settings.per_key else ""

    def account(self, owner: str) -> Account:
        """The account of that owner, opened where it is the first time."""
        if owner not in self.accounts:
            self.accounts[owner] = Account(self.settings.balance)
        return self.accounts[owner]

    def file(self, name: str) -> Generation | None:
        """The generation whose video has that name, whoever bought it: a content network asks for no key."""
        return next((held.files[name] for held in self.accounts.values() if name in held.files), None)

    def record(self, entry: LoggedRequest) -> None:
        """Take in a request, and its generation if it was accepted; noted in the journal first."""
        if self.journal is not None:
            self.journal.note(entry)
        self.take_in(entry)

    def take_in(self, entry: LoggedRequest) -> None:
        """Take in a request that is in the journal already, or needs none."""
        self.requests.append(entry)
        self.account(entry.owner).take_in(entry)
        in_flight = sum(account.in_flight(entry.created) for account in self.accounts.values())
        self.peak_in_flight = max(self.peak_in_flight, in_flight)


def open_world(settings: Settings, *, now: float, journal: Path | None = None) -> SandboxState:
    """A new world, or the one that the journal tells of."""
    notes = Journal(journal) if journal is not None else None
    opened_at = notes.opened_at(now) if notes else now
    dice = SeededRandom(settings.seed)
    # The opening time takes part, so that a later sandbox gives out other names with the same seed.
    names = SeededRandom((settings.seed, opened_at))
    faults = Faults(settings.faults, dice)
    world = SandboxState(
        settings=settings,
        dice=dice,
        names=names,
        faults=faults,
        fates=Fates(settings=settings, dice=dice, names=names, faults=faults),
        opened_at=opened_at,
        journal=notes,
    )
    for entry in notes.requests() if notes else ():
        world.take_in(entry)
        world.earlier_submits = entry.ordinal + 1
    return world
