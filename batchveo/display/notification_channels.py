"""Where messages to far-away people go: Apprise's services, each known by a URL that is a secret."""

from __future__ import annotations

import logging
import re
import threading
import time
import warnings
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from batchveo.core.errors import UsageError

if TYPE_CHECKING:
    from apprise import NotifyBase

SEND_SECONDS = 10.0
"""How long the end of a command waits for its messages."""


class Messengers:
    """Posts a message to every URL, each in a thread of its own: no sending holds a run up, or breaks it.

    The URLs stay inside Apprise's objects, whose ``repr`` does not show them.
    """

    def __init__(self, urls: Sequence[str] = ()) -> None:
        self._services = _services(urls) if urls else []
        self._threads: list[tuple[str, threading.Thread]] = []
        self._failed: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._services)

    @property
    def kinds(self) -> list[str]:
        """What sort of service each one is."""
        return [_kind(service) for service in self._services]

    def post(self, title: str, body: str) -> None:
        """Begin to send; returns at once."""
        for service in self._services:
            # a daemon, or the end of the program would wait for a server that never answers
            thread = threading.Thread(target=self._send, args=(service, title, body), daemon=True)
            self._threads.append((_kind(service), thread))
            thread.start()

    def failures(self) -> list[str]:
        """The kinds of the services that did not take a message, since this was asked last."""
        found: list[str] = []
        with suppress(IndexError):
            while True:
                found.append(self._failed.popleft())
        return found

    def flush(self, seconds: float = SEND_SECONDS) -> list[str]:
        """Wait at most ``seconds`` for what is being sent; the kinds of the services that failed."""
        deadline = time.monotonic() + seconds
        slow = []
        for kind, thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                slow.append(kind)
        self._threads.clear()
        return [*self.failures(), *slow]

    def _send(self, service: NotifyBase, title: str, body: str) -> None:
        sent = False
        with suppress(Exception):  # its text may hold the URL
            sent = bool(service.notify(title=title, body=body))
        if not sent:
            self._failed.append(_kind(service))


def urls_in(file: Path) -> list[str]:
    """The URLs in a file, one a line; empty lines and those that begin with ``#`` are left out."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read the file of notify URLs {file}: {reason}") from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _services(urls: Sequence[str]) -> list[NotifyBase]:
    """Raises ``UsageError`` that names the wrong ones by their place and kind: all else in them is secret."""
    if find_spec("apprise") is None:
        raise UsageError("messages need an extra: pip install 'batchveo[notify]'")
    with warnings.catch_warnings():  # some of its hundred services import what is deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        made = [_instantiated(url) for url in urls]
    wrong = [
        f"number {n} ({_scheme(url)})"
        for n, (url, service) in enumerate(zip(urls, made, strict=True), 1)
        if not service
    ]
    if wrong:
        raise UsageError(
            f"--notify: not a complete Apprise URL: {', '.join(wrong)}. Write it like ntfy://TOPIC or "
            "mailto://USER:PASSWORD@HOST; the value is secret and not shown"
        )
    return [service for service in made if service]


def _instantiated(url: str) -> NotifyBase | None:
    from apprise import Apprise, AppriseAsset
    from apprise.common import PersistentStoreMode

    logging.getLogger("apprise").disabled = True  # it logs URLs, tokens and all
    asset = AppriseAsset(app_id="batchveo", app_desc="batchveo", storage_mode=PersistentStoreMode.MEMORY)
    return Apprise.instantiate(url, asset=asset)


def _scheme(url: str) -> str:
    """The kind of a URL: the one part of it that is known not to be secret."""
    from apprise import common  # noqa: F401 - its import fills the manager below
    from apprise.manager_plugins import NotificationManager

    match = re.match(r"([a-z][a-z0-9]*)://", url, re.IGNORECASE)
    kinds = NotificationManager()  # type: ignore[no-untyped-call]
    known = match is not None and match[1].lower() in kinds
    return f"{match[1].lower()}://…" if match and known else "of no known kind"


def _kind(service: NotifyBase) -> str:
    return str(service.service_name)
