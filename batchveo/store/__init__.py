"""The state, behind verbs."""

from batchveo.store.acquaintance import Acquaintance, acquaintance
from batchveo.store.expanding import Added
from batchveo.store.foreseeing import Foreseen, foresee
from batchveo.store.looking import Counts
from batchveo.store.moving import BudgetShort, GenerationTaken, MoveLost
from batchveo.store.quotes import Quote
from batchveo.store.recovery import FinishedVideo
from batchveo.store.scratch import StagingTable
from batchveo.store.store import Store

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
