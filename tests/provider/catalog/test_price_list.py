"""What a job will cost."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.catalog.price_list import ListedPrice, PriceList, describe_price

VEO = "google/veo-3.1-t2v"  # 4, 6 or 8 s (8), 720p or 1080p (1080p), with sound
KLING = "klingai/v2-master-text-to-video"  # 5 or 10 s, no default
GROK = "x-ai/grok-imagine-video"  # 480p, 720p or 1080p, no default
SEEDANCE = "bytedance/seedance-2-0"  # 4 to 15 s (5); images, videos and audio


def find_price(pricing: Any, model: str = VEO, **request: Any) -> ListedPrice | None:
    body = {"data": [{"id": model, "aliases": ["another"], "pricing": pricing}]}
    return PriceList.read(body).find_price(model, {"model": model, "prompt": "x", **request})


def fixed(*units: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "fixed", "currency": "USD", "units": list(units)}


def variants(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "variants", "currency": "USD", "dimensions": ["resolution"], "variants": list(rows)}


def row(usd: float, unit: str = "video", **when: Any) -> dict[str, Any]:
    return {"when": when, "price": usd, "unit": unit, "per": 1}


def unit(measure: str, usd: object, per: object = 1, name: str = "output_video") -> dict[str, Any]:
    return {"name": name, "measure": measure, "price": usd, "per": per}


def round_price(price: ListedPrice | None) -> ListedPrice | None:
    """To the millionth: sums of rates are no decimal fractions."""
    return None if price is None else ListedPrice(round(price.usd, 6), price.is_bound)


def exactly(usd: float) -> ListedPrice:
    return ListedPrice(usd)


def at_most(usd: float) -> ListedPrice:
    return ListedPrice(usd, is_bound=True)


@pytest.mark.parametrize(
    ("units", "model", "request_", "price"),
    [
        # always divided by `per`
        ([unit("video", 3, 2)], VEO, {}, exactly(1.5)),
        ([unit("video", "3", "2")], VEO, {}, exactly(1.5)),
        ([unit("generation", 0.5)], "kling/v9", {}, exactly(0.5)),
        # the length as asked, else the default, however it is written
        ([unit("second", 0.4)], VEO, {"duration": 4}, exactly(1.6)),
        ([unit("second", 0.4)], VEO, {"duration": "4"}, exactly(1.6)),
        ([unit("second", 0.4)], VEO, {"duration": "4s"}, exactly(1.6)),
        ([unit("second", 0.4)], VEO, {"duration": None}, exactly(3.2)),
        ([unit("second", 0.4)], VEO, {}, exactly(3.2)),
        ([unit("second", 0.4)], "kling/v9", {"duration": 5}, exactly(2.0)),
        ([unit("minute", 6.0)], VEO, {}, exactly(0.8)),
        # the service chooses: at most the longest that there is
        ([unit("second", 0.1)], KLING, {}, at_most(1.0)),
        ([unit("second", 0.1)], SEEDANCE, {"duration": -1}, at_most(1.5)),
        ([unit("second", 0.1)], SEEDANCE, {"duration": "auto"}, at_most(1.5)),
        ([unit("video", 0.1)], KLING, {}, exactly(0.1)),
        # several units add up
        ([unit("second", 0.1), unit("video", 0.05)], VEO, {}, exactly(0.85)),
        ([unit("second", 0.1), unit("video", 0.05)], KLING, {}, at_most(1.05)),
        # several videos of one request
        ([unit("video", 0.5)], "kling/v9", {"num_videos": 3}, exactly(1.5)),
        # inputs are counted; of their length nothing is known
        ([unit("image", 0.01, name="input_image")], SEEDANCE, {"image_urls": ["a", "b"]}, exactly(0.02)),
        ([unit("video", 0.4), unit("image", 0.01, name="input_image")], SEEDANCE, {}, exactly(0.4)),
        ([unit("second", 0.4, name="input_video")], SEEDANCE, {"prompt": "x"}, exactly(0.0)),
    ],
)
def test_units(units: list[Any], model: str, request_: dict[str, Any], price: ListedPrice) -> None:
    """A price for each measure that a request shows; they add up."""
    assert round_price(find_price(fixed(*units), model, **request_)) == price


@pytest.mark.parametrize(
    ("rows", "model", "request_", "price"),
    [
        # values compare in any case and type
        ([row(1, resolution="720P"), row(2, resolution="1080P")], VEO, {"resolution": "720p"}, exactly(1)),
        ([row(1, generate_audio="false"), row(2, generate_audio="TRUE")], VEO, {"generate_audio": False}, exactly(1)),
        ([row(1, generate_audio=False), row(2, generate_audio=True)], VEO, {}, exactly(2)),
        ([row(1, duration="5"), row(2, duration="10s")], KLING, {"duration": 10}, exactly(2)),
        ([row(1, duration=5.0), row(2, duration=10)], KLING, {"duration": "5s"}, exactly(1)),
        # several values, several dimensions
        ([row(1, duration=[4, 6]), row(2, duration=[8])], VEO, {"duration": 6}, exactly(1)),
        ([row(1, duration=[4, 6]), row(2, duration=[8])], VEO, {}, exactly(2)),
        (
            [
                row(q + r, "second", mode=m, quality=k)
                for m, q in (("std", 1), ("pro", 2))
                for k, r in (("hd", 0), ("4k", 5))
            ],
            "kling/v9",
            {"mode": "pro", "quality": "4K", "duration": 2},
            exactly(14),
        ),
        ([row(1, audio=False), row(2, audio=True)], VEO, {"generate_audio": False}, exactly(1)),
        # the default of the model
        ([row(1, "second", resolution="720p"), row(2, "second", resolution="1080p")], VEO, {}, exactly(16)),
        # open: the dearest that may be meant
        ([row(1, duration=5), row(2, duration=10)], KLING, {}, at_most(2)),
        ([row(1, "second", duration=5), row(0.7, "second", duration=10)], KLING, {}, at_most(10)),
        ([row(1, resolution="480p"), row(3, resolution="1080p"), row(9, resolution="4k")], GROK, {}, at_most(3)),
        ([row(1, resolution="480p"), row(1, resolution="1080p")], GROK, {}, exactly(1)),
        ([row(1, speed="slow"), row(2, speed="fast")], VEO, {}, at_most(2)),
        ([row(1, duration={"max": 5}), row(2, duration={"min": 6})], VEO, {}, at_most(2)),
        ([row(1), row(2, resolution="1080p")], VEO, {}, at_most(2)),
        ([row(3, duration=-1), row(1, duration=5)], SEEDANCE, {"duration": -1}, at_most(3)),
        # one condition that excludes the row is enough
        (
            [row(1, resolution="720p"), row(5, resolution="1080p", speed="fast")],
            VEO,
            {"resolution": "720p"},
            exactly(1),
        ),
        # units within a variant
        ([{"when": {}, "units": [unit("second", 0.1), unit("video", 1)]}], VEO, {}, exactly(1.8)),
    ],
)
def test_variants(rows: list[Any], model: str, request_: dict[str, Any], price: ListedPrice) -> None:
    """The row that fits; the dearest of those that may fit is a bound."""
    assert round_price(find_price(variants(*rows), model, **request_)) == price


@pytest.mark.parametrize(
    ("pricing", "model", "request_"),
    [
        ({"kind": "variable"}, VEO, {}),
        ({"kind": "new"}, VEO, {}),
        ({}, VEO, {}),
        (fixed(), VEO, {}),
        (fixed(unit("token", 1)), VEO, {}),
        (fixed(unit("megapixel", 1)), VEO, {}),
        (fixed(unit("compute_second", 1)), VEO, {}),
        (fixed(unit("video", 1, 0)), VEO, {}),
        (fixed(unit("video", "much")), VEO, {}),
        (fixed(unit("video", -1)), VEO, {}),
        (fixed(unit("video", 1), unit("token", 1, 1000)), VEO, {}),
        ({"kind": "fixed", "units": [unit("video", 1), None]}, VEO, {}),
        ({**fixed(unit("video", 1)), "currency": "EUR"}, VEO, {}),
        (fixed(unit("second", 1)), "kling/v9", {}),
        (fixed(unit("second", 1)), "kling/v9", {"duration": "auto"}),
        (fixed(unit("second", 1)), VEO, {"duration": "long"}),
        (fixed(unit("second", 1)), VEO, {"duration": True}),
        (fixed(unit("second", 1)), "klingai/video-o1-video-to-video-edit", {"video_url": "https://e.org/v.mp4"}),
        (fixed(unit("second", 1, name="input_video")), SEEDANCE, {"video_url": "https://e.org/v.mp4"}),
        (fixed(unit("image", 1, name="input_image")), "kling/v9", {}),
        (fixed(unit("video", 1)), "kling/v9", {"n": "several"}),
        (variants(), VEO, {}),
        (variants(row(1, resolution="4k")), VEO, {}),
        # the one that cannot be priced may be the dearest
        (variants(row(1, duration=5), row(1, "token", duration=10)), KLING, {}),
        (variants({"when": "always", "price": 1, "unit": "video"}), VEO, {}),
    ],
)
def test_no_price(pricing: Any, model: str, request_: dict[str, Any]) -> None:
    """Better none than a wrong one."""
    assert find_price(pricing, model, **request_) is None


def test_a_model_is_found_by_all_its_names() -> None:
    """A name may be an alias, by the list or by the catalogue; a model's own name wins over another's alias."""
    listed = {"id": "x", "aliases": [VEO, "y"], "pricing": fixed(unit("video", 1))}
    prices = PriceList.read({"data": [listed, {"id": "y", "pricing": fixed(unit("video", 2))}]})
    assert [prices.quote(name, {}) for name in ("x", VEO, "y", "z")] == [1, 1, 2, None]
    known = next(model for model in MODELS.values() if model.aliases)
    listed = {"id": known.id, "pricing": fixed(unit("video", 3))}
    assert PriceList.read({"data": [listed]}).quote(known.aliases[0], {}) == 3
    listed = {"id": known.aliases[0], "pricing": fixed(unit("video", 4))}
    assert PriceList.read({"data": [listed]}).quote(known.id, {}) == 4


@pytest.mark.parametrize("body", [None, [], {}, {"data": 3}, {"data": [None, {"id": 3, "pricing": {}}]}])
def test_a_strange_list_has_no_prices(body: Any) -> None:
    """It never fails."""
    assert PriceList.read(body).quote(VEO, {}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "units", "variants", "when", "price", "per", "unit", "duration", "name"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["fixed", "variants"]), JSON, JSON)
def test_no_list_breaks_it(kind: str, rows: Any, duration: Any) -> None:
    """Whatever the service sends: a price of 0 or more, or none; and words."""
    pricing = {"kind": kind, "units": rows, "variants": rows}
    price = find_price(pricing, duration=duration)
    assert price is None or price.usd >= 0
    assert describe_price(pricing)


@given(
    st.lists(st.tuples(st.sampled_from(["480p", "720p", "1080p"]), st.booleans(), st.integers(1, 99)), min_size=1),
    st.sampled_from([None, "480p", "720p", "1080p"]),
    st.sampled_from([None, True, False]),
)
def test_a_bound_is_never_below_any_row_that_may_be_meant(rows: Any, resolution: Any, audio: Any) -> None:
    """Whatever the service assumes for what the request leaves open."""
    model = GROK  # knows no default of its resolution, and no sound
    table = variants(*(row(usd, resolution=r.upper(), sound=str(a)) for r, a, usd in rows))
    price = find_price(
        table, model, **{k: v for k, v in (("resolution", resolution), ("sound", audio)) if v is not None}
    )
    meant = [usd for r, a, usd in rows if resolution in (None, r) and audio in (None, a)]
    assert (price is None) == (not meant)
    if price is not None:
        assert price.usd == max(meant)
        assert price.is_bound == (len(set(meant)) > 1)


def test_it_travels_to_other_processes() -> None:
    """With the catalogue that it reads defaults from."""
    content = b'{"format": 1, "models": {"m": {"params": {"duration": {"type": "integer", "default": 3}}}}}'
    pricing = {"m": fixed(unit("second", 1))}
    assert pickle.loads(pickle.dumps(PriceList(pricing, Catalog(lambda: content)))).quote("m", {}) == 3
    assert pickle.loads(pickle.dumps(PriceList(pricing))).catalog is MODELS


@pytest.mark.parametrize(
    ("pricing", "words"),
    [
        (fixed(unit("second", 0.4, 1)), "$0.40 a second"),
        (fixed(unit("second", 0.42, 8)), "$0.0525 a second"),
        (fixed(unit("video", 0.4), unit("image", 0.01, name="input_image")), "$0.40 a video + $0.01 an input image"),
        (fixed(unit("token", 2.5, 1_000_000)), "$2.50 for 1,000,000 tokens"),
        (variants(row(0.13, "second"), row(0.52, "second"), row(0.2, "second")), "$0.13 to $0.52 a second"),
        (variants(row(0.13, "second"), row(3.0)), "$0.13 a second or $3.00 a video"),
        ({"kind": "variable"}, "by formula"),
        ({**fixed(unit("video", 1)), "currency": "EUR"}, "in EUR, not in US dollars"),
        (fixed(), "not known"),
        ({}, "not known"),
        (None, "not known"),
    ],
)
def test_prices_in_words(pricing: Any, words: str) -> None:
    """For a table."""
    assert describe_price(pricing) == words
