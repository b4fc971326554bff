"""What the commands share that take jobs by their names: the argument, and its completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batchveo.core.errors import BatchveoError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MOST_COMPLETED = 200
"""Names that a shell is given at most."""


def complete_jobs(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Completes the name of a job, or its id if a shell might split the name."""
    import sqlite3

    from click.shell_completion import CompletionItem

    from batchveo.core.formatting import state_words
    from batchveo.core.hints import job_argument
    from batchveo.core.models import JobState
    from batchveo.store import Store

    try:
        with Store(context.params["state"], writing=False) as store:
            rows = store.listing.list_names(word, most=MOST_COMPLETED)
    except (BatchveoError, sqlite3.Error, OSError, KeyError):  # a word that is being typed must not fail
        return []
    return [
        CompletionItem(job_argument(name, job_id), help=f"{state_words(JobState(job_state))}: {name}")
        for name, job_id, job_state in rows
    ]


jobs_argument = click.argument("jobs", nargs=-1, metavar="[JOB]...", shell_complete=complete_jobs)
job_argument = click.argument("job", metavar="JOB", shell_complete=complete_jobs)
