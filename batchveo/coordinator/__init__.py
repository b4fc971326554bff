"""The one that writes the state of a run: it gives jobs to workers, and records what they say came of them."""

from batchveo.coordinator.coordinator import Coordinator
from batchveo.coordinator.ending import single_error
from batchveo.coordinator.local import LocalDesk
from batchveo.coordinator.result import RunResult

__all__ = ["Coordinator", "LocalDesk", "RunResult", "single_error"]
