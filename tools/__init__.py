"""Scripts for the developers of batchveo; none is installed with it."""
