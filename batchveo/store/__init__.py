"""The state, behind verbs."""

from batchveo.store.store import Added, Counts, GenerationTaken, MoveLost, Store

__all__ = ["Added", "Counts", "GenerationTaken", "MoveLost", "Store"]
