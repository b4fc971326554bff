"""The database of jobs, in SQLite: the queue, the record, the history.

The only package that speaks SQL. Each method that writes is one transaction, and each move compares the state that
it comes from, so that two processes never move one job twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from batchveo.core.models import Job, JobState
from batchveo.store.attempt_keys import AttemptKeys
from batchveo.store.chain_queries import ChainQueries
from batchveo.store.clip_facts import ClipFacts
from batchveo.store.clip_figures import ClipFigures
from batchveo.store.database import Connection
from batchveo.store.deliveries import Deliveries
from batchveo.store.display_queries import ChartQueries, ProgressQueries
from batchveo.store.importer import Importer
from batchveo.store.job_listing import JobListing
from batchveo.store.job_search import JobSearch
from batchveo.store.links import Links
from batchveo.store.manual import Manual
from batchveo.store.price_cache import PriceCache
from batchveo.store.queries import Counts, Queries
from batchveo.store.runs import Runs
from batchveo.store.skipped_jobs import SkippedJobs
from batchveo.store.takes import Takes
from batchveo.store.transitions import Transitions
from batchveo.store.uploads import Uploads
from batchveo.store.verdicts import Verdicts
from batchveo.store.votes import Votes
from batchveo.store.waiting_jobs import WaitingJobs


class Store:
    """An open database; a context manager, for one thread. ``Store(path)`` makes the file if there is none.

    Its parts have the methods, one part for each kind of caller; they share one connection. Most scripts need only
    ``jobs``, ``counts`` and ``spend``.
    """

    def __init__(self, path: str | os.PathLike[str], *, writing: bool = True) -> None:
        connection = self.connection = Connection(path, writing=writing)
        queries = self.queries = Queries(connection)
        runs = self.runs = Runs(connection)
        imports = self.imports = Importer(connection)
        transitions = self.transitions = Transitions(connection, queries)
        self.skipped = SkippedJobs(connection, queries)
        self.manual = Manual(connection, queries=queries, transitions=transitions, imports=imports, runs=runs)
        self.listing = JobListing(connection)
        self.search = JobSearch(connection)
        self.charts = ChartQueries(connection, runs)
        self.progress = ProgressQueries(connection, queries)
        self.prices = PriceCache(connection)
        self.keys = AttemptKeys(connection)
        facts = self.facts = ClipFacts(connection)
        takes = self.takes = Takes(connection, queries, transitions, facts)
        self.verdicts = Verdicts(connection, queries, transitions, takes)
        votes = self.votes = Votes(connection)
        self.links = Links(connection, queries, transitions, votes)
        self.uploads = Uploads(connection)
        self.chains = ChainQueries(connection)
        self.waiting = WaitingJobs(connection)
        self.deliveries = Deliveries(connection)
        self.figures = ClipFigures(connection)

    @classmethod
    def existing(cls, path: str | os.PathLike[str]) -> Self:
        """Open for writing a database that must exist: an empty new one would hide a typing error."""
        cls(path, writing=False).close()
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release the run lock."""
        self.connection.close()

    @property
    def path(self) -> Path:
        """The database file."""
        return self.connection.path

    def jobs(self, *states: JobState) -> Iterator[Job]:
        """The jobs in ``states`` (without any: all jobs), in manifest order, streamed."""
        return self.queries.list_jobs(*states)

    def counts(self, *, run: int | None = None) -> Counts:
        """How many jobs are in each state, in the whole database or among those that ``run`` took on."""
        return self.queries.count_jobs(run=run)

    def spend(self) -> tuple[float, int]:
        """US dollars known to be charged, and the number of finished videos whose price is not known."""
        return self.queries.read_spend()
