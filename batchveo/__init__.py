"""Turns manifests of prompts and images into Veo videos, in bulk, without ever paying twice.

The command line's work, from Python::

    import batchveo

    result = batchveo.run(["manifest.yaml"], state="state/batchveo.db")
    with batchveo.Store("state/batchveo.db", writing=False) as store:
        for job in store.jobs(batchveo.JobState.SUCCEEDED):
            print(job.name, job.file)

In a notebook, where an event loop runs already: ``await batchveo.run_async([...])``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from batchveo.version import __version__

if TYPE_CHECKING:
    from batchveo.api.key import ApiKey, NamedKey
    from batchveo.cluster import Cluster
    from batchveo.errors import (
        BatchveoError,
        ManifestError,
        Problem,
        StateLocked,
        StateUnusable,
        StoppedEarly,
        UsageError,
    )
    from batchveo.events import Began, Brake, Ended, Event, Moved, Noted, Paced, Reporter, Slowed, Waiting
    from batchveo.exporting import Exported, ExportSettings, Splitting, export
    from batchveo.library import resume, resume_async, run, run_async
    from batchveo.manifest import Extra, Manifests, ReadOptions
    from batchveo.models import Job, JobSpec, JobState
    from batchveo.planning.plans import Plan, plan
    from batchveo.runner import Doubt, RunResult, RunSettings
    from batchveo.schema import manifest_schema
    from batchveo.services import Service, service
    from batchveo.store import Counts, Store
    from batchveo.verifying import Verdict, verify

_ROOMS = {
    "api.key": ("ApiKey", "NamedKey"),
    "cluster": ("Cluster",),
    "errors": (
        "BatchveoError",
        "ManifestError",
        "Problem",
        "StateLocked",
        "StateUnusable",
        "StoppedEarly",
        "UsageError",
    ),
    "events": (
        "Began",
        "Brake",
        "Ended",
        "Event",
        "Moved",
        "Noted",
        "Paced",
        "Reporter",
        "Slowed",
        "Waiting",
    ),
    "exporting": ("ExportSettings", "Exported", "Splitting", "export"),
    "library": ("resume", "resume_async", "run", "run_async"),
    "manifest": ("Extra", "Manifests", "ReadOptions"),
    "models": ("Job", "JobSpec", "JobState"),
    "planning.plans": ("Plan", "plan"),
    "runner": ("Doubt", "RunResult", "RunSettings"),
    "schema": ("manifest_schema",),
    "services": ("Service", "service"),
    "store": ("Counts", "Store"),
    "verifying": ("Verdict", "verify"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [  # noqa: PLE0604, RUF100 - spelled out for readers; a test holds it against _ROOMS
    "ApiKey",
    "BatchveoError",
    "Began",
    "Brake",
    "Cluster",
    "Counts",
    "Doubt",
    "Ended",
    "Event",
    "ExportSettings",
    "Exported",
    "Extra",
    "Job",
    "JobSpec",
    "JobState",
    "ManifestError",
    "Manifests",
    "Moved",
    "NamedKey",
    "Noted",
    "Paced",
    "Plan",
    "Problem",
    "ReadOptions",
    "Reporter",
    "RunResult",
    "RunSettings",
    "Service",
    "Slowed",
    "Splitting",
    "StateLocked",
    "StateUnusable",
    "StoppedEarly",
    "Store",
    "UsageError",
    "Verdict",
    "Waiting",
    "__version__",
    "export",
    "manifest_schema",
    "plan",
    "resume",
    "resume_async",
    "run",
    "run_async",
    "service",
    "verify",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: most commands need few of the rooms."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'batchveo' has no attribute {name!r}")
    value = getattr(import_module(f"batchveo.{_ROOM_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, and nothing else: what editors and notebooks offer."""
    return list(__all__)
