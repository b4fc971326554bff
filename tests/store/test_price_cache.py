"""Prices that are remembered, and what manifests would come to."""

from __future__ import annotations

from batchveo.store import Quote, Store


def test_the_latest_price_is_remembered(store: Store) -> None:
    """By model; of others nothing is known."""
    store.prices.save_quotes({"a": {"kind": "fixed"}, "b": {"kind": "variable"}}, now=1.0)
    store.prices.save_quotes({"a": {"kind": "variants", "note": "éé"}}, now=2.0)
    assert store.prices.load_quotes(["a", "b", "c"]) == {
        "a": Quote(pricing={"kind": "variants", "note": "éé"}, at=2.0),
        "b": Quote(pricing={"kind": "variable"}, at=1.0),
    }
