"""What a job will cost."""

from __future__ import annotations

from typing import Any

import pytest

from batchveo.provider.price_list import PriceList

VEO = "google/veo-3.1-t2v"


def quote(pricing: Any, **request: Any) -> float | None:
    body = {"data": [{"id": VEO, "aliases": ["veo-3.1-t2v"], "pricing": pricing}]}
    return PriceList.read(body).quote(VEO, {"model": VEO, "prompt": "x", **request})


def variants(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "variants", "currency": "USD", "dimensions": ["resolution"], "variants": list(rows)}


def test_a_fixed_price() -> None:
    """Always divided by `per`."""
    assert quote({"kind": "fixed", "units": [{"name": "video", "measure": "video", "price": 3, "per": 2}]}) == 1.5


def test_a_price_a_second_counts_the_duration() -> None:
    """The asked one, or the one the service assumes."""
    fixed = {"kind": "fixed", "units": [{"measure": "second", "price": 0.4, "per": 1}]}
    assert quote(fixed, duration=4) == pytest.approx(1.6)
    assert quote(fixed) == pytest.approx(3.2)


def test_variants_match_what_is_asked_or_assumed() -> None:
    """Whatever the case of their values."""
    pricing = variants(
        {"when": {"resolution": "720P", "generate_audio": True}, "price": 0.2, "unit": "second", "per": 1},
        {"when": {"resolution": "1080p", "generate_audio": True}, "price": 0.4, "unit": "second", "per": 1},
    )
    assert quote(pricing, resolution="720p", duration=4) == pytest.approx(0.8)
    assert quote(pricing, duration=4) == pytest.approx(1.6)
    assert quote(pricing, generate_audio=False) is None


@pytest.mark.parametrize(
    "pricing",
    [
        {"kind": "variable"},
        {"kind": "new"},
        {},
        {"kind": "fixed", "units": []},
        {"kind": "fixed", "units": [{"measure": "token", "price": 1, "per": 1}]},
        {"kind": "fixed", "units": [{"measure": "video", "price": 1, "per": 0}]},
        {"kind": "fixed", "units": [{"measure": "video", "price": "much"}]},
        {"kind": "fixed", "currency": "EUR", "units": [{"measure": "video", "price": 1, "per": 1}]},
        variants(),
        variants({"when": {"resolution": "4k"}, "price": 1, "unit": "video"}),
    ],
)
def test_no_quote(pricing: Any) -> None:
    """Better none than a wrong one."""
    assert quote(pricing) is None


def test_aliases_have_the_same_price() -> None:
    """A name may be an alias."""
    row = {"id": "x", "aliases": [VEO], "pricing": {"kind": "fixed", "units": [{"measure": "video", "price": 1}]}}
    assert PriceList.read({"data": [row]}).quote(VEO, {}) == 1


@pytest.mark.parametrize("body", [None, [], {}, {"data": 3}, {"data": [None, {"id": 3, "pricing": {}}]}])
def test_a_strange_list_has_no_prices(body: Any) -> None:
    """It never fails."""
    assert PriceList.read(body).quote(VEO, {}) is None
