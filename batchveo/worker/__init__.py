"""What does the work of a run: submits, polls and downloads, for a desk that may be near or far."""

from batchveo.worker.worker import Worker

__all__ = ["Worker"]
