"""``python -m batchveo``."""

from batchveo.cli import main

main()
