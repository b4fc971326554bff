"""From the service's document to a bought video, and back to the document: every model on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from batchveo.core.outcomes import Accepted, Completed
from batchveo.manifest import Manifests
from batchveo.provider import ApiClient, ApiKey, VideoClient
from batchveo.provider.catalog import Catalog, load_catalog
from batchveo.provider.catalog.file_format import FORMAT, write_param
from batchveo.provider.catalog.openapi import read_document
from batchveo.sandbox import Service, Settings, transport
from tests.helpers.openapi_documents import list_documents
from tests.helpers.requests import make_request
from tests.helpers.sandbox_client import OPENED, SandboxClient
from tests.sandbox.test_documents import bare

URL = "http://127.0.0.1:8642"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The models of all documents, by way of a file."""
    found = [read_document(document) for _, document in list_documents()]
    models = {each.model: {"params": {name: write_param(p) for name, p in each.params.items()}} for each in found}
    path = tmp_path_factory.mktemp("catalogue") / "models.json"
    path.write_text(json.dumps({"format": FORMAT, "made": "2026-11-01", "models": models}), encoding="utf-8")
    return load_catalog(path)


@pytest.mark.anyio
async def test_each_model_is_bought_by_a_manifest(catalog: Catalog, tmp_path: Path) -> None:
    """Its smallest request and its largest pass the validator, are accepted as they are, and make a video."""
    path = tmp_path / "m.jsonl"
    wanted = [make_request(model, full=full) for model in catalog.values() for full in (False, True)]
    path.write_text("\n".join(map(json.dumps, wanted)), encoding="utf-8")
    with Manifests([path], catalog=catalog) as manifests:
        manifests.check()
        sent: list[dict[str, Any]] = [dict(job.request) for job in manifests.specs()]
    assert len(sent) == 2 * len(catalog)
    now = OPENED
    service = Service(Settings(generation_sigma=0.0, balance=1e6), clock=lambda: now, catalog=catalog)
    wire = transport(service)
    async with (
        ApiClient(ApiKey("hush"), base_url=URL, transport=wire) as api,
        VideoClient(loopback=True, transport=wire) as videos,
    ):
        for number, request in enumerate(sent):
            accepted = await api.submit(request, client_request_id=f"bv.{number}")
            assert isinstance(accepted, Accepted), (accepted, request)
            now += 10.0
            done = await api.poll(accepted.generation_id)
            assert isinstance(done, Completed), done
            async with videos.open(done.url) as answer:
                assert await answer.aread() == service.video(accepted.generation_id)


def test_each_model_comes_back_the_same(catalog: Catalog) -> None:
    """The document that the sandbox serves for it says what the service's said."""
    client = SandboxClient()
    client.service = Service(catalog=catalog)
    served = {
        found.model: found.params for found in map(read_document, map(client.fetch_document, client.list_models()))
    }
    assert served == {
        name: {key: bare(param) for key, param in model.params.items()} for name, model in catalog.items()
    }
