"""What is checked, and started, before a run speaks to its service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from batchveo.core.errors import UsageError
from batchveo.core.hints import format_command
from batchveo.provider.service import SANDBOX, Service
from batchveo.store import Store

PLAY_MONEY_USD = 1_000_000.0
"""US dollars of play money: a large manifest can be tried whole."""


@contextmanager
def start_sandbox(using: Service, state: Path | None = None) -> Iterator[Service]:
    """``using`` with an address that answers: the embedded look-alike is started where that is meant.

    With ``state`` it remembers its generations, beside that file, across runs.
    """
    if not using.sandbox:
        yield using
        return
    from batchveo.sandbox import Service as Sandbox
    from batchveo.sandbox import Settings
    from batchveo.sandbox import running as serving

    journal = state.with_name(f"{state.name}.sandbox.jsonl") if state else None
    with serving(Sandbox(Settings(balance=PLAY_MONEY_USD), journal=journal)) as url:
        yield replace(using, base_url=url)


def check_service(store: Store, using: Service) -> None:
    """Refuse to mix the sandbox's videos with real ones in one state."""
    seen = store.runs.list_services()
    if seen and (SANDBOX in seen) != using.sandbox:
        there, here = ("the sandbox", "a real one") if SANDBOX in seen else ("a real service", "the sandbox")
        raise UsageError(
            f"{store.path} holds jobs of {there}, and this run uses {here}; name another state with --state"
        )


def follow_keys(store: Store, using: Service) -> int:
    """Let what is under way or in doubt be served by the very key that it left with, whatever its label is now.

    Returns how many of these jobs left with a key that is not given: only that key's usage log can tell of them.
    """
    labels = {key_print: label for label, key_print in using.key_prints(store.keys.read_secret()).items()}
    unsettled = store.keys.count_by_fingerprint()
    store.keys.relabel_jobs({key_print: label for key_print, label in labels.items() if key_print in unsettled})
    return sum(jobs for key_print, jobs in unsettled.items() if key_print not in labels)


def check_keys(store: Store, using: Service) -> None:
    """Refuse to begin while something is under way with a key that is not given now: nobody could ask for it.

    What was bought with the only key, before there were several, is served by the first. Raises ``UsageError``.
    """
    given = {key.name for key in using.keys}
    missing = {name: jobs for name, jobs in store.keys.count_by_label().items() if name and name not in given}
    if missing:
        bought = " and ".join(f"{jobs:,} with key {name!r}" for name, jobs in missing.items())
        labels = ", ".join(sorted(filter(None, given)))
        among = f"not among the keys given ({labels})" if labels else "not given: --keys FILE gives several"
        raise UsageError(
            f"generations are under way or in doubt that were bought with other keys: {bought}, {among}. "
            "Only they can ask for them: give them under the same labels, or give the jobs up with "
            f"`{format_command('resolve', 'JOB', '--fail', state=store.path)}`"
        )
