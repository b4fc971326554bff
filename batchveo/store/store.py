"""The state of every job, in SQLite: the queue, the record, the history.

The only room that speaks SQL. Its methods are verbs of the domain; each that writes is one transaction, and
each move compares the state it comes from, so that two processes never move one job twice.
"""

from __future__ import annotations

from batchveo.store.attempt_keys import KeyPrints
from batchveo.store.chart_queries import Charting
from batchveo.store.import_preview import Foreseeing
from batchveo.store.job_search import Browsing
from batchveo.store.placing import Placing
from batchveo.store.price_cache import Quotes
from batchveo.store.progress_queries import Watching
from batchveo.store.recovery import Recovery


class Store(Recovery, Browsing, Charting, Foreseeing, KeyPrints, Placing, Quotes, Watching):
    """An open state file, with all its verbs. ``Store(path)`` makes the file where there is none."""
