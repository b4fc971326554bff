"""batchveo without its own limit of calls of the usage log: ``python -m benchmarks.unlimited audit ...``."""

from __future__ import annotations

from batchveo.cli import main
from batchveo.provider import client

if __name__ == "__main__":
    client.LOG_CALLS_PER_MINUTE = 10**9
    main()
