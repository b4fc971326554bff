"""How manifests are read, from the options of ``run`` and ``plan``."""

from __future__ import annotations

from typing import Any

from batchveo.manifest import Extra, ReadOptions, pairs_of


def reading_of(options: dict[str, Any]) -> ReadOptions:
    """What ``--set``, ``--map``, ``--extra``, ``--limit`` and ``--only`` say. Raises ``UsageError``."""
    return ReadOptions(
        sets=pairs_of("--set", options["sets"], "FIELD=VALUE"),
        renames=pairs_of("--map", options["renames"], "FIELD=COLUMN"),
        extra=Extra(options["extra"]),
        limit=options["limit"],
        only=tuple(options["only"]),
    )
