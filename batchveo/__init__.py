"""Turns manifests of prompts and images into Veo videos, in bulk, without ever paying twice."""

__version__ = "0.1.0"
