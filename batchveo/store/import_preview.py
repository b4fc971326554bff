"""What becomes of the jobs that manifests name if they are added to a database: a look, before they are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from batchveo.core.job_row import chain_place, input_files
from batchveo.core.models import InputFile, JobState
from batchveo.store.database import Connection
from batchveo.store.mapping import IS_LATER
from batchveo.store.queries import LastTake
from batchveo.store.staging import StagingTable

# a file name is taken if a job of the database has it, also in another case or another Unicode form
_PREVIEW = """SELECT named.fold, named.id, named.name, coalesce(jobs.stem, named.stem), named.model, named.request,
        named.source, named.line, named.inputs, jobs.state,
        jobs.id IS NULL AND EXISTS (SELECT 1 FROM jobs AS other WHERE other.fold = named.fold),
        named.policy, named.tries, {last}, named.chain
    FROM temp.named LEFT JOIN jobs ON jobs.id = named.id {takes} ORDER BY named.position"""
PREVIEW = _PREVIEW.format(last="1, jobs.state, NULL, 0", takes="")
PREVIEW_TAKES = _PREVIEW.format(
    last="""coalesce(last.take, 1), last.state,
        CASE WHEN last.policy IS (SELECT id FROM policies WHERE policies.policy = named.policy)
             THEN CASE WHEN jobs.verdict = 'accepted' THEN jobs.verdict ELSE last.verdict END END,
        (jobs.state = 'pending' AND jobs.seq != last.seq) + (SELECT count(*) FROM jobs AS other
            WHERE other.take_of = jobs.seq AND other.state = 'pending' AND other.seq != last.seq)""",
    takes=f"""LEFT JOIN jobs AS last ON last.seq = coalesce(
        (SELECT seq FROM jobs AS later WHERE later.take_of = jobs.seq AND {IS_LATER.format("jobs")}
         ORDER BY later.take DESC LIMIT 1), jobs.seq)""",
)
# most databases have no takes, and to look for those of a million jobs takes seconds
HAS_TAKES = """SELECT EXISTS (SELECT 1 FROM jobs WHERE take_of IS NOT NULL)
    OR EXISTS (SELECT 1 FROM temp.written WHERE policy IS NOT NULL)"""
PREVIEW_ALONE = """SELECT fold, id, name, stem, model, request, source, line, inputs, NULL, 0, policy, tries,
        1, NULL, NULL, 0, chain
    FROM temp.named ORDER BY position"""
_STATES: Mapping[str | None, JobState | None] = {None: None, **{state.value: state for state in JobState}}


class PreviewedJob(NamedTuple):
    """A named job as it would be in the database; a tuple because a million of them pass.

    ``state`` is ``None`` if the job is new.

    ``taken``: a job of the database, or an earlier one of the same call, has its file name. ``last``: its last take,
    with the policy that is named now. ``parents``: the ids of the jobs whose videos it is made from.
    """

    id: str
    name: str
    stem: str
    model: str
    request: Mapping[str, Any]
    source: str
    line: int | None
    inputs: tuple[InputFile, ...]
    state: JobState | None
    taken: bool
    last: LastTake = LastTake()
    parents: tuple[str, ...] = ()

    @property
    def is_due(self) -> bool:
        """Whether a run that names it would submit it."""
        return self.state in (None, JobState.PENDING)


def preview_jobs(named: StagingTable, state: Path | None) -> Iterator[PreviewedJob]:
    """Each job of ``named`` in its order; ``state`` is a database, or ``None`` if there is none yet."""
    if state is not None:
        Connection(state, writing=False).close()  # refuses other files, and migrates an older database
    with nullcontext(named.connection) if state is None else named.attach_database(state) as db:
        query = PREVIEW_ALONE
        named.fit_to_database(is_attached=state is not None)
        if state is not None:
            query = PREVIEW_TAKES if db.execute(HAS_TAKES).fetchone()[0] else PREVIEW
        yield from _preview_rows(db, query)


def _preview_rows(db: sqlite3.Connection, query: str) -> Iterator[PreviewedJob]:
    folds: set[int] = set()
    with closing(db.execute(query)) as rows:
        for row in rows:
            fold, job_id, name, stem, model, request, source, line, inputs, state, taken = row[:11]
            policy, tries, number, last_state, verdict, waiting, chain = row[11:]
            key = hash(fold)
            is_taken = bool(taken) or (state is None and key in folds)
            folds.add(key)
            yield PreviewedJob(
                id=job_id,
                name=name,
                stem=stem,
                model=model,
                request=json.loads(request),
                source=source,
                line=line,
                inputs=input_files(inputs),
                state=_STATES[state],
                taken=is_taken,
                last=LastTake(policy, tries, number, _STATES[last_state], verdict, waiting or 0),
                parents=_list_parents(chain),
            )


def _list_parents(chain: str | None) -> tuple[str, ...]:
    place = chain_place(chain)
    return () if place is None else tuple(link.parent for link in place.parents)
