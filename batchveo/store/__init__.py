"""The state, behind verbs."""

from batchveo.store.import_preview import Foreseen, foresee
from batchveo.store.importer import Added
from batchveo.store.overlap import Acquaintance, acquaintance
from batchveo.store.price_cache import Quote
from batchveo.store.queries import Counts
from batchveo.store.recovery import FinishedVideo
from batchveo.store.staging import StagingTable
from batchveo.store.store import Store
from batchveo.store.transitions import BudgetShort, GenerationTaken, MoveLost

__all__ = [
    "Acquaintance",
    "Added",
    "BudgetShort",
    "Counts",
    "FinishedVideo",
    "Foreseen",
    "GenerationTaken",
    "MoveLost",
    "Quote",
    "StagingTable",
    "Store",
    "acquaintance",
    "foresee",
]
