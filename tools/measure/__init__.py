"""Measures the code that this repository holds: ``python -m tools.measure``."""
