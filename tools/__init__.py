"""Scripts for those who develop batchveo; not installed."""
