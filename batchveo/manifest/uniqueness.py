"""What is unique among all jobs of a call, and what clashed."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from batchveo.manifest.job_id import Identities
from batchveo.manifest.names import Names, Place
from batchveo.manifest.problems import KEPT, Problems, shown

_TAKEN = "is taken already"


class Clash(NamedTuple):
    """A name or an id that was taken already, as the how-manieth that was asked for."""

    field: str
    text: str
    asked: int
    place: Place
    suggestion: str


class Shared(NamedTuple):
    """A job that an earlier manifest of the call has: its request's ``normal_key``, its given name, its place."""

    key: str
    name: str | None
    place: Place


class _Counted(NamedTuple):
    """How many jobs of one request and name earlier manifests made, and how many ``manifest`` asked for so far."""

    manifest: str
    before: int
    asked: int


class JobRegister:
    """Names, ids and repeats of one reading of all manifests.

    ``wanted`` are the texts whose first place is looked for. With ``several`` manifests it is kept who asked for
    what: a request that stands in two of them by one name is one job, and by two names two.
    """

    def __init__(self, wanted: frozenset[str] = frozenset(), *, several: bool = False) -> None:
        self.names = Names(wanted)
        self.given_ids = Names(wanted)
        self.identities = Identities()
        self.clashes: list[Clash] = []
        self._more_clashes: Counter[tuple[str, str]] = Counter()
        self.repeated = 0
        self.first_repeat: tuple[str, Place] | None = None
        self.shared = 0
        self.first_shared: Shared | None = None
        self.by_model: dict[str, int] = {}
        self.several = several
        self._asked: dict[int, _Counted] = {}

    def is_shared(self, first_id: str, name: str | None, manifest: str) -> bool:
        """Whether an earlier manifest has this job already; to be asked once a job, with ``several`` manifests."""
        key = hash((first_id, name))
        counted = self._asked.get(key, _Counted(manifest, 0, 0))
        if counted.manifest != manifest:
            counted = _Counted(manifest, max(counted.before, counted.asked), 0)
        self._asked[key] = counted._replace(asked=counted.asked + 1)
        return counted.asked < counted.before

    def add_shared(self, shared: Shared) -> None:
        """Note a job that an earlier manifest has already."""
        self.shared += 1
        if self.first_shared is None:
            self.first_shared = shared

    def count_model(self, model: str) -> str:
        """Count a job of the model."""
        self.by_model[model] = self.by_model.get(model, 0) + 1
        return model

    def add_clash(self, field: str, text: str, place: Place, suggestion: str) -> None:
        """Note that a name or an id was taken."""
        if len(self.clashes) < KEPT:
            self.clashes.append(Clash(field, text, self._names_for(field).asked, place, suggestion))
        else:
            self._more_clashes[place.file, field] += 1

    def add_repeat(self, first_id: str, place: Place) -> None:
        """Note a job that asks for what an earlier one asked for; ``first_id`` is that one's id."""
        self.repeated += 1
        if self.first_repeat is None:
            self.first_repeat = (first_id, place)

    @property
    def clashing(self) -> frozenset[str]:
        """What to look for in a second reading."""
        return frozenset(clash.text for clash in self.clashes)

    def report_clashes(self, problems: Problems, second: JobRegister) -> None:
        """Turn the clashes into problems that name both places, known from a second reading."""
        for clash in self.clashes:
            asked, first = second._names_for(clash.field).first[clash.text]
            if asked == clash.asked:
                continue  # only the hashes are equal, not the names
            message = f"{shown(clash.text)} {_TAKEN}, by {first}"
            problems.add(clash.place.file, clash.place.line, clash.field, message, clash.suggestion, kind=_TAKEN)
        for (file, field), count in self._more_clashes.items():
            problems.add_more(file, field, _TAKEN, count)

    def _names_for(self, field: str) -> Names:
        return self.given_ids if field == "id" else self.names
