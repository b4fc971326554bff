"""Manifests for every model: the validator, the service's own schema and ours say the same of any request."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from batchveo.core.errors import ManifestError
from batchveo.manifest import Manifests
from batchveo.manifest.json_schema import job_schema
from batchveo.provider.catalog import Catalog
from batchveo.provider.catalog.file_format import write_param
from batchveo.provider.catalog.openapi import read_document
from tests.helpers.openapi_documents import list_documents, schema_of
from tests.helpers.random_requests import as_json_schema, requests_for
from tests.helpers.samples import sample_cases

DOCUMENTS = dict(list_documents())
ADDRESSES = ("URL", "file", "host", "Base64", "scheme")
"""Words of problems with an address: no schema looks at these."""
ROUNDS = (10, 40)
"""Good requests, each with four spoiled ones; the first ten of the forty are the ten."""


def make_catalog(document: Mapping[str, Any]) -> Catalog:
    """A catalogue of the model that a document describes."""
    found = read_document(document)
    params = {name: write_param(param) for name, param in found.params.items()}
    content = {"format": 1, "made": "2026-11-01", "models": {found.model: {"params": params}}}
    return Catalog(lambda: json.dumps(content).encode())


def read_job(catalog: Catalog, path: Path, job: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """What is sent for one job, and what is wrong with it."""
    path.write_text(json.dumps(job))
    with Manifests([path], catalog=catalog) as manifests:
        try:
            [spec] = manifests.specs()
        except ManifestError as error:
            return {}, [problem.message for problem in error.problems]
        return spec.request, []


@pytest.mark.parametrize("rounds", sample_cases(ROUNDS, size=1))
@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_all_three_agree(document: dict[str, Any], rounds: int, tmp_path: Path) -> None:
    """On good requests and on spoiled ones.

    We refuse more than the service's schema: unknown fields, and texts that are empty. We take more, too: choices in
    any case, and whole numbers in a float.
    """
    catalog = make_catalog(document)
    [name] = catalog
    model = catalog[name]
    service = Draft202012Validator(as_json_schema(schema_of(document)))
    ours = Draft202012Validator(job_schema(catalog))
    judged = set()
    for request in requests_for(model.params, random.Random(name), rounds=rounds):
        # null unsets in a manifest what is a value elsewhere
        job = {"model": name} | {key: value for key, value in request.items() if value is not None}
        sent, problems = read_job(catalog, tmp_path / "a.jsonl", job)
        judged.add(not problems)
        if not problems:
            assert service.is_valid(sent), job
            assert ours.is_valid(job), job
        elif not all(any(word in problem for word in ADDRESSES) for problem in problems):
            assert not ours.is_valid(job), (job, problems)
    assert judged == {True, False}
