"""Datasette over a state: its metadata is whole, and its pages work, also while a run writes."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from batchveo.cli import status_of
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Store

pytestmark = pytest.mark.filterwarnings("ignore")  # Datasette's own, of its libraries

MANIFEST = """
defaults: {model: veo2}
jobs:
  - {name: dragon, prompt: "<script>alert(1)</script> A dragon"}
  - {name: "fox {index}", prompt: A fox, repeat: 2, seed: "{index}"}
"""

Get = Callable[[str], Awaitable[Any]]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over a service that refuses one generation in two."""
    folder = tmp_path_factory.mktemp("night")
    manifest, path = folder / "m.yaml", folder / "night.db"
    manifest.write_text(MANIFEST)
    before = dict(os.environ)
    os.environ["AIMLAPI_API_KEY"] = "sk-secret"
    settings = Settings(generation_median=0.05, faults={"generation-error": 0.5}, seed=3)
    try:
        with running(Service(settings)) as url:
            output = ["--output", str(folder / "videos"), "--poll-interval", "0.05", "--base-url", url]
            assert status_of(["run", str(manifest), "--state", str(path), *output]) in (0, 1)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return path


@pytest.fixture
def metadata(state: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the command prints."""
    assert status_of(["datasette-metadata", "--state", str(state)]) == 0
    made: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return made


def browse(state: Path, metadata: dict[str, Any], look: Callable[[Get], Awaitable[None]], *, immutable: bool) -> None:
    """Let ``look`` ask an in-process Datasette."""

    async def call() -> None:
        from datasette.app import Datasette

        files = {"immutables": [str(state)]} if immutable else {}
        datasette = Datasette([] if immutable else [str(state)], metadata=metadata, **files)
        await datasette.invoke_startup()

        async def get(path: str) -> Any:
            response = await datasette.client.get(path)
            assert response.status_code == 200, (path, response.text[:500])
            return response.json() if ".json" in path else response.text

        try:
            await look(get)
        finally:
            datasette.executor.shutdown()
            for database in datasette.databases.values():
                database.close()

    asyncio.run(call())
    gc.collect()  # it leaves connections open, of which newer Pythons warn, in whatever test stands next


@pytest.mark.parametrize("immutable", [False, True])
def test_the_pages(state: Path, metadata: dict[str, Any], immutable: bool) -> None:
    """Tables with words and facets, links between jobs and their attempts and events, no internals."""

    async def look(get: Get) -> None:
        database = await get("/night.json")
        shown = {table["name"] for table in database["tables"] if not table["hidden"]}
        checks = {"policies", "measures", "verdicts", "scores", "votes", "links", "uploads"}
        assert shown == {"jobs", "attempts", "events", "runs", "catalogs"} | checks
        assert {"videos", "unfinished", "failures", "spending", "history"} <= {v["name"] for v in database["views"]}
        jobs = await get("/night/jobs")
        assert "One row for each video" in jobs
        assert "What the service charged, in US dollars" in jobs
        assert "<script>alert(1)" not in jobs
        assert "&lt;script&gt;" in jobs
        facets = (await get("/night/jobs.json"))["facet_results"]
        assert {"state", "model", "held"} <= set(facets.get("results", facets))
        attempts = await get("/night/attempts")
        assert 'href="/night/jobs/1">dragon</a>' in attempts
        assert 'href="/night/jobs/1">dragon</a>' in await get("/night/events")
        assert "events?job=1" in await get("/night/jobs/1")
        for view in ("videos", "failures", "spending", "history", "unfinished"):
            await get(f"/night/{view}")

    browse(state, metadata, look, immutable=immutable)


def test_the_canned_queries(state: Path, metadata: dict[str, Any]) -> None:
    """Each runs, and tells what it says."""

    async def look(get: Get) -> None:
        base = "/night"
        for name in metadata["databases"]["night"]["queries"]:
            assert (await get(f"{base}/{name}.json?job=&words="))["ok"], name
        moves = await get(f"{base}/one_job.json?job=dragon&_shape=array")
        assert [move["to_state"] for move in moves][:2] == ["submitting", "generating"]
        found = await get(f"{base}/prompts.json?words=fox&_shape=array")
        assert [row["name"] for row in found] == ["fox 0", "fox 1"]
        assert (await get(f"{base}/speed.json?_shape=array"))[0]["videos"] >= 1

    browse(state, metadata, look, immutable=False)


def test_while_a_run_writes(state: Path, metadata: dict[str, Any]) -> None:
    """It sees what is written, and holds no write up."""

    async def look(get: Get) -> None:
        before = len(await get("/night/runs.json?_shape=array"))
        with Store(state) as store:
            store.runs.acquire_lock()
            with store.connection.sharing():
                store.runs.begin_run(command="run", service="x", now=1.0)
                assert len(await get("/night/runs.json?_shape=array")) == before
                store.connection.flush()
                assert len(await get("/night/runs.json?_shape=array")) == before + 1

    browse(state, metadata, look, immutable=False)


def test_the_metadata_names_what_exists(state: Path, metadata: dict[str, Any]) -> None:
    """Every table, view and column of it is in the schema, and every table has its words."""
    described = metadata["databases"]["night"]["tables"]
    with closing(sqlite3.connect(state)) as db:
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        for table, words in described.items():
            assert table in names, table
            columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            mentioned = {*words.get("columns", {}), *words.get("facets", [])}
            mentioned |= {words[key] for key in ("sort", "sort_desc", "label_column") if key in words}
            assert mentioned <= columns, table
    assert names - set(described) - {"sqlite_sequence"} == set()
