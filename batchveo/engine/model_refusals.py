"""The models that the service refuses with one API key, while it accepts others."""

from __future__ import annotations

from dataclasses import dataclass, field

REFUSALS_OF_MODEL = 3
"""Refusals of one model in a row, without an accepted job between them, that show it is not about single jobs."""
PROBES = 3
"""Jobs from other parts of the manifest that are tried first: refused jobs may be neighbours."""
LOOK_AGAIN_SECONDS, LOOK_AGAIN_CAP_SECONDS = 300.0, 3600.0
"""Seconds until one job of a refused model is tried again: at first, and at most."""


@dataclass(slots=True)
class Refusal:
    """The refusal of one model. Times are seconds since the epoch.

    ``examining``: its cause is being looked up. ``whole``: the model is refused, not one of its jobs. ``was_whole``:
    it was, and one job finds out whether it still is. ``looked``: that job was tried after a long time. ``jobs``: the
    numbers of the jobs that were refused themselves.
    """

    reason: str = ""
    in_a_row: int = 0
    examining: bool = False
    whole: bool = False
    was_whole: bool = False
    look_at: float = float("inf")
    gap: float = LOOK_AGAIN_SECONDS
    probes: int = PROBES
    looked: bool = False
    jobs: set[int] = field(default_factory=set)


class Refusals:
    """The refusals of one key, by the model's name."""

    def __init__(self) -> None:
        self._by_model: dict[str, Refusal] = {}

    def pause_model(self, model: str) -> None:
        """Submit no job of ``model`` until the cause of its refusal is known."""
        self._get_refusal(model).examining = True

    def resume_model(self, model: str) -> None:
        """Submit jobs of ``model`` again: the refusal was not about it."""
        self._get_refusal(model).examining = False

    def add_refusal(self, model: str, reason: str, *, job: int, now: float, whole: bool = False) -> Refusal:
        """Count a refusal of ``model`` or of one of its jobs; ``whole``: it names the model.

        The same job refused again does not count.
        """
        refusal = self._get_refusal(model)
        refusal.reason, refusal.examining = reason, False
        refusal.in_a_row += job not in refusal.jobs
        refusal.jobs.add(job)
        refusal.whole = refusal.was_whole = whole or refusal.was_whole or refusal.in_a_row >= REFUSALS_OF_MODEL
        refusal.probes = 0 if whole else refusal.probes
        refusal.look_at = now + refusal.gap
        refusal.gap = min(2 * refusal.gap, LOOK_AGAIN_CAP_SECONDS)
        return refusal

    def take_probe(self, model: str) -> bool:
        """Use one of the probes of ``model``, which seems refused; returns whether another job is tried at once."""
        refusal = self._get_refusal(model)
        if not refusal.whole or not refusal.probes:
            return False
        refusal.probes -= 1
        refusal.whole = False
        return True

    def end_refusal(self, model: str, *, job: int, now: float) -> bool:
        """End the refusal of ``model``, of which ``job`` was accepted; returns whether the whole model was refused.

        Jobs that were refused themselves wait for their own next try.
        """
        refusal = self._by_model.get(model)
        if refusal is None:
            return False
        refusal.jobs.discard(job)
        if refusal.was_whole and refusal.looked:  # time has passed: what was refused then may be fine now
            refusal.jobs.clear()
        refusal.looked = False
        was_whole = refusal.was_whole
        refusal.in_a_row, refusal.probes = 0, PROBES
        refusal.whole = refusal.was_whole = False
        if was_whole or refusal.look_at == float("inf"):
            refusal.gap = LOOK_AGAIN_SECONDS
            refusal.look_at = now + refusal.gap if refusal.jobs else float("inf")
        return was_whole

    def list_refused_jobs(self, model: str) -> list[int]:
        """The numbers of the jobs of ``model`` that were refused themselves, and not accepted since."""
        return sorted(self._get_refusal(model).jobs)

    def list_models(self) -> tuple[str, ...]:
        """The models of which no job is submitted now."""
        return tuple(model for model, refusal in self._by_model.items() if refusal.examining or refusal.whole)

    def is_refused(self, model: str) -> bool:
        """Whether the whole model is refused."""
        return model in self._by_model and self._by_model[model].whole

    def find_reason(self, model: str) -> str:
        """The service's last reason for refusing ``model``."""
        return self._get_refusal(model).reason

    def list_due(self, now: float) -> list[str]:
        """The models of which one job may be tried again now."""
        return [model for model, refusal in self._by_model.items() if refusal.look_at <= now]

    def begin_trial(self, model: str) -> None:
        """Let one job of ``model`` be tried; its outcome counts for all."""
        refusal = self._get_refusal(model)
        refusal.look_at = float("inf")
        refusal.whole = False
        refusal.looked = True

    def _get_refusal(self, model: str) -> Refusal:
        return self._by_model.setdefault(model, Refusal())
