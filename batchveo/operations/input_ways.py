"""How the inputs of jobs get to the service: which ways are open, and which a manifest needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from batchveo.core.destination import BucketUrl
from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count
from batchveo.core.links import GENERATION, VIDEO
from batchveo.core.settings import RunSettings
from batchveo.manifest.media import InputWays, kind_of
from batchveo.manifest.problems import Fault
from batchveo.operations.saved_settings import SavedSettings
from batchveo.storage.destination_check import sign_trial_url
from batchveo.storage.probe import can_probe
from batchveo.store import StagingTable, Store


def find_ways(settings: RunSettings) -> InputWays:
    """The ways that are open for a run on this machine."""
    return InputWays(by_url=settings.inputs is not None, frames=can_probe())


def recall_ways(store: Store) -> InputWays:
    """The ways that were open for the last run of a database: the next one most likely has the same."""
    return InputWays(by_url=SavedSettings.parse(store.runs.read_last_options()).values.get("inputs") is not None)


def describe_ways(named: StagingTable, inputs: BucketUrl | None) -> Iterator[str]:
    """How the inputs from other jobs' videos travel, as a sentence; nothing without such inputs."""
    counted: Counter[tuple[str, str]] = Counter()
    for part, takes_data, links in named.count_links():
        if part == GENERATION:
            counted["generation id", ""] += links
        elif part == VIDEO:
            otherwise = "as data" if takes_data else f"through {inputs}" if inputs else ""
            counted["video", f" by the service's own address{otherwise and f', else {otherwise}'}"] += links
        else:
            counted["frame", " as data" if takes_data else f" through {inputs}"] += links
    if counted:
        ways = (f"{format_count(links, what)}{way}" for (what, way), links in sorted(counted.items()))
        yield f"inputs from the videos of other jobs: {'; '.join(ways)}"


async def check_inputs(inputs: BucketUrl, *, local: bool) -> None:
    """Raise ``DiskTrouble`` unless inputs can be put there, ``UsageError`` if the service cannot fetch them.

    ``local``: the service is on this machine.
    """
    parts = urlsplit(await sign_trial_url(inputs))
    try:
        if not local:
            kind_of(f"{parts.scheme}://{parts.netloc}/")  # without what is secret
    except Fault as fault:
        raise UsageError(f"--inputs {inputs}: {fault.message}; the service fetches inputs over the internet") from None
