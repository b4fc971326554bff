"""Scripts for developers of batchveo: none of them is installed."""
