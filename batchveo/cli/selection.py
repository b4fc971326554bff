"""Which jobs a command means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchveo.core.errors import UsageError
from batchveo.core.hints import format_command
from batchveo.core.models import Job, JobState
from batchveo.store import Store


def in_states(store: Store, states: Sequence[JobState]) -> list[Job]:
    """All jobs in ``states``, in manifest order within each."""
    return list(store.jobs(*states))


def selected(store: Store, keys: Sequence[str]) -> Iterator[Job]:
    """The jobs that ``keys`` name (id or its beginning, name, generation id); all known before the first.

    Raises ``UsageError`` that names every key that is unknown or means several jobs.
    """
    found: dict[int, Job] = {}
    wrong: list[str] = []
    for key in keys:
        jobs = store.queries.find_jobs(key)
        if len(jobs) == 1:
            found[jobs[0].seq] = jobs[0]
        else:
            wrong.append(
                f"{key!r} is not a job of this database" if not jobs else f"{key!r} matches several jobs; use an id"
            )
    if wrong:
        raise UsageError(f"{'; '.join(wrong)}. `{format_command('jobs', state=store.path)}` lists them")
    yield from found.values()
