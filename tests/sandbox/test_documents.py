"""The OpenAPI documents: read back, they are the catalogue."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from batchveo.provider.catalog import MODELS, Catalog, Model
from batchveo.provider.catalog.file_format import write_param
from batchveo.provider.catalog.openapi import Document, read_document
from batchveo.provider.catalog.parameters import Media, Param, ParamType
from batchveo.sandbox.documents import write_document
from tests.helpers.openapi_documents import OWN
from tests.helpers.sandbox_client import SandboxClient


def bare(param: Param) -> Param:
    """``param`` without what no document can say."""
    return replace(
        param,
        description="",
        is_assumed=False,
        any_case=False,
        items=None if param.items is None else bare(param.items),
        fields={name: bare(part) for name, part in param.fields.items()},
        alternatives=tuple(map(bare, param.alternatives)),
    )


@pytest.mark.parametrize("name", list(MODELS))
def test_a_document_says_what_the_catalogue_says(name: str) -> None:
    """Read back, it has the same parameters in the same order, and nothing strange."""
    model = MODELS[name]
    document = read_document(write_document(model))
    params = {key: bare(param) for key, param in model.params.items()}
    assert document == Document(model=name, params=params)
    assert list(document.params) == list(model.params)


def test_a_catalogue_of_the_documents_is_the_same(sandbox: SandboxClient) -> None:
    """Who asks the sandbox for all its models, as the list says, learns nothing new."""
    models = {}
    for entry in sandbox.list_models():
        document = read_document(sandbox.fetch_document(entry))
        params = {key: write_param(param) for key, param in document.params.items()}
        names = {entry["id"], *entry["aliases"]} - {document.model}
        assert names == set(MODELS[document.model].aliases)
        models[document.model] = {"params": params}
    content = json.dumps({"format": 1, "made": "2026-08-31", "models": models}).encode()
    assert dict(Catalog(lambda: content)) == dict(MODELS)


@pytest.mark.parametrize("name", OWN)
def test_every_keyword_of_the_dialect_survives(name: str) -> None:
    """Also in parts of parts: lists of objects, alternatives, addresses of any kind."""
    found = read_document(OWN[name])
    assert read_document(write_document(Model(id=found.model, params=found.params))) == found


@pytest.mark.parametrize("media", Media)
@pytest.mark.parametrize("takes_data", [True, False])
def test_an_address_keeps_its_kind(media: Media, takes_data: bool) -> None:
    """If the parameter's name says nothing, the description does."""
    param = Param(type=ParamType.STRING, media=media, takes_data=takes_data)
    assert read_document(write_document(Model(id="m", params={"input": param}))).params == {"input": param}
