"""A refresh is written as a whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import httpx
import pytest

from batchveo.core.errors import UsageError
from batchveo.operations import catalog_refresh
from batchveo.operations.catalog_refresh import CatalogRefused, RefreshResult, refresh_catalog_file
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.catalog import MODELS, Catalog, load_catalog
from batchveo.provider.retirement import read_kept_retirements
from batchveo.sandbox.settings import Retirement, RetirementStatus
from tests.helpers.model_service import BASE, ModelService
from tests.helpers.sandbox_client import SandboxClient

pytestmark = pytest.mark.anyio

NAMES = [f"maker/{number}" for number in range(6)]


async def refresh(
    service: ModelService, path: Path, old: Catalog | None = None, *, force: bool = False
) -> RefreshResult:
    async with ApiClient(None, base_url=BASE, transport=service.transport) as api:
        return await refresh_catalog_file(
            api, path, old or Catalog(lambda: b'{"format": 1, "models": {}}'), force=force
        )


async def test_it_is_written_in_the_form_that_is_read(tmp_path: Path) -> None:
    """Its folder is made; nothing else is left in it."""
    path = tmp_path / "new" / "models.json"
    result = await refresh(ModelService(*NAMES), path)
    assert list(load_catalog(path)) == NAMES
    assert load_catalog(path).digest == result.catalog.digest
    assert [change.model for change in result.changes] == NAMES
    assert result.catalog.info.source == str(path)
    assert list(path.parent.iterdir()) == [path]


async def test_most_models_gone_is_refused_without_force(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    first = await refresh(ModelService(*NAMES), path)
    before = path.read_bytes()
    with pytest.raises(
        CatalogRefused, match=r"4 models of 6 are gone .*\(maker/2, maker/3, maker/4, maker/5\).*--force"
    ):
        await refresh(ModelService(*NAMES[:2]), path, first.catalog)
    assert path.read_bytes() == before
    await refresh(ModelService(*NAMES[:2]), path, first.catalog, force=True)
    assert list(load_catalog(path)) == NAMES[:2]


async def test_half_of_the_models_may_go(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    first = await refresh(ModelService(*NAMES), path)
    second = await refresh(ModelService(*NAMES[:3]), path, first.catalog)
    assert list(second.catalog) == NAMES[:3]


async def test_a_short_list_does_not_replace_the_catalogue_of_the_package(tmp_path: Path) -> None:
    with pytest.raises(CatalogRefused, match=f"of {MODELS.made} is kept"):
        await refresh(ModelService(*NAMES), tmp_path / "models.json", MODELS)
    assert not list(tmp_path.iterdir())


async def test_an_empty_list_is_an_error_even_with_force(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="no video model"):
        await refresh(ModelService(), tmp_path / "models.json", force=True)


async def test_an_interrupted_refresh_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    first = await refresh(ModelService(*NAMES), path)
    before = path.read_bytes()
    service = ModelService(*NAMES, "maker/slow")
    service.replace("maker/slow", httpx.Response(404), seconds=20.0)
    with anyio.move_on_after(10.0) as scope:
        await refresh(service, path, first.catalog)
    assert scope.cancelled_caught
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


async def test_a_disk_that_is_full_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "models.json"
    first = await refresh(ModelService(*NAMES), path)
    before = path.read_bytes()

    def fail(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(catalog_refresh, "sync_path", fail)
    with pytest.raises(UsageError, match=r"cannot write the catalogue .*No space left"):
        await refresh(ModelService(*NAMES, "more"), path, first.catalog)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


async def test_a_catalogue_of_many_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_refresh, "LARGEST_FILE", 500)
    with pytest.raises(CatalogRefused, match="would take"):
        await refresh(ModelService(*NAMES), tmp_path / "models.json")


async def test_the_file_keeps_what_the_next_refresh_needs(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    await refresh(ModelService(*NAMES), path)
    data = json.loads(path.read_bytes())
    assert data["service"] == BASE
    assert [source["model"] for source in data["sources"]] == NAMES
    assert all(source["etag"] for source in data["sources"])


async def test_what_the_sandbox_serves_is_the_catalogue_that_it_has(tmp_path: Path) -> None:
    """Every model goes from the catalogue through its document and back; one that it retires is kept, and marked."""
    client = SandboxClient(retired={"google/veo3": Retirement(status=RetirementStatus.WITHDRAWN)})

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params.multi_items()
        got = client.get(request.url.path, *query, headers=dict(request.headers))
        body = got.body.replace(b"http://sandbox.invalid", b"http://localhost")
        headers = {name: value for name, value in got.headers.items() if name.lower() != "content-length"}
        return httpx.Response(got.status, headers=headers, content=body)

    path = tmp_path / "models.json"
    async with ApiClient(None, base_url="http://localhost", transport=httpx.MockTransport(answer)) as api:
        first = await refresh_catalog_file(api, path, MODELS)
        second = await refresh_catalog_file(api, path, load_catalog(path))
    assert not first.refresh.troubles
    assert not first.changes
    assert set(first.catalog) == set(MODELS)
    assert [row.id for row in read_kept_retirements(second.catalog)] == ["google/veo3"]
    assert (second.refresh.documents, second.refresh.unchanged) == (0, first.refresh.documents)
