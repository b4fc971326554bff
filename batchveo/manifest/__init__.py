"""Manifests (YAML, CSV, JSON Lines and others) as streams of validated jobs."""

from batchveo.manifest.loader import Manifests, Summary
from batchveo.manifest.read_options import Extra, ReadOptions, pairs_of

__all__ = ["Extra", "Manifests", "ReadOptions", "Summary", "pairs_of"]
