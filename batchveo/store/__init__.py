"""The state, behind verbs."""

from batchveo.store.expanding import Added
from batchveo.store.foreseeing import Foreseen, foresee
from batchveo.store.looking import Counts
from batchveo.store.moving import BudgetShort, GenerationTaken, MoveLost
from batchveo.store.quotes import Quote
from batchveo.store.scratch import Scratch
from batchveo.store.store import Store

__all__ = [
    "Added",
    "BudgetShort",
    "Counts",
    "Foreseen",
    "GenerationTaken",
    "MoveLost",
    "Quote",
    "Scratch",
    "Store",
    "foresee",
]
