"""Datasets made from the videos that succeeded."""

from batchveo.exporting.exporter import export
from batchveo.exporting.settings import Captions, Exported, ExportSettings, Files, Format, Metadata, Trouble
from batchveo.exporting.splits import Splitting

__all__ = [
    "Captions",
    "ExportSettings",
    "Exported",
    "Files",
    "Format",
    "Metadata",
    "Splitting",
    "Trouble",
    "export",
]
