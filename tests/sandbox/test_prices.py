"""The invented prices: what is charged is what the list says."""

from __future__ import annotations

import pytest

from batchveo.provider.catalog import MODELS
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox.prices import find_price, to_usd
from tests.helpers.requests import make_request
from tests.helpers.sandbox_client import SandboxClient


@pytest.mark.parametrize(
    ("changes", "usd"),
    [
        ({"model": "google/veo-3.1-t2v", "duration": 8}, 4.16),
        ({"model": "google/veo-3.1-t2v", "duration": 8, "generate_audio": False}, 2.08),
        ({"model": "google/veo-3.1-t2v-fast", "duration": None}, 1.56),
        ({"model": "google/veo-3.1-t2v-fast", "duration": 4, "generate_audio": False}, 0.52),
        ({"model": "veo-3.1-lite-generate-001", "duration": 8}, 0.52),
        ({"model": "veo-3.1-lite-generate-001", "duration": 8, "resolution": "1080P"}, 0.832),
        ({"model": "veo2", "duration": 5}, 2.275),
    ],
)
def test_the_prices_of_the_guides(sandbox: SandboxClient, changes: dict[str, object], usd: float) -> None:
    """Those of the Veo models: guides and other tests name them."""
    sandbox.submit(**changes)
    assert to_usd(sandbox.service.generations[0].credits) == usd


@pytest.mark.parametrize("seed", [0, 1])
def test_a_model_keeps_its_price(seed: int) -> None:
    """It follows from the name, in every process and with every seed."""
    sandbox = SandboxClient(seed=seed)
    sandbox.submit(model="kling-video/v1/standard/text-to-video", duration=5)
    assert to_usd(sandbox.service.generations[0].credits) == 0.325


def test_all_kinds_of_prices_occur() -> None:
    """Each kind, with and without a rate for each second, for one and for several units."""
    found = [find_price(model) for model in MODELS.values()]
    for kind in ("fixed", "variants", "variable"):
        mine = [price for price in found if price.kind == kind]
        assert {price.unit for price in mine} == {"second", "video"}
        assert min(price.per for price in mine) == 1 < max(price.per for price in mine)
    dimensions = {name for price in found if price.kind == "variants" for name in price.factors}
    assert dimensions >= {"resolution", "duration", "generate_audio", "mode", "video_quality"}


@pytest.mark.parametrize("name", [model.id for model in MODELS.values() if find_price(model).kind == "variants"])
def test_each_variant_is_what_is_charged(name: str, prices: PriceList) -> None:
    """A video of each listed combination costs its price; without some of it, that of the defaults."""
    model = MODELS[name]
    for row in prices.pricing[name]["variants"]:
        request = {**make_request(model), **row["when"]}
        sandbox = SandboxClient(balance=10_000.0)
        assert sandbox.post(request).status == 201
        (generation,) = sandbox.service.generations
        quoted = prices.quote(name, request)
        seconds = generation.seconds if row["unit"] == "second" else 1
        assert to_usd(generation.credits) == pytest.approx(row["price"] / row["per"] * seconds)
        assert quoted is None or quoted == pytest.approx(to_usd(generation.credits))
