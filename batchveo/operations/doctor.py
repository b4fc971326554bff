"""Checks the set-up of a machine, and changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from batchveo.core.destination import BucketUrl, Destination
from batchveo.core.errors import BatchveoError, KeyRejected, UsageError, find_reason
from batchveo.core.formatting import format_usd
from batchveo.operations.quote import is_missing_database
from batchveo.operations.retired_models import RetirementFindings, find_retired, find_today
from batchveo.operations.run_setup import start_sandbox
from batchveo.provider import ApiClient, NamedKey, ProviderError
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.service import service
from batchveo.storage.destination_check import FolderLimits
from batchveo.storage.file_system import nearest_folder
from batchveo.storage.objects import Head, open_objects
from batchveo.store import Store

LEAST_FREE_GIB = 5.0
OLDEST_SQLITE = (3, 35, 0)
"""The first version with ``UPDATE … RETURNING``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check; ``advice`` is shown if it is not ``ok``."""

    what: str
    ok: bool
    found: str
    advice: str = ""


def check_setup(
    *,
    state: Path,
    output: Destination,
    base_url: str | None,
    api_key_file: Path | None,
    sandbox: bool,
    keys: Path | None = None,
    catalog: Catalog = MODELS,
    inputs: BucketUrl | None = None,
) -> Iterator[Check]:
    """Check Python, SQLite, the database, the folders, the keys, the service and its models, in this order."""
    yield Check(what="Python", ok=True, found=platform.python_version())
    yield Check(
        what="SQLite",
        ok=sqlite3.sqlite_version_info >= OLDEST_SQLITE,
        found=sqlite3.sqlite_version,
        advice="3.35 or newer is needed; a newer Python brings it",
    )
    yield _check_state(state)
    yield _check_folder("state folder", state.absolute().parent)
    yield _check_bucket("output bucket", output) if isinstance(output, BucketUrl) else _output_folder(output.absolute())
    if inputs is not None:
        yield _check_bucket("inputs bucket", inputs)
    yield from _check_service(base_url, api_key_file, keys, sandbox=sandbox, state=state, catalog=catalog)


def _check_state(path: Path) -> Check:
    if not path.exists():
        return Check(what="state", ok=True, found=f"{path} does not exist yet")
    try:
        with Store(path, writing=False) as store:
            running = ", a run is in progress" if store.runs.is_running() else ""
            return Check(what="state", ok=True, found=f"{path}, {store.counts().total} jobs{running}")
    except (BatchveoError, sqlite3.Error) as error:
        return Check(what="state", ok=False, found=str(error))


def _check_folder(what: str, path: Path) -> Check:
    # the folder may not exist yet: the nearest one above it is on the same disk
    there = nearest_folder(path)
    free = shutil.disk_usage(there).free / 1024**3
    if not os.access(there, os.W_OK):
        return Check(what=what, ok=False, found=f"{path} cannot be written", advice="change its owner, or the option")
    return Check(
        what=what,
        ok=free >= LEAST_FREE_GIB,
        found=f"{path}, {free:.0f} GiB free",
        advice="a thousand 1080p videos take about 20 GiB",
    )


def _output_folder(path: Path) -> Check:
    """The folder, with what its file system cannot do; none of it keeps a run from working."""
    check = _check_folder("output folder", path)
    try:
        notes = FolderLimits.read(nearest_folder(path)).notes
    except OSError as error:
        return replace(check, ok=False, found=f"{path}: {find_reason(error)}", advice="check the disk")
    return replace(check, found="; ".join([check.found, *notes]))


def _check_bucket(what: str, url: BucketUrl) -> Check:
    """Whether the bucket answers; a run checks that it can be written, before it buys."""
    try:
        with suppress(FileNotFoundError):
            b"".join(open_objects(url).iter_pieces(".batchveo", Head(1, {})))  # unlike HEAD, its answer has a reason
    except (OSError, UsageError) as error:
        found = find_reason(error)
        return Check(what=what, ok=False, found=f"{url}: {found}", advice="check the environment")
    return Check(what=what, ok=True, found=f"{url} answers")


def _check_service(
    base_url: str | None, key_file: Path | None, keys: Path | None, *, sandbox: bool, state: Path, catalog: Catalog
) -> Iterator[Check]:
    try:
        using = service(base_url=base_url, key_file=key_file, keys=keys, sandbox=sandbox)
    except UsageError as error:
        yield Check(what="API key", ok=False, found=str(error))
        return
    with start_sandbox(using) as there:
        for key in there.keys:
            yield _check_key(key, there.base_url)
        yield from _check_models(state, there.base_url, catalog)


def _check_key(key: NamedKey, base_url: str) -> Check:
    """Whether the service answers, and accepts the key."""
    what = f"key {key.name}" if key.name else "service"
    try:
        balance = anyio.run(_fetch_balance, ApiClient(key.key, base_url=base_url))
    except (ProviderError, KeyRejected) as error:
        return Check(what=what, ok=False, found=str(error), advice="check the address, the network and the key")
    return Check(what=what, ok=True, found=f"{base_url} answers; balance {format_usd(balance)}")


def _check_models(state: Path, base_url: str, catalog: Catalog) -> Iterator[Check]:
    """Whether the models of pending jobs are still there; one that ends later is no error yet."""
    models = _list_pending_models(state)
    if not models:
        return
    findings = anyio.run(_find_retired, base_url, models, catalog)
    if findings.trouble is not None:
        yield Check(what="models", ok=True, found="; ".join(findings.notes))
    elif not findings.models:
        yield Check(what="models", ok=True, found=f"{', '.join(models)}: none of them is to end")
    today = find_today()
    for retired in findings.models:
        words, change = retired.describe(today), f"`{retired.format_retry(state)}` makes its jobs under another model"
        is_over = retired.retirement.is_over
        found = words if is_over else f"{words}; {change}"
        yield Check(what="models", ok=not is_over, found=found, advice=change)


def _list_pending_models(state: Path) -> list[str]:
    if is_missing_database(state):
        return []
    try:
        with Store(state, writing=False) as store:
            return sorted(store.queries.list_pending_models())
    except (BatchveoError, sqlite3.Error):  # the check of the database has said so
        return []


async def _find_retired(base_url: str, models: list[str], catalog: Catalog) -> RetirementFindings:
    async with ApiClient(None, base_url=base_url) as api:
        return await find_retired(api, models, catalog=catalog)


async def _fetch_balance(api: ApiClient) -> float:
    async with api:
        return await api.fetch_balance()
