"""The invented prices of the sandbox, and the names of its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Literal

from batchveo.provider.catalog import MODELS, Model

CREDITS_PER_USD = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """The US dollars that a second of video costs, and how the catalogue shows it.

    ``per``: the number of seconds that a shown price is for. ``large``: the factor of the price at 1080p.
    """

    silent: float
    sound: float
    large: float = 1.0
    per: int = 1
    kind: Literal["variants", "fixed", "variable"] = "variants"

    def find_rate(self, resolution: object, audio: object) -> float:
        """US dollars for a second at this resolution, with sound or without."""
        base = self.silent if audio is False else self.sound
        return base * (self.large if str(resolution).lower() == "1080p" else 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The name that the catalogue shows for a model, and the other names that a request may use."""

    id: str
    aliases: tuple[str, ...] = ()


_STANDARD = ModelPrice(silent=0.26, sound=0.52)
_FAST = ModelPrice(silent=0.13, sound=0.195, per=8)
_LITE = ModelPrice(silent=0.04, sound=0.065, large=1.6)

_PRICES: Mapping[str, ModelPrice] = MappingProxyType(
    {
        **{name: _FAST if "fast" in name else _LITE if "lite" in name else _STANDARD for name in MODELS},
        "veo2": ModelPrice(silent=0.455, sound=0.455, kind="fixed"),
        "google/veo3-1-extend-video": ModelPrice(silent=0.26, sound=0.52, kind="variable"),
    }
)
LISTINGS: Mapping[str, Listing] = MappingProxyType(
    {
        **{name: Listing(id=name) for name in MODELS},
        "google/veo3": Listing(id="google/veo-3.0", aliases=("google/veo3", "veo3")),
        "google/veo-3.1-t2v": Listing(id="google/veo-3.1-t2v", aliases=("veo-3.1-t2v",)),
        "google/veo-3.1-t2v-fast": Listing(id="google/veo-3.1-t2v-fast", aliases=("veo-3.1-t2v-fast",)),
        "veo2": Listing(id="google/veo2", aliases=("veo2",)),
    }
)
MODELS_BY_NAME: Mapping[str, Model] = MappingProxyType(
    {name: MODELS[key] for key, listing in LISTINGS.items() for name in (key, listing.id, *listing.aliases)}
)
"""The models by each name that a request may use."""


def count_credits(model: Model, request: Mapping[str, object], seconds: int) -> int:
    """The credits that this request costs once its video is complete."""
    chosen = {name: request.get(name, param.default) for name, param in model.params.items()}
    rate = _PRICES[model.id].find_rate(chosen.get("resolution"), chosen.get("generate_audio"))
    return round(rate * seconds * CREDITS_PER_USD)


def to_usd(credits_used: int) -> float:
    """Credits as US dollars."""
    return credits_used / CREDITS_PER_USD


def describe_pricing(model: Model) -> dict[str, object]:
    """The model's ``pricing`` as the catalogue shows it."""
    price = _PRICES[model.id]
    if price.kind == "variable":
        return {"kind": "variable", "currency": "USD"}
    if price.kind == "fixed":
        unit = {"name": "output_video", "measure": "second", "price": price.sound, "per": 1}
        return {"kind": "fixed", "currency": "USD", "units": [unit]}
    dimensions = [name for name in ("resolution", "generate_audio") if name in model.params]
    combinations = product(*(model.params[name].choices or (True, False) for name in dimensions))
    variants = [_describe_variant(price, dict(zip(dimensions, values, strict=True))) for values in combinations]
    return {"kind": "variants", "currency": "USD", "dimensions": dimensions, "variants": variants}


def _describe_variant(price: ModelPrice, when: Mapping[str, object]) -> dict[str, object]:
    rate = price.find_rate(when.get("resolution"), when.get("generate_audio"))
    return {"when": when, "price": round(rate * price.per, 6), "unit": "second", "per": price.per}


def describe_usage(credits_used: int, *, usd_only: bool = False) -> dict[str, object]:
    """The ``meta`` of an answer that names the price."""
    dollars = {"usd_spent": to_usd(credits_used)}
    return {"usage": dollars if usd_only else {"credits_used": credits_used, **dollars}}
