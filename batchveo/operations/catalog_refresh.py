"""A new catalogue from the service, compared with the old one and written to its file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batchveo.core.errors import BatchveoError, UsageError, find_reason
from batchveo.core.formatting import format_count
from batchveo.provider import ApiClient
from batchveo.provider.catalog import Catalog
from batchveo.provider.catalog.catalog import LARGEST_FILE, parse_catalog
from batchveo.provider.catalog.changes import Change, diff_catalogs
from batchveo.provider.catalog_assembly import find_losses
from batchveo.provider.model_refresh import Refresh, Watch, refresh_catalog
from batchveo.storage.file_system import rename_file, sync_path

SHOWN_LOSSES = 5


class CatalogRefused(BatchveoError):
    """The service's answers would destroy a good catalogue, so it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshResult:
    """A refresh that was written to ``path``; ``catalog`` is the new one."""

    path: Path
    catalog: Catalog
    changes: tuple[Change, ...]
    refresh: Refresh


async def refresh_catalog_file(
    api: ApiClient, path: Path, old: Catalog, *, force: bool = False, watch: Watch | None = None
) -> RefreshResult:
    """Ask the service for its models and write them to ``path``; ``old`` is what is known of them.

    The file is replaced as a whole at the end; an error or an interrupt leaves what is there. Raises
    ``ProviderError``, and without ``force`` ``CatalogRefused`` if most of the old models would be lost.
    """
    refresh = await refresh_catalog(api, old, today=datetime.now(UTC).date().isoformat(), watch=watch)
    content = json.dumps(refresh.content, separators=(",", ":"), allow_nan=False).encode()
    if len(content) > LARGEST_FILE:
        raise CatalogRefused(f"the service's models would take {len(content):,} bytes; the catalogue is kept")
    new = parse_catalog(content, path)
    losses = find_losses(old, new)
    if len(losses) * 2 > len(old) and not force:
        shown = ", ".join(losses[:SHOWN_LOSSES]) + (", …" if len(losses) > SHOWN_LOSSES else "")
        raise CatalogRefused(
            f"by the service's answers {format_count(len(losses), 'model')} of {len(old):,} are gone or have lost most "
            f"of their parameters ({shown}), so the catalogue of {old.made} is kept; --force takes the new one"
        )
    _write_file(path, content)
    return RefreshResult(path=path, catalog=new, changes=tuple(diff_catalogs(old, new)), refresh=refresh)


def _write_file(path: Path, content: bytes) -> None:
    # a name of its own: two refreshes may write at the same time
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        sync_path(part)
        rename_file(part, path)
    except OSError as error:
        raise UsageError(f"cannot write the catalogue {path}: {find_reason(error)}") from None
    finally:
        part.unlink(missing_ok=True)
