"""Which service a run speaks to: the real one, another address, or the embedded look-alike."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from batchveo.api import BASE_URL, ApiKey, NamedKey, check_base_url, find_key
from batchveo.api.lanes import LOOPBACK
from batchveo.errors import UsageError
from batchveo.hints import pasteable
from batchveo.store import Store

SANDBOX = "sandbox"
"""What the state calls the embedded look-alike, whose videos must never pass for real ones."""
SANDBOX_BALANCE = 1_000_000.0
"""US dollars of play money: a large manifest can be tried whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Which service to speak to: its address and the key for it. ``sandbox`` starts the embedded look-alike.

    ``keys`` has every key: several, each with its label, or ``key`` alone, which has none. ``key`` is the first.
    """

    base_url: str = BASE_URL
    key: ApiKey | None = None
    sandbox: bool = False
    keys: tuple[NamedKey, ...] = ()

    def __post_init__(self) -> None:
        if self.keys:
            _check_distinct(self.keys)
            if self.key not in (None, self.keys[0].key):
                raise UsageError("give one key, or several with their labels")
            object.__setattr__(self, "key", self.keys[0].key)
        elif self.key is not None:
            object.__setattr__(self, "keys", (NamedKey(name="", key=self.key),))

    @property
    def name(self) -> str:
        """What the state remembers it by."""
        return SANDBOX if self.sandbox else self.base_url

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, so that its videos may come from here too."""
        return urlsplit(self.base_url).hostname in LOOPBACK


def service(
    *,
    base_url: str | None = None,
    key: str | None = None,
    key_file: Path | None = None,
    keys: str | os.PathLike[str] | Sequence[NamedKey] | None = None,
    sandbox: bool = False,
    required: bool = True,
) -> Service:
    """The service to use; the key comes from ``key``, ``key_file`` or the environment.

    ``keys`` are several, or the file that names them, in place of one. With ``sandbox`` no real key is looked
    for. Raises ``UsageError`` where there is no key and one is ``required``, where the file of keys is wrong, or
    the address is not https (http only to this machine).
    """
    if keys is not None and (key or key_file is not None):
        raise UsageError("--keys and --api-key-file: give one of them")
    several = _several(keys, play=sandbox)
    if sandbox:
        return Service(key=None if several else ApiKey("sandbox"), keys=several, sandbox=True)
    url = check_base_url(base_url or BASE_URL)
    if several:
        return Service(base_url=url, keys=several)
    return Service(base_url=url, key=ApiKey(key) if key else find_key(key_file, required=required))


def _several(keys: str | os.PathLike[str] | Sequence[NamedKey] | None, *, play: bool) -> tuple[NamedKey, ...]:
    if keys is None:
        return ()
    if isinstance(keys, str | os.PathLike):
        from batchveo.keys import read_keys

        return read_keys(Path(keys), play=play)
    if not keys:
        raise UsageError("there are no keys")
    return tuple(replace(key, key=ApiKey(f"sandbox.{key.name}")) if play else key for key in keys)


def _check_distinct(keys: Sequence[NamedKey]) -> None:
    """Refuse what could not be told apart; no key is shown."""
    names = [key.name for key in keys]
    if len(set(names)) < len(names) or (len(names) > 1 and "" in names):
        raise UsageError("several keys need a label each, all different")
    if len({key.key for key in keys}) < len(keys):
        raise UsageError("two labels have the same key")


@contextmanager
def running(using: Service, state: Path | None = None) -> Iterator[Service]:
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
    with serving(Sandbox(Settings(balance=SANDBOX_BALANCE), journal=journal)) as url:
        yield replace(using, base_url=url)


def check_service(store: Store, using: Service) -> None:
    """Refuse to mix the sandbox's videos with real ones in one state."""
    seen = store.services()
    if seen and (SANDBOX in seen) != using.sandbox:
        there, here = ("the sandbox", "a real one") if SANDBOX in seen else ("a real service", "the sandbox")
        raise UsageError(
            f"{store.path} holds jobs of {there}, and this run uses {here}; name another state with --state"
        )


def key_prints(store: Store, using: Service) -> dict[str, str]:
    """The fingerprint of each key that is given, by its label."""
    secret = store.key_secret()
    return {key.name: key.key.fingerprint(secret) for key in using.keys}


def follow_keys(store: Store, using: Service) -> int:
    """Let what is under way or in doubt be served by the very key that it left with, whatever its label is now.

    Returns how many of these jobs left with a key that is not given: only that key's usage log can tell of them.
    """
    labels = {key_print: label for label, key_print in key_prints(store, using).items()}
    unsettled = store.key_prints_unsettled()
    store.follow_keys({key_print: label for key_print, label in labels.items() if key_print in unsettled})
    return sum(jobs for key_print, jobs in unsettled.items() if key_print not in labels)


def check_keys(store: Store, using: Service) -> None:
    """Refuse to begin while something is under way with a key that is not given now: nobody could ask for it.

    What was bought with the only key, before there were several, is served by the first. Raises ``UsageError``.
    """
    given = {key.name for key in using.keys}
    missing = {name: jobs for name, jobs in store.key_names_unfinished().items() if name and name not in given}
    if missing:
        bought = " and ".join(f"{jobs:,} with key {name!r}" for name, jobs in missing.items())
        labels = ", ".join(sorted(filter(None, given)))
        among = f"not among the keys given ({labels})" if labels else "not given: --keys FILE gives several"
        raise UsageError(
            f"generations are under way or in doubt that were bought with other keys: {bought}, {among}. "
            "Only they can ask for them: give them under the same labels, or give the jobs up with "
            f"`{pasteable('resolve', 'JOB', '--fail', state=store.path)}`"
        )
