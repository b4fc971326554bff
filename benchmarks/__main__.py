"""Measure, show, write: ``python -m benchmarks [NAMES...] [--quick] [--json FILE]``."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks import table
from benchmarks.machine import ROOT, facts
from benchmarks.processes import kill_all
from benchmarks.rows import Row

BENCHMARKS = {
    "night": "a night's length against the ideal, and against what people hand-roll",
    "polling": "how soon a finished generation is noticed, and by how many polls",
    "throughput": "jobs a second where the service takes no time",
    "submit": "how long a submit takes to a service 150 ms away",
    "in-flight": "processor and memory with thousands of generations under way",
    "capacity": "what an ordinary run takes of the machine, clips of 8 MB, default settings",
    "manifests": "a million rows of CSV, a hundred thousand jobs of YAML",
    "resume": "a state of a million jobs: first request, status, jobs",
    "page": "the answers of the page with a million jobs, while a run writes",
    "downloads": "megabytes a second, verified and synced, against curl",
    "exports": "a dataset of a hundred thousand clips: again, with new ones, in shards",
    "checks": "a pass over a clip of 1080p, clips an hour, near copies among 100,000",
    "start": "how long the command line takes to say something",
    "audit": "an audit of half a million requests, also killed half-way",
    "growth": "time and memory from a thousand jobs to a million",
    "cluster": "workers on Ray, the pace of the state they share, what the engine takes",
}
RESULTS = ROOT / "benchmarks" / "results"


def main() -> int:
    """Status 0 where everything was measured, 1 where a benchmark broke; targets missed are not an error."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    known = facts() | {"size": "reduced" if options.quick else "full"}
    rows: list[Row] = []
    broken: list[str] = []
    for name in options.names or BENCHMARKS:
        print(f"\n{name}: {BENCHMARKS[name]}", flush=True)
        try:
            measured = _measured(name, quick=options.quick)
        except Exception as error:  # noqa: BLE001 - one benchmark that breaks does not spoil the others
            print(f"  broke: {error}", file=sys.stderr, flush=True)
            broken.append(name)
        else:
            print(table.text_table(measured), flush=True)
            rows += measured
    if broken:
        known["broke"] = ", ".join(broken)
    written = table.write(rows, known, options.json)
    print(f"\nwritten to {' and '.join(map(str, written))}")
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    listed = "\n".join(f"  {name:12} {text}" for name, text in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\n\nbenchmarks, all without a name:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure")
    parser.add_argument("--quick", action="store_true", help="reduced sizes: under two minutes for all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write; Markdown goes beside it")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; known are {', '.join(BENCHMARKS)}")
    options.json = options.json or RESULTS / ("latest-quick.json" if options.quick else "latest.json")
    return options


def _measured(name: str, *, quick: bool) -> list[Row]:
    module = import_module(f"benchmarks.{name.replace('-', '_')}")
    began = time.monotonic()
    rows: list[Row] = module.measure(quick=quick)
    print(f"  measured in {time.monotonic() - began:.0f} s")
    return rows


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - signal's signature
    kill_all()
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
