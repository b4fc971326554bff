"""What is unique among all jobs of a call, and what clashed."""

from __future__ import annotations

from typing import NamedTuple

from batchveo.manifest.names import Names, Place
from batchveo.manifest.problems import KEPT, Problems


class Clash(NamedTuple):
    """A name or an id that was taken already, as the how-manieth that was asked for."""

    field: str
    text: str
    asked: int
    place: Place
    suggestion: str


class Register:
    """Names, ids and repeats of one reading of all manifests.

    ``wanted`` are the texts whose first place is looked for. With ``several`` manifests the ids of all jobs
    are kept: what stands in two of them is one job.
    """

    def __init__(self, wanted: frozenset[str] = frozenset(), *, several: bool = False) -> None:
        self.names = Names(wanted)
        self.given_ids = Names(wanted)
        self.clashes: list[Clash] = []
        self.clash_total = 0
        self.repeated = 0
        self.first_repeat: tuple[str, Place] | None = None
        self.by_model: dict[str, int] = {}
        self.keeps_ids = several
        self._ids: set[bytes] = set()

    def is_new(self, job_id: str) -> bool:
        """Whether no earlier manifest holds the job; to be asked where ids are kept."""
        key = bytes.fromhex(job_id)
        if key in self._ids:
            return False
        self._ids.add(key)
        return True

    def count(self, model: str) -> str:
        """Count a job of the model."""
        self.by_model[model] = self.by_model.get(model, 0) + 1
        return model

    def clash(self, field: str, text: str, place: Place, suggestion: str) -> None:
        """Note that a name or an id was taken."""
        self.clash_total += 1
        if len(self.clashes) < KEPT:
            self.clashes.append(Clash(field, text, self._of(field).asked, place, suggestion))

    def repeat(self, first_id: str, place: Place) -> None:
        """Note a job that asks for what an earlier one asked for; ``first_id`` is that one's id."""
        self.repeated += 1
        if self.first_repeat is None:
            self.first_repeat = (first_id, place)

    @property
    def clashing(self) -> frozenset[str]:
        """What to look for in a second reading."""
        return frozenset(clash.text for clash in self.clashes)

    def report(self, problems: Problems, second: Register) -> None:
        """Turn the clashes into problems that name both places, known from a second reading."""
        for clash in self.clashes:
            asked, first = second._of(clash.field).first[clash.text]
            if asked == clash.asked:
                self.clash_total -= 1  # only the hashes are equal, not the names
                continue
            message = f"{clash.text!r} is taken already, by {first}"
            problems.add(clash.place.file, clash.place.line, clash.field, message, clash.suggestion)
        problems.total += max(0, self.clash_total - len(self.clashes))

    def _of(self, field: str) -> Names:
        return self.given_ids if field == "id" else self.names
