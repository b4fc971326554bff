"""Everything that the sandbox remembers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from batchveo.sandbox.account import Account
from batchveo.sandbox.dice import Dice
from batchveo.sandbox.faults import Faults
from batchveo.sandbox.generations import Fates
from batchveo.sandbox.journal import Journal
from batchveo.sandbox.logs import LoggedRequest, UsageLog
from batchveo.sandbox.settings import Settings
from batchveo.sandbox.window import Window


@dataclass(slots=True, kw_only=True)
class World:
    """The state that all calls share; ``opened_at`` is when the account got its balance.

    ``dice`` decides chances, ``names`` ids. ``calls`` counts the calls of this process by their name,
    ``earlier_submits`` is where a former process left off.
    """

    settings: Settings
    dice: Dice
    names: Dice
    faults: Faults
    fates: Fates
    account: Account
    opened_at: float
    journal: Journal | None = None
    earlier_submits: int = 0
    log: UsageLog = field(default_factory=UsageLog)
    calls: Counter[str] = field(default_factory=Counter)
    submits: Window = field(default_factory=Window)
    log_calls: Window = field(default_factory=Window)
    leaks: list[str] = field(default_factory=list)

    def record(self, entry: LoggedRequest) -> None:
        """Take in a request, and its generation if it was accepted; noted in the journal first."""
        if self.journal is not None:
            self.journal.note(entry)
        self.take_in(entry)

    def take_in(self, entry: LoggedRequest) -> None:
        """Take in a request that is in the journal already, or needs none."""
        self.log.add(entry)
        if entry.generation is not None:
            self.account.accept(entry.generation)


def open_world(settings: Settings, *, now: float, journal: Path | None = None) -> World:
    """A new world, or the one that the journal tells of."""
    notes = Journal(journal) if journal is not None else None
    opened_at = notes.opened_at(now) if notes else now
    dice = Dice(settings.seed)
    # The opening time takes part, so that a later sandbox gives out other names with the same seed.
    names = Dice((settings.seed, opened_at))
    faults = Faults(settings.faults, dice)
    world = World(
        settings=settings,
        dice=dice,
        names=names,
        faults=faults,
        fates=Fates(settings=settings, dice=dice, names=names, faults=faults),
        account=Account(settings.balance),
        opened_at=opened_at,
        journal=notes,
    )
    for entry in notes.requests() if notes else ():
        world.take_in(entry)
        world.earlier_submits = entry.ordinal + 1
    return world
