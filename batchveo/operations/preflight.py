"""Whether a database is the right one for a run: its service, its keys and its jobs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from batchveo.core.errors import UsageError
from batchveo.core.hints import format_command
from batchveo.operations.quote import is_missing_database
from batchveo.provider.service import SANDBOX, Service
from batchveo.store import KnownJobs, StagingTable, Store, count_known_jobs

LEVELS = 3
"""How many folders above that of a manifest are searched."""
ENDINGS = (".db", ".sqlite", ".sqlite3")
MOST_ENTRIES, MOST_DATABASES = 5_000, 50
"""Names of a folder, and databases in all, that are read."""


def check_service(store: Store, using: Service) -> None:
    """Refuse to mix the sandbox's videos with real ones in one database: raises ``UsageError``."""
    seen = store.runs.list_services()
    # two real services may mix (a proxy in front of the same account); play money never does
    if seen and (SANDBOX in seen) != using.sandbox:
        there, here = ("the sandbox", "a real one") if SANDBOX in seen else ("a real service", "the sandbox")
        raise UsageError(
            f"{store.path} holds jobs of {there}, and this run uses {here}; name another state with --state"
        )


def follow_keys(store: Store, using: Service) -> int:
    """Let jobs in flight or in doubt be served by the key that submitted them, even if its label has changed.

    Returns how many of them were submitted with a key that is not given: only that key can read their usage log.
    """
    # a fingerprint is of the key itself, so it survives a new label; the key is not in the database
    labels = {key_print: label for label, key_print in using.key_prints(store.keys.read_secret()).items()}
    unsettled = store.keys.count_by_fingerprint()
    store.keys.relabel_jobs({key_print: label for key_print, label in labels.items() if key_print in unsettled})
    return sum(jobs for key_print, jobs in unsettled.items() if key_print not in labels)


def check_keys(store: Store, using: Service) -> None:
    """Refuse to begin if jobs are in flight or in doubt under a label that is not given: raises ``UsageError``.

    What was bought with the only key, before there were several, is served by the first.
    """
    given = {key.name for key in using.keys}
    missing = {name: jobs for name, jobs in store.keys.count_by_label().items() if name and name not in given}
    if missing:
        bought = " and ".join(f"{jobs:,} with key {name!r}" for name, jobs in missing.items())
        labels = ", ".join(sorted(filter(None, given)))
        among = f"not among the keys given ({labels})" if labels else "not given: --keys FILE gives several"
        raise UsageError(
            f"generations in flight or in doubt were bought with other keys: {bought}, {among}. "
            "No other key can poll them: give these keys under the same labels, or give the jobs up with "
            f"`{format_command('resolve', 'JOB', '--fail', state=store.path)}`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherDatabase:
    """A database that knows jobs of which the one at ``state`` knows none.

    ``is_new``: there is no database at ``state`` yet.
    """

    state: Path
    is_new: bool
    other: KnownJobs

    @property
    def finding(self) -> str:
        """The sentence for a person."""
        here = "there is no database at" if self.is_new else "none of these jobs are known to"
        counts = ", ".join(f"{jobs:,} {state}" for state, jobs in sorted(self.other.by_state.items()))
        knows = f"knows {self.other.known:,} of the {self.other.named:,} jobs ({counts})"
        return f"{here} {self.state.absolute()}, but {self.other.path} {knows}"

    @property
    def advice(self) -> str:
        """What the person can do."""
        return (
            f"use that one: --state {shlex.quote(str(self.other.path))}; "
            "or buy all of them again with this one: --new-state"
        )


def find_other_database(
    manifests: Sequence[str | os.PathLike[str]], state: Path, named: StagingTable, *, sandbox: bool
) -> OtherDatabase | None:
    """The nearest database beside ``manifests`` that knows jobs of ``named``; the one at ``state`` knows none.

    What the sandbox made does not count for a real service, nor the other way round. Nothing is written.
    """
    is_new = is_missing_database(state)
    # a database that knows one of the jobs is the right one: then there is nothing to search
    if not is_new:
        here = count_known_jobs(named, state, any_will_do=True)
        if here is None or here.known or not here.named:
            return None
    for path in islice(_list_databases(manifests, state), MOST_DATABASES):
        other = count_known_jobs(named, path)
        # a trial in the sandbox must not look like a purchase, nor hide one
        if other is not None and other.known and (SANDBOX in other.services) == sandbox:
            return OtherDatabase(state=state, is_new=is_new, other=other)
    return None


def _list_databases(manifests: Iterable[str | os.PathLike[str]], state: Path) -> Iterator[Path]:
    """The files that may be databases of ours, the nearest first; not the one at ``state`` itself."""
    seen = {state.resolve()}
    for folder in _list_folders(manifests):
        for path in _list_files(folder):
            if path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def _list_folders(manifests: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """The folders of the manifests, each with its ``state`` folder; then those above them."""
    own = [folder for manifest in manifests for folder in _find_homes(manifest)]
    # level by level over all manifests, so that the nearest database comes first
    ancestors = [folder.parents[level] for level in range(LEVELS) for folder in own if level < len(folder.parents)]
    for folder in dict.fromkeys([*own, *ancestors]):
        yield folder
        yield folder / "state"


def _find_homes(manifest: str | os.PathLike[str]) -> Iterator[Path]:
    """The folder of a manifest, and that of the file it links to; the current one for standard input."""
    path = Path("here") if os.fspath(manifest) == "-" else Path(manifest)
    yield Path(os.path.normpath(path.absolute())).parent
    yield path.resolve().parent


def _list_files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, MOST_ENTRIES) if entry.name.endswith(ENDINGS)]
    except OSError:
        return []
    return [path for path in map(folder.joinpath, sorted(names)) if path.is_file()]
