"""The state, behind verbs."""

from batchveo.store.store import Added, BudgetShort, Counts, GenerationTaken, MoveLost, Store

__all__ = ["Added", "BudgetShort", "Counts", "GenerationTaken", "MoveLost", "Store"]
