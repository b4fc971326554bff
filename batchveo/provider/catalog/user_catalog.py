"""The catalogue in use: a file that was named, the one that the user refreshed, or the one of the package."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

from batchveo.core.errors import UsageError, find_reason
from batchveo.provider.catalog.catalog import MODELS, Catalog, load_catalog
from batchveo.provider.catalog.file_format import CatalogError

logger = logging.getLogger(__name__)

BUILTIN = Path("builtin")
"""The word that names the package's catalogue in place of a file."""
_NOT_PLAIN = re.compile(r"[^a-z0-9.]+")
_LONGEST_HOST = 80
MOST_PROBLEMS = 5
"""Problems of a file that are listed."""


def find_user_file(service: str | None = None) -> Path | None:
    """The file of the refreshed catalogue on this platform; ``None`` for a user without a home.

    ``service``: the address of a service other than the real one. Each has a file of its own, so that a look-alike
    never changes what real requests are validated against.
    """
    import platformdirs  # only if a catalogue is used at all

    host = "" if service is None else "-" + _NOT_PLAIN.sub("-", service.partition("://")[2].lower())
    path = Path(platformdirs.user_data_dir("batchveo", appauthor=False)) / f"models{host[:_LONGEST_HOST]}.json"
    return path if path.is_absolute() else None


def find_catalog(
    path: Path | None = None,
    *,
    service: str | None = None,
    offline: bool = False,
    warn: Callable[[str], None] = logger.warning,
) -> Catalog:
    """The catalogue to validate against.

    ``path``: the file of one, or ``BUILTIN``; raises ``UsageError`` if it cannot be read. Without it the refreshed
    one of ``service`` (the address; ``None``: the real one), if there is one that is readable and not older than the
    package's, else the package's. ``offline``: without ``path`` always the package's, so that the same version gives
    the same answers. ``warn`` gets a sentence about a refreshed catalogue that is not used.
    """
    if path is not None:
        return MODELS if path == BUILTIN else read_catalog(path)
    user_file = None if offline else find_user_file(service)
    if user_file is None:
        return MODELS
    try:
        found = load_catalog(user_file)
    except FileNotFoundError:
        return MODELS
    except (OSError, CatalogError) as error:
        warn(
            f"the refreshed catalogue cannot be used, so the one of this version is: {user_file}: {_list_few(error)}; "
            "`batchveo models --refresh` makes a new one"
        )
        return MODELS
    return found if found.made >= MODELS.made else MODELS


def read_catalog(path: Path) -> Catalog:
    """The catalogue in a file; raises ``UsageError`` with what is wrong in it."""
    try:
        return load_catalog(path)
    except OSError as error:
        raise UsageError(f"cannot read the catalogue {path}: {find_reason(error)}") from None
    except CatalogError as error:
        raise UsageError(f"{path} is not a catalogue of models: {_list_few(error)}") from None


def _list_few(error: Exception) -> str:
    if isinstance(error, OSError):
        return find_reason(error)
    problems = error.problems if isinstance(error, CatalogError) else [str(error)]
    more = len(problems) - MOST_PROBLEMS
    return "; ".join(problems[:MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
