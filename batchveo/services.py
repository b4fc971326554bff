"""Which service a run speaks to: the real one, another address, or the embedded look-alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from batchveo.api import BASE_URL, ApiKey, check_base_url, find_key
from batchveo.api.lanes import LOOPBACK
from batchveo.errors import UsageError
from batchveo.store import Store

SANDBOX = "sandbox"
"""What the state calls the embedded look-alike, whose videos must never pass for real ones."""
SANDBOX_BALANCE = 1_000_000.0
"""US dollars of play money: a large manifest can be tried whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Which service to speak to: its address and the key for it. ``sandbox`` starts the embedded look-alike."""

    base_url: str = BASE_URL
    key: ApiKey | None = None
    sandbox: bool = False

    @property
    def name(self) -> str:
        """What the state remembers it by."""
        return SANDBOX if self.sandbox else self.base_url

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, so that its videos may come from here too."""
        return urlsplit(self.base_url).hostname in LOOPBACK


def service(
    *, base_url: str | None = None, key: str | None = None, key_file: Path | None = None, sandbox: bool = False
) -> Service:
    """The service to use; the key comes from ``key``, ``key_file`` or the environment.

    Raises ``UsageError`` where there is no key, or the address is not https (http only to this machine).
    """
    if sandbox:
        return Service(key=ApiKey("sandbox"), sandbox=True)
    url = check_base_url(base_url or BASE_URL)
    return Service(base_url=url, key=ApiKey(key) if key else find_key(key_file))


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
        yield Service(base_url=url, key=using.key, sandbox=True)


def check_service(store: Store, using: Service) -> None:
    """Refuse to mix the sandbox's videos with real ones in one state."""
    seen = store.services()
    if seen and (SANDBOX in seen) != using.sandbox:
        there, here = ("the sandbox", "a real one") if SANDBOX in seen else ("a real service", "the sandbox")
        raise UsageError(
            f"{store.path} holds jobs of {there}, and this run uses {here}; name another state with --state"
        )
