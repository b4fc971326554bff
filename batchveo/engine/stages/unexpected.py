"""What a stage does not raise, unless an answer was so strange that nobody thought of it."""

from __future__ import annotations

from batchveo.core.events import Message
from batchveo.core.models import Job
from batchveo.provider.http_errors import describe_exception

UNEXPECTED = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, OSError, MemoryError)
"""One job's trouble, never the end of a night. Errors of the state are not among them; those end the run."""


def unexpected(job: Job, error: Exception) -> tuple[str, Message]:
    """The reason in words, with what to tell a person."""
    reason = f"unexpected {describe_exception(error)}"
    return reason, Message(text=f"{job.name}: {reason}; please report this", warning=True)
