"""How jobs come into the state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchveo.errors import UsageError
from batchveo.models import InputFile, JobSpec, JobState
from batchveo.paths import distinct_stem, fold
from batchveo.store import sql
from batchveo.store.connection import Connection
from batchveo.store.rows import named_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What expanding the manifests did to the state."""

    named: int = 0
    new: int = 0
    renamed: int = 0
    by_state: Mapping[JobState, int] = field(default_factory=dict)
    no_longer_named: Mapping[JobState, int] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """Jobs that the state had already."""
        return self.named - self.new


class Expanding(Connection):
    """Verbs that take in what manifests name."""

    def add(self, specs: Iterable[JobSpec], *, run: int, now: float) -> Added:
        """Take in what the manifests name: new jobs become pending, known ones stay what they are.

        One transaction: where ``specs`` raises, nothing is added.
        """
        with self._transaction():
            self._db.execute(sql.CREATE_NAMED)
            self._db.execute(sql.CLEAR_NAMED)
            self._db.executemany(sql.NAME, self._named_rows(specs))
            stamp = {"run": run, "now": now}
            renamed = self._db.execute(sql.RENAME_PENDING).rowcount
            self._db.execute(sql.RELABEL)
            new = self._db.execute(sql.ADD_NAMED, stamp).rowcount + self._add_namesakes(stamp)
            self._db.execute(sql.TALLY_NEW, {"new": new})
            self._db.execute(sql.TAKE_ON_NAMED, stamp)
            named = self._db.execute(sql.COUNT_NAMED).fetchone()[0]
            states = {JobState(row["state"]): row["jobs"] for row in self._db.execute(sql.NAMED_BY_STATE)}
            gone = {JobState(row["state"]): row["jobs"] for row in self._db.execute(sql.NO_LONGER_NAMED)}
        return Added(named=named, new=new, renamed=renamed, by_state=states, no_longer_named=gone)

    def _named_rows(self, specs: Iterable[JobSpec]) -> Iterator[dict[str, object]]:
        for position, spec in enumerate(specs):
            for item in spec.inputs:
                if not self._db.execute(sql.HAS_INPUT, (item.sha256,)).fetchone():
                    self._db.execute(sql.ADD_INPUT, (item.sha256, item.media_type, _content(item)))
            yield named_row(spec, position)

    def _add_namesakes(self, stamp: Mapping[str, object]) -> int:
        """Add the jobs whose file name another job has, under a name of their own."""
        namesakes = self._db.execute(sql.NOT_ADDED).fetchall()
        for row in namesakes:
            stem = distinct_stem(row["stem"], row["id"])
            self._db.execute(sql.ADD_ONE, {**dict(row), **stamp, "stem": stem, "fold": fold(stem)})
        return len(namesakes)

    def take_on_all(self, run: int) -> None:
        """Make every unfinished job this run's business."""
        with self._transaction():
            self._db.execute(sql.TAKE_ON_ALL, {"run": run})

    def input_file(self, sha256: str) -> tuple[str, bytes]:
        """Media type and content of an input file kept in the state."""
        row = self._db.execute(sql.INPUT, (sha256,)).fetchone()
        return row["media_type"], row["content"]


def _content(item: InputFile) -> bytes:
    """The bytes of an input file, which must still be those that were validated."""
    content = Path(item.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != item.sha256:
        raise UsageError(f"{item.path} changed while the manifest was read; nothing was written, run again")
    return content
