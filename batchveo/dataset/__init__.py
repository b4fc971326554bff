"""Datasets made from the videos that succeeded."""

from batchveo.dataset.exporter import export
from batchveo.dataset.hub import HubRepository, Uploaded, UploadPlan
from batchveo.dataset.settings import Captions, Exported, ExportSettings, Files, Format, Metadata, Trouble
from batchveo.dataset.splits import Splitting

__all__ = [
    "Captions",
    "ExportSettings",
    "Exported",
    "Files",
    "Format",
    "HubRepository",
    "Metadata",
    "Splitting",
    "Trouble",
    "UploadPlan",
    "Uploaded",
    "export",
]
