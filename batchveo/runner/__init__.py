"""The run: it opens things in order, keeps the four stages going, and ends well."""

from batchveo.runner.run import Run, RunResult
from batchveo.runner.settings import Doubt, RunSettings

__all__ = ["Doubt", "Run", "RunResult", "RunSettings"]
