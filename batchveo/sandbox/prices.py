"""The invented prices of the sandbox; they follow from a model's name and parameters alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Literal

from batchveo.provider.catalog import Model
from batchveo.provider.catalog.parameters import Param, ParamType, Value
from batchveo.sandbox.seeded_random import SeededRandom

CREDITS_PER_USD = 2_000_000

_DIMENSIONS = (
    "resolution", "duration", "generate_audio", "mode", "video_quality", "max_resolution", "frame_size", "shot_type",
    "acceleration", "character_orientation", "keep_audio",
)  # fmt: skip
"""The parameters that a price may depend on."""
_MOST_DIMENSIONS = 3
_CHANCES = SeededRandom("prices")

Kind = Literal["variants", "fixed", "variable"]
_KINDS: tuple[Kind, ...] = ("variants", "variants", "variants", "fixed", "variable")
Unit = Literal["second", "video"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """What a video of a model costs, and how the list shows it.

    ``rate``: US dollars for a ``unit`` with every factor at 1. ``per``: the number of units that a shown price is for.
    ``factors``: what each value of a parameter multiplies the rate by.
    """

    kind: Kind
    rate: float
    unit: Unit = "second"
    per: int = 1
    factors: Mapping[str, Mapping[Value, float]] = field(default_factory=dict)

    def find_shown(self, chosen: Mapping[str, Value]) -> float:
        """The price of ``per`` units with these values."""
        # a value that a request does not decide, such as null, changes nothing
        factors = (by_value.get(chosen.get(name), 1.0) for name, by_value in self.factors.items())
        return round(self.rate * self.per * prod(factors), 6)

    def count_credits(self, chosen: Mapping[str, Value], seconds: float) -> int:
        """The credits that a video costs; by the shown price, so that it is exactly what the list says."""
        units = seconds if self.unit == "second" else 1
        return round(self.find_shown(chosen) / self.per * units * CREDITS_PER_USD)

    def describe(self) -> dict[str, object]:
        """``pricing`` as the list shows it."""
        shown: dict[str, object] = {"kind": self.kind, "currency": "USD"}
        if self.kind == "fixed":
            unit = {"name": "output_video", "measure": self.unit, "price": self.find_shown({}), "per": self.per}
            return {**shown, "units": [unit]}
        if self.kind == "variants":
            chosen = [dict(zip(self.factors, values, strict=True)) for values in product(*self.factors.values())]
            return {**shown, "dimensions": list(self.factors), "variants": [self._describe_variant(c) for c in chosen]}
        return shown

    def _describe_variant(self, when: Mapping[str, Value]) -> dict[str, object]:
        return {"when": when, "price": self.find_shown(when), "unit": self.unit, "per": self.per}


def is_veo(model: Model) -> bool:
    """Whether it is a Veo model: these have the prices and the answers that the guides show."""
    return model.id.rpartition("/")[2].startswith("veo") or model.id.startswith("veo")


def find_price(model: Model) -> ModelPrice:
    """The price of a model: the same for the same name and parameters, in every process."""
    if is_veo(model):
        return _find_veo_price(model)
    unit = _choose_unit(model)
    factors = _find_factors(model, unit)
    kind = _CHANCES.draw_choice(_KINDS, "kind", model.id)
    if kind == "variants" and not factors:
        kind = "fixed"
    step = _CHANCES.draw_choice(range(4, 30), "rate", model.id)
    return ModelPrice(
        kind=kind,
        rate=step * (0.005 if unit == "second" else 0.025),
        unit=unit,
        per=_CHANCES.draw_choice((1, 1, 5, 8) if unit == "second" else (1, 1, 100), "per", model.id),
        factors={} if kind == "fixed" else factors,
    )


def count_credits(model: Model, request: Mapping[str, Value], seconds: float) -> int:
    """The credits that this request costs once its video is complete."""
    chosen = {name: model.find_value(request, name) for name in model.params}
    return find_price(model).count_credits(chosen, seconds)


def to_usd(credits_used: int) -> float:
    """Credits as US dollars."""
    return credits_used / CREDITS_PER_USD


def _find_veo_price(model: Model) -> ModelPrice:
    if model.id.startswith("veo2"):
        return ModelPrice(kind="fixed", rate=0.455)
    rate, silent, large, per = 0.52, 0.26, 1.0, 1
    if "fast" in model.id:
        rate, silent, per = 0.195, 0.13, 8
    elif "lite" in model.id:
        rate, silent, large = 0.065, 0.04, 1.6
    sizes = model.params["resolution"].choices if "resolution" in model.params else ()
    factors: dict[str, Mapping[Value, float]] = {
        "resolution": {size: large if str(size).lower() == "1080p" else 1.0 for size in sizes},
        "generate_audio": {True: 1.0, False: silent / rate},
    }
    return ModelPrice(
        kind="variable" if model.id == "google/veo3-1-extend-video" else "variants",
        rate=rate,
        per=per,
        factors={name: by_value for name, by_value in factors.items() if name in model.params},
    )


def _choose_unit(model: Model) -> Unit:
    duration = model.params.get("duration")
    if duration is None:
        return "video"
    options: tuple[Unit, ...] = ("second", "second", "video") if _is_decided(duration) else ("second", "video", "video")
    return _CHANCES.draw_choice(options, "unit", model.id)


def _find_factors(model: Model, unit: Unit) -> dict[str, Mapping[Value, float]]:
    """What the price depends on: parameters of few values that every request decides, if only by a default."""
    factors: dict[str, Mapping[Value, float]] = {}
    for name in _DIMENSIONS:
        param = model.params.get(name)
        if param is None or not _is_decided(param) or (name == "duration" and unit == "second"):
            continue
        values: tuple[Value, ...] = (False, True) if param.type is ParamType.BOOLEAN else param.choices
        if len(values) > 1 and len(factors) < _MOST_DIMENSIONS:
            factors[name] = _scale_values(name, values)
    return factors


def _scale_values(name: str, values: tuple[Value, ...]) -> dict[Value, float]:
    if name == "duration":
        shortest = min(value for value in values if isinstance(value, int | float))
        return {value: value / shortest for value in values if isinstance(value, int | float)}
    return {value: 1 + 0.5 * index for index, value in enumerate(values)}


def _is_decided(param: Param) -> bool:
    return not param.nullable and (param.required or param.default is not None)
