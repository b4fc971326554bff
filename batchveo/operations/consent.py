"""What whoever runs has agreed to beforehand, or is asked when it comes up, before anything is bought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from batchveo.core.errors import Declined, UsageError

Confirm = Callable[[str], bool]
"""Asks a person a question that yes or no answers; may take its time, for nothing else goes on meanwhile."""
NOTHING_DONE = "nothing was written or bought"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What may be, and who is asked about the rest.

    ``new_state``: the database may be new to the jobs, though another one knows them. ``missing_videos``: the
    finished videos may be missing from their folder. ``confirm``: ``None`` where nobody is there to be asked.
    """

    new_state: bool = False
    missing_videos: bool = False
    confirm: Confirm | None = None

    def require(self, finding: str, advice: str, refusal: type[UsageError]) -> None:
        """Ask whether to go on in spite of ``finding``.

        Raises ``refusal``, with the ``advice`` what to do, where nobody is there to be asked, and ``Declined``
        where the answer is no.
        """
        if self.confirm is None:
            raise refusal(f"{finding}\n{advice}\n{NOTHING_DONE}")
        if not self.confirm(f"{finding}\n{advice}"):
            raise Declined(f"not begun: {NOTHING_DONE}")
