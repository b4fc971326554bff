"""Manifests (YAML, CSV, JSON Lines) as streams of validated jobs."""

from batchveo.manifest.manifests import Manifests, Summary

__all__ = ["Manifests", "Summary"]
