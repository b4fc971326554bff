"""The models that the service refuses to make with one key, while other models are fine."""

from __future__ import annotations

from dataclasses import dataclass

REFUSALS_BELIEVED = 3
"""Refusals of one model in a row, and none accepted in between, which show that it is not about single jobs."""
LOOK_AGAIN_SECONDS, LOOK_AGAIN_CAP_SECONDS = 300.0, 3600.0
"""How long until one job of a refused model is tried again, first and at the most."""


@dataclass(slots=True)
class Refusal:
    """What the service says about one model. Times are seconds since the epoch.

    ``asking``: while it is looked into. ``whole``: the model is refused, not one of its jobs. ``was_whole``: it
    was, and one job finds out whether it still is.
    """

    words: str = ""
    in_a_row: int = 0
    asking: bool = False
    whole: bool = False
    was_whole: bool = False
    look_at: float = float("inf")
    gap: float = LOOK_AGAIN_SECONDS


class Refusals:
    """All of them, by the model's name."""

    def __init__(self) -> None:
        self._by_model: dict[str, Refusal] = {}

    def ask(self, model: str) -> None:
        """Submit no job of ``model`` until it is known what its refusal is about."""
        self._of(model).asking = True

    def drop(self, model: str) -> None:
        """The refusal was not about ``model``."""
        self._of(model).asking = False

    def add(self, model: str, words: str, *, now: float, whole: bool = False) -> Refusal:
        """Count a refusal that is about ``model`` or one of its jobs; ``whole``: about the model for certain."""
        refusal = self._of(model)
        refusal.words, refusal.asking = words, False
        refusal.in_a_row += 1
        refusal.whole = refusal.was_whole = whole or refusal.was_whole or refusal.in_a_row >= REFUSALS_BELIEVED
        refusal.look_at = now + refusal.gap
        refusal.gap = min(2 * refusal.gap, LOOK_AGAIN_CAP_SECONDS)
        return refusal

    def end(self, model: str) -> bool:
        """A job of ``model`` was accepted; tells whether the whole model had been refused before.

        If only single jobs had been, each of them waits for its own next try.
        """
        refusal = self._by_model.get(model)
        if refusal is None:
            return False
        refusal.in_a_row = 0
        if refusal.was_whole:
            del self._by_model[model]
        return refusal.was_whole

    def models(self) -> tuple[str, ...]:
        """The models of which no job is submitted now."""
        return tuple(model for model, refusal in self._by_model.items() if refusal.asking or refusal.whole)

    def refuses(self, model: str) -> bool:
        """Whether the whole model is refused."""
        return model in self._by_model and self._by_model[model].whole

    def words_about(self, model: str) -> str:
        """What the service said of ``model`` last."""
        return self._of(model).words

    def due(self, now: float) -> list[str]:
        """The models of which one job may be tried again now."""
        return [model for model, refusal in self._by_model.items() if refusal.look_at <= now]

    def try_one(self, model: str) -> None:
        """One job of ``model`` is tried: what comes of it counts for all."""
        refusal = self._of(model)
        refusal.look_at = float("inf")
        refusal.whole = False

    def _of(self, model: str) -> Refusal:
        return self._by_model.setdefault(model, Refusal())
