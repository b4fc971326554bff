"""Refreshes the catalogue for ``batchveo models --refresh``: the file to write, the progress, and what came of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchveo.cli.options import read_catalogue
from batchveo.core.errors import UsageError
from batchveo.core.formatting import blank_unprintable, format_count
from batchveo.display.model_text import describe_changes
from batchveo.provider.catalog import Catalog
from batchveo.provider.catalog.user_catalog import BUILTIN, find_user_file, read_catalog
from batchveo.provider.client import BASE_URL, ApiClient

if TYPE_CHECKING:
    from batchveo.operations.catalog_refresh import RefreshResult

SHOWN_TROUBLES = 20


def warn(text: str) -> None:
    """Print a line on standard error, without what would move the cursor."""
    click.echo(blank_unprintable(text), err=True)


def describe_catalog(catalog: Catalog) -> str:
    """One line: date, size, digest and source."""
    info = catalog.info
    return f"catalogue of {info.made}, {format_count(len(catalog), 'model')}, digest {info.digest} ({info.source})"


def run_refresh(url: str, catalogue: Path | None, *, force: bool) -> RefreshResult:
    """Ask the service at ``url`` for its models and write them to ``catalogue``, or to the user's own file."""
    import anyio

    from batchveo.operations.catalog_refresh import refresh_catalog_file

    path, old = _find_target(url, catalogue)
    # what another service lacks of ours is no loss
    is_first = url != BASE_URL and not path.exists()
    progress = _Progress()

    async def ask() -> RefreshResult:
        async with ApiClient(None, base_url=url) as api:
            return await refresh_catalog_file(api, path, old, force=force or is_first, watch=progress.show)

    try:
        return anyio.run(ask)
    finally:
        progress.end()


def _find_target(url: str, catalogue: Path | None) -> tuple[Path, Catalog]:
    """The file to write, and what is known so far."""
    if catalogue == BUILTIN:
        raise UsageError("--refresh cannot change the catalogue of this version; leave --catalogue out, or name a file")
    if catalogue is not None:
        # a file that is no catalogue is an error here, and is not overwritten
        return catalogue, read_catalog(catalogue) if catalogue.exists() else read_catalogue(None)
    user_file = find_user_file(None if url == BASE_URL else url)
    if user_file is None:
        raise UsageError("this user has no home folder for the catalogue: name a file with --catalogue FILE")
    return user_file, read_catalogue(None)


class _Progress:
    """On standard error: a line that is rewritten at a terminal, a few lines in a pipe."""

    STEPS = 4

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._step = -1
        self._write: Callable[[str], object] = sys.stderr.write

    def show(self, done: int, total: int) -> None:
        """``done`` of ``total`` documents are read."""
        text = f"reading the documents of the models: {done:,} of {total:,}"
        if self._is_terminal:
            self._write(f"\r{text}\x1b[K")
            sys.stderr.flush()
        elif (step := done * self.STEPS // max(total, 1)) > self._step:
            self._step = step
            self._write(f"{text}\n")

    def end(self) -> None:
        """Clear the line."""
        if self._is_terminal:
            self._write("\r\x1b[K")
            sys.stderr.flush()


def print_refresh(result: RefreshResult, *, as_json: bool) -> None:
    """Show what has changed, and what could not be read."""
    refresh, info = result.refresh, result.catalog.info
    if as_json:
        data: Mapping[str, object] = {
            "path": info.source,
            "made": info.made,
            "digest": info.digest,
            "models": len(result.catalog),
            "documents": refresh.documents,
            "unchanged": refresh.unchanged,
            "changes": [asdict(change) for change in result.changes],
            "troubles": [asdict(trouble) for trouble in refresh.troubles],
            "notes": [asdict(note) for note in refresh.notes],
        }
        click.echo(json.dumps(data, indent=2))
        return
    for line in describe_changes(result.changes, result.catalog):
        click.echo(blank_unprintable(line))
    if not result.changes:
        click.echo("no model and no parameter has changed")
    for trouble in refresh.troubles[:SHOWN_TROUBLES]:
        kept = "; what was known of it is kept" if trouble.kept else ""
        warn(f"{trouble.model}: {trouble.reason}{kept}")
    if len(refresh.troubles) > SHOWN_TROUBLES:
        warn(f"and {len(refresh.troubles) - SHOWN_TROUBLES:,} more; --json lists all")
    if refresh.notes:
        warn(f"{format_count(len(refresh.notes), 'part')} of documents cannot be checked; --json lists them")
    warn(f"{refresh.documents:,} documents read, {refresh.unchanged:,} unchanged")
    warn(describe_catalog(result.catalog))
