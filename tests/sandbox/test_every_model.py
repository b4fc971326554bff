"""Every model of the catalogue: its requests, what they cost, and how wrong ones are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchveo.core.outcomes import Accepted, Completed, Refused
from batchveo.provider import ApiClient, ApiKey, VideoClient
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox import Service, Settings, transport
from batchveo.sandbox.answer_shapes import AnswerShape, find_shape
from batchveo.sandbox.prices import to_usd
from tests.helpers.requests import make_request, spoil_request
from tests.helpers.sandbox_client import OPENED, PATH, SandboxClient

each_model = pytest.mark.parametrize("name", list(MODELS))
URL = "http://127.0.0.1:8642"


@pytest.mark.anyio
@each_model
async def test_our_client_buys_and_downloads_a_video(name: str, prices: PriceList) -> None:
    """The smallest request and the largest are accepted, cost what the list says, complete and come."""
    model, now = MODELS[name], OPENED
    service = Service(Settings(generation_sigma=0.0), clock=lambda: now)
    wire = transport(service)
    async with (
        ApiClient(ApiKey("hush"), base_url=URL, transport=wire) as api,
        VideoClient(loopback=True, transport=wire) as videos,
    ):
        for number, request in enumerate((make_request(model), make_request(model, full=True))):
            accepted = await api.submit(request, client_request_id=f"bv.{number}")
            assert isinstance(accepted, Accepted), accepted
            now += 10.0
            charged = to_usd(service.charges()[-1].credits)
            done = await api.poll(accepted.generation_id)
            assert isinstance(done, Completed), done
            # also if an answer has only tokens_used, which is no money
            assert done.cost_usd == pytest.approx(charged)
            assert accepted.cost_usd in (None, pytest.approx(charged))
            quoted = prices.find_price(name, request)
            if quoted is not None and quoted.is_bound:
                assert quoted.usd >= charged
            else:
                assert quoted is None or quoted.usd == pytest.approx(charged)
            async with videos.open(done.url) as answer:
                assert await answer.aread() == service.video(accepted.generation_id)


@each_model
def test_what_is_wrong_is_refused(name: str) -> None:
    """Each parameter that is absent or of another type, and each that the model does not have."""
    sandbox = SandboxClient()
    for request, wrong in spoil_request(MODELS[name]):
        answer = sandbox.post(request)
        assert answer.status == 400
        assert wrong in answer.body.decode()
    assert not sandbox.service.generations


@pytest.mark.anyio
async def test_our_client_reads_both_forms_of_a_refusal() -> None:
    """The service's own words come, whichever model refuses."""
    refusals = set()
    async with ApiClient(ApiKey("hush"), base_url=URL, transport=transport(Service())) as api:
        for model in MODELS.values():
            refused = await api.submit({**make_request(model), "style_of_it": 1}, client_request_id="bv.1")
            assert isinstance(refused, Refused)
            refusals.add(refused.reason)
    assert refusals == {
        "HTTP 400: Body validation error. Unrecognized key in object: 'style_of_it'",
        "HTTP 400: Unrecognized key in object: 'style_of_it'",
    }


def test_a_refusal_names_the_part_that_is_wrong() -> None:
    """With the path to it, in objects and lists."""
    sandbox = SandboxClient()
    frame = {"type": "image", "url": "no address"}
    answer = sandbox.post({**make_request(MODELS["luma/ray-2"]), "keyframes": {"frame0": frame}})
    assert "keyframes.frame0.url: Invalid url" in answer.body.decode()
    answer = sandbox.post({**make_request(MODELS["alibaba/wan-2-6-r2v"]), "video_urls": ["https://a.example/", 7]})
    assert "video_urls[1]: Expected string, received number" in answer.body.decode()


def test_another_catalogue() -> None:
    """The sandbox serves the catalogue that it is given, and no other."""
    params: dict[str, Any] = {"prompt": {"type": "string", "required": True}}
    content = json.dumps({"format": 1, "models": {"maker/new": {"aliases": ["new"], "params": params}}}).encode()
    service = Service(catalog=Catalog(lambda: content))
    sandbox = SandboxClient()
    sandbox.service = service
    assert sandbox.post({"model": "new", "prompt": "x"}).status == 201
    assert sandbox.post({"model": "google/veo3", "prompt": "x"}).status == 400
    assert [entry["aliases"] for entry in sandbox.list_models()] == [["maker/new"]]
    assert AnswerShape() == find_shape(MODELS["google/veo3"])
    assert sandbox.get(PATH, ("generation_id", service.generations[0].id)).status == 200
