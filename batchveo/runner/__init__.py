"""The run on one machine: a coordinator and its worker in one process."""

from batchveo.coordinator import RunResult
from batchveo.runner.run import Run
from batchveo.settings import Doubt, RunSettings

__all__ = ["Doubt", "Run", "RunResult", "RunSettings"]
