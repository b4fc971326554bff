"""The shapes of answers: which one comes follows from the model."""

from __future__ import annotations

import pytest

from batchveo.provider.catalog import MODELS, Model
from batchveo.sandbox.answer_shapes import find_shape
from batchveo.sandbox.prices import to_usd
from tests.helpers.requests import make_request
from tests.helpers.sandbox_client import SandboxClient, read_json


def test_all_shapes_of_answers_occur() -> None:
    """A client that can buy of every model has met them all."""
    shapes = [find_shape(model) for model in MODELS.values()]
    assert {shape.video for shape in shapes} == {"object", "objects", "addresses"}
    assert {shape.id_name for shape in shapes} == {"id", "generation_id"}
    assert {shape.usage for shape in shapes} == {
        ("credits_used", "usd_spent"),
        ("credits_used",),
        ("usd_spent",),
        ("tokens_used",),
    }
    assert {shape.usage_on_submit for shape in shapes} == {shape.lists_details for shape in shapes} == {True, False}


def find_model(**wanted: object) -> Model:
    """The first model whose answers have this shape."""
    return next(
        model
        for model in MODELS.values()
        if all(getattr(find_shape(model), name) == value for name, value in wanted.items())
    )


def test_an_early_price() -> None:
    """Where only the answer to a submit tells the price, it is exact."""
    sandbox = SandboxClient()
    model = find_model(id_name="generation_id", usage=("credits_used", "usd_spent"), usage_on_submit=True)
    answer = read_json(sandbox.post(make_request(model)))
    (generation,) = sandbox.service.generations
    usage = {"credits_used": generation.credits, "usd_spent": to_usd(generation.credits)}
    assert answer == {
        "generation_id": generation.id,
        "status": "queued",
        "model": model.id,
        "meta": {"usage": usage},
    }


@pytest.mark.parametrize("shape", ["objects", "addresses"])
def test_lists_of_videos(shape: str) -> None:
    """A list of objects, or of addresses."""
    sandbox = SandboxClient()
    answer = read_json(sandbox.post(make_request(find_model(video=shape))))
    sandbox.now += 10
    (video,) = sandbox.poll(answer.get("id") or answer["generation_id"])["video"]
    assert str(video["url"] if shape == "objects" else video).startswith("http://sandbox.invalid/files/")
