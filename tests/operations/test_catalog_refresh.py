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
from tests.helpers.model_service import BASE, ModelService

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
