"""How long a submit takes to a service that is 150 ms away, over TLS."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from unittest.mock import patch

from benchmarks.distant import write_certificate
from benchmarks.processes import program, run
from benchmarks.rows import Row, at_most
from benchmarks.servers import serving
from benchmarks.spaces import workspace

ONE_WAY_SECONDS = 0.075
MOST_ROUND_TRIPS = 1.2


def measure(*, quick: bool) -> list[Row]:
    """With a spare connection, without, and the bare aiohttp peer, in turns."""
    turns, count = (1, 4) if quick else (3, 10)
    taken: dict[str, list[float]] = {"spare": [], "fresh": [], "peer": []}
    with workspace() as folder, _distant_service(folder / "certificate.pem") as url:
        for way in list(taken) * turns:
            taken[way] += json.loads(run(program("submitters", way, url, str(count))).out)
    return _rows({way: median(seconds) / (2 * ONE_WAY_SECONDS) for way, seconds in taken.items()}, taken["spare"])


@contextmanager
def _distant_service(certificate: Path) -> Iterator[str]:
    write_certificate(certificate)
    command = program("distant", certificate, "--delay", str(ONE_WAY_SECONDS))
    with patch.dict(os.environ, SSL_CERT_FILE=str(certificate)), serving(command, notes_requests=False) as server:
        yield server.url


def _rows(trips: dict[str, float], spare: Sequence[float]) -> list[Row]:
    return [
        Row(
            name="submit over TLS, 150 ms away",
            figure=trips["spare"],
            unit="round trips",
            target=at_most(MOST_ROUND_TRIPS),
            details=f"median of {len(spare)}, with a spare connection; from the client's call to the answer",
        ),
        Row(
            name="submit over TLS: without a spare",
            figure=trips["fresh"],
            unit="round trips",
            details="a real one takes one more, for TCP",
        ),
        Row(
            name="submit over TLS: peer (c)",
            figure=trips["peer"],
            unit="round trips",
            details="aiohttp on a connection that was used before, which may end just then",
        ),
    ]
