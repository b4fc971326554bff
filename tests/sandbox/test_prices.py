"""The invented prices."""

from __future__ import annotations

import pytest

from tests.helpers.sandbox_client import SandboxClient, make_body


def test_all_kinds_of_pricing_occur(sandbox: SandboxClient) -> None:
    """Clients meet each kind."""
    kinds = {entry["pricing"]["kind"] for entry in sandbox.list_models(("include", "pricing"))}
    assert kinds == {"fixed", "variants", "variable"}


@pytest.mark.parametrize("name", ["google/veo-3.1-t2v-fast", "google/veo3", "veo-3.1-lite-generate-001"])
def test_quotes_agree_with_charges(name: str) -> None:
    """Each quoted variant is what a completed video is charged."""
    sandbox = SandboxClient()
    (entry,) = sandbox.list_models(("id", name), ("include", "pricing"))
    for variant in entry["pricing"]["variants"]:
        sandbox.post(make_body(model=name, duration=6, **variant["when"]))
        sandbox.now += 10
        paid = sandbox.service.charges()[-1].credits / 2_000_000
        assert paid == pytest.approx(variant["price"] / variant["per"] * 6)
