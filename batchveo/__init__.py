"""Turns manifests of prompts and images into videos, in bulk, without ever paying twice.

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

from batchveo.core.version import __version__

if TYPE_CHECKING:
    from batchveo.core.errors import (
        BatchveoError,
        ManifestError,
        Problem,
        StateLocked,
        StateUnusable,
        StoppedEarly,
        UsageError,
    )
    from batchveo.core.events import (
        Event,
        JobStateChanged,
        Message,
        Reporter,
        RunFinished,
        RunStarted,
        SubmitsPaused,
        ThrottleChanged,
        ThrottleReason,
        WaitingForLog,
    )
    from batchveo.core.measures import CheckLevel
    from batchveo.core.models import Job, JobSpec, JobState
    from batchveo.core.settings import Cluster, Doubt, RunSettings
    from batchveo.dataset import Exported, ExportSettings, Splitting, export
    from batchveo.engine.result import RunResult
    from batchveo.manifest import Extra, Manifests, ReadOptions
    from batchveo.manifest.json_schema import manifest_schema
    from batchveo.operations.check_clips import Checked, CheckedClip, check, check_async
    from batchveo.operations.plan import Plan, plan
    from batchveo.operations.run import resume, resume_async, run, run_async
    from batchveo.operations.verify import Verdict, verify
    from batchveo.provider.api_key import ApiKey, NamedKey
    from batchveo.provider.service import Service, service
    from batchveo.store import BlockedCount, Counts, Store

_MODULES = {
    "provider.api_key": ("ApiKey", "NamedKey"),
    "core.errors": (
        "BatchveoError",
        "ManifestError",
        "Problem",
        "StateLocked",
        "StateUnusable",
        "StoppedEarly",
        "UsageError",
    ),
    "core.events": (
        "RunStarted",
        "ThrottleReason",
        "RunFinished",
        "Event",
        "JobStateChanged",
        "Message",
        "ThrottleChanged",
        "Reporter",
        "SubmitsPaused",
        "WaitingForLog",
    ),
    "dataset": ("ExportSettings", "Exported", "Splitting", "export"),
    "operations.run": ("resume", "resume_async", "run", "run_async"),
    "manifest": ("Extra", "Manifests", "ReadOptions"),
    "core.measures": ("CheckLevel",),
    "core.models": ("Job", "JobSpec", "JobState"),
    "operations.check_clips": ("Checked", "CheckedClip", "check", "check_async"),
    "operations.plan": ("Plan", "plan"),
    "core.settings": ("Cluster", "Doubt", "RunSettings"),
    "engine.result": ("RunResult",),
    "manifest.json_schema": ("manifest_schema",),
    "provider.service": ("Service", "service"),
    "store": ("BlockedCount", "Counts", "Store"),
    "operations.verify": ("Verdict", "verify"),
}
_OLD_NAMES = {
    "Began": "RunStarted",
    "Brake": "ThrottleReason",
    "Ended": "RunFinished",
    "Moved": "JobStateChanged",
    "Noted": "Message",
    "Paced": "ThrottleChanged",
    "Slowed": "SubmitsPaused",
    "Waiting": "WaitingForLog",
}
"""Names that scripts may still use."""
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [  # noqa: PLE0604, RUF100 - spelled out for readers; a test holds it against _MODULES
    "ApiKey",
    "BatchveoError",
    "BlockedCount",
    "CheckLevel",
    "Checked",
    "CheckedClip",
    "Cluster",
    "Counts",
    "Doubt",
    "Event",
    "ExportSettings",
    "Exported",
    "Extra",
    "Job",
    "JobSpec",
    "JobState",
    "JobStateChanged",
    "ManifestError",
    "Manifests",
    "Message",
    "NamedKey",
    "Plan",
    "Problem",
    "ReadOptions",
    "Reporter",
    "RunFinished",
    "RunResult",
    "RunSettings",
    "RunStarted",
    "Service",
    "Splitting",
    "StateLocked",
    "StateUnusable",
    "StoppedEarly",
    "Store",
    "SubmitsPaused",
    "ThrottleChanged",
    "ThrottleReason",
    "UsageError",
    "Verdict",
    "WaitingForLog",
    "__version__",
    "check",
    "check_async",
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
    """Import a public name when it is first used: most commands need few of the modules."""
    name = _OLD_NAMES.get(name, name)
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'batchveo' has no attribute {name!r}")
    value = getattr(import_module(f"batchveo.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, and nothing else: what editors and notebooks offer."""
    return list(__all__)
