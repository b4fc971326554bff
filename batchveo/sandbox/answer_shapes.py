"""The shapes of a model's answers: the service documents several, and which one comes depends on the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from batchveo.provider.catalog import Model
from batchveo.sandbox.prices import find_price, is_veo, to_usd
from batchveo.sandbox.seeded_random import SeededRandom

_CHANCES = SeededRandom("answers")
_USAGES = (("credits_used", "usd_spent"), ("credits_used",), ("usd_spent",), ("tokens_used",))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerShape:
    """How a model's answers are written.

    ``video``: an object, a list of objects, or a list of addresses. ``id_name``: the field of a submit's answer that
    has the id. ``usage``: the fields of ``meta.usage``; ``usage_on_submit``: a submit's answer has them already.
    ``lists_details``: a wrong request is refused as ``{"detail": [{"msg"}]}``.
    """

    video: Literal["object", "objects", "addresses"] = "object"
    id_name: Literal["id", "generation_id"] = "id"
    usage: tuple[str, ...] = _USAGES[0]
    usage_on_submit: bool = False
    lists_details: bool = False

    def describe_usage(self, credits_used: int) -> dict[str, object]:
        """The ``meta`` of an answer that names the price."""
        amounts = {"credits_used": credits_used, "usd_spent": to_usd(credits_used), "tokens_used": credits_used}
        return {"usage": {name: amounts[name] for name in self.usage}}


def find_shape(model: Model) -> AnswerShape:
    """The shapes of a model's answers, the same for the same name in every process."""
    if is_veo(model):
        return AnswerShape()
    # a price that no list tells is of use only if the answer to a submit has it
    early = find_price(model).kind == "variable" or _CHANCES.draw_uniform("early", model.id) < 0.25
    return AnswerShape(
        video=_CHANCES.draw_choice(("object", "object", "objects", "addresses"), "video", model.id),
        id_name=_CHANCES.draw_choice(("id", "id", "generation_id"), "id", model.id),
        usage=_CHANCES.draw_choice(_USAGES, "usage", model.id),
        usage_on_submit=early,
        lists_details=_CHANCES.draw_uniform("details", model.id) < 0.25,
    )
