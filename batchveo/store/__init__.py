"""The state, behind verbs."""

from batchveo.store.import_preview import PreviewedJob, preview_jobs
from batchveo.store.importer import Added
from batchveo.store.known_jobs import KnownJobs, count_known_jobs
from batchveo.store.manual import FinishedVideo, Successor
from batchveo.store.price_cache import Quote
from batchveo.store.queries import Counts, LastTake
from batchveo.store.staging import StagingTable
from batchveo.store.store import Store
from batchveo.store.transitions import BudgetShort, GenerationTaken, MoveLost
from batchveo.store.waiting_jobs import BlockedCount

__all__ = [
    "Added",
    "BlockedCount",
    "BudgetShort",
    "Counts",
    "FinishedVideo",
    "GenerationTaken",
    "KnownJobs",
    "LastTake",
    "MoveLost",
    "PreviewedJob",
    "Quote",
    "StagingTable",
    "Store",
    "Successor",
    "count_known_jobs",
    "preview_jobs",
]
