"""The command line with a ``progress`` event twenty times a second: ``python -m tests.contract.quick_progress``."""

from batchveo.cli import main
from batchveo.display import line_views

line_views.JSON_PROGRESS_SECONDS = 0.05
main()
