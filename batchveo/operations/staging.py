"""Reads manifests into a staging table: the database is not touched before everything in them is valid."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from batchveo.manifest import Manifests, ReadOptions, Summary
from batchveo.store import StagingTable

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedJobs:
    """The jobs that manifests name: all of them in ``table``, counted in ``summary``."""

    table: StagingTable
    summary: Summary

    @property
    def models(self) -> list[str]:
        """The models of these jobs."""
        return list(self.summary.by_model)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSources:
    """The manifests of one call (``-`` is ``stdin``), and how they are read."""

    paths: Sequence[StrPath]
    allow_unknown_model: bool = False
    strict_provenance: bool = False
    reading: ReadOptions | None = None
    stdin: BinaryIO | None = None

    @contextmanager
    def stage(self) -> Iterator[StagedJobs]:
        """Read all manifests once. Raises ``ManifestError`` with every problem in them."""
        with StagingTable() as table:
            with Manifests(
                self.paths,
                allow_unknown_model=self.allow_unknown_model,
                strict_provenance=self.strict_provenance,
                stdin=self.stdin,
                options=self.reading,
            ) as manifests:
                summary = manifests.read(table.add_rows)
            table.is_partial = summary.chosen is not None
            yield StagedJobs(table=table, summary=summary)
