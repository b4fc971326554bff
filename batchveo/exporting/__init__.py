"""Datasets made from the videos that succeeded."""

from batchveo.exporting.export import export
from batchveo.exporting.settings import Exported, ExportSettings, Files, Format, Metadata, Trouble

__all__ = ["ExportSettings", "Exported", "Files", "Format", "Metadata", "Trouble", "export"]
