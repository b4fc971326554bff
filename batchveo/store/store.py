"""The state of every job, in SQLite: the queue, the record, the history.

The only room that speaks SQL. Its methods are verbs of the domain; each that writes is one transaction, and
each move compares the state it comes from, so that two processes never move one job twice.
"""

from __future__ import annotations

from batchveo.store.browsing import Browsing
from batchveo.store.charting import Charting
from batchveo.store.foreseeing import Foreseeing
from batchveo.store.key_prints import KeyPrints
from batchveo.store.placing import Placing
from batchveo.store.quotes import Quotes
from batchveo.store.recovery import Recovery
from batchveo.store.watching import Watching


class Store(Recovery, Browsing, Charting, Foreseeing, KeyPrints, Placing, Quotes, Watching):
    """An open state file, with all its verbs. ``Store(path)`` makes the file where there is none."""
