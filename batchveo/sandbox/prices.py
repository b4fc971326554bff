"""The invented prices of the sandbox, and the names its models go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Literal

from batchveo.provider.catalog import MODELS, Model

CREDITS_PER_USD = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a second of video costs in US dollars, and how that is quoted.

    ``per`` is the number of seconds a quoted price is for; ``large`` multiplies the price at 1080p.
    """

    silent: float
    sound: float
    large: float = 1.0
    per: int = 1
    kind: Literal["variants", "fixed", "variable"] = "variants"

    def rate(self, resolution: object, audio: object) -> float:
        """US dollars for a second at this resolution, with sound or without."""
        base = self.silent if audio is False else self.sound
        return base * (self.large if str(resolution).lower() == "1080p" else 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The name a model is listed under, and the other names it may be asked for by."""

    id: str
    aliases: tuple[str, ...] = ()


_STANDARD = Tariff(silent=0.26, sound=0.52)
_FAST = Tariff(silent=0.13, sound=0.195, per=8)
_LITE = Tariff(silent=0.04, sound=0.065, large=1.6)

TARIFFS: Mapping[str, Tariff] = MappingProxyType(
    {
        **{name: _FAST if "fast" in name else _LITE if "lite" in name else _STANDARD for name in MODELS},
        "veo2": Tariff(silent=0.455, sound=0.455, kind="fixed"),
        "google/veo3-1-extend-video": Tariff(silent=0.26, sound=0.52, kind="variable"),
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
NAMES: Mapping[str, Model] = MappingProxyType(
    {name: MODELS[key] for key, listing in LISTINGS.items() for name in (key, listing.id, *listing.aliases)}
)
"""Every name that a model may be asked for by, with the model."""


def price(model: Model, request: Mapping[str, object], seconds: int) -> int:
    """The credits that this request costs once it is completed."""
    rate = TARIFFS[model.id].rate(_chosen(model, request, "resolution"), _chosen(model, request, "generate_audio"))
    return round(rate * seconds * CREDITS_PER_USD)


def usd(credits_used: int) -> float:
    """Credits as US dollars."""
    return credits_used / CREDITS_PER_USD


def quote(model: Model) -> dict[str, object]:
    """The model's ``pricing`` as the catalogue call shows it."""
    tariff = TARIFFS[model.id]
    if tariff.kind == "variable":
        return {"kind": "variable", "currency": "USD"}
    if tariff.kind == "fixed":
        unit = {"name": "output_video", "measure": "second", "price": tariff.sound, "per": 1}
        return {"kind": "fixed", "currency": "USD", "units": [unit]}
    dimensions = [name for name in ("resolution", "generate_audio") if name in model.params]
    combinations = product(*(model.params[name].choices or (True, False) for name in dimensions))
    variants = [_variant(tariff, dict(zip(dimensions, values, strict=True))) for values in combinations]
    return {"kind": "variants", "currency": "USD", "dimensions": dimensions, "variants": variants}


def _variant(tariff: Tariff, when: dict[str, str | int]) -> dict[str, object]:
    rate = tariff.rate(when.get("resolution"), when.get("generate_audio"))
    return {"when": when, "price": round(rate * tariff.per, 6), "unit": "second", "per": tariff.per}


def _chosen(model: Model, request: Mapping[str, object], name: str) -> object:
    param = model.params.get(name)
    return request.get(name, param.default if param else None)


def usage(credits_used: int, *, usd_only: bool = False) -> dict[str, object]:
    """What the service tells of a price, in ``meta.usage``."""
    dollars = {"usd_spent": usd(credits_used)}
    return dict(dollars) if usd_only else {"credits_used": credits_used, **dollars}
