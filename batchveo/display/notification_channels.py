"""Sends notifications over Apprise's services; each service has a URL that is secret."""

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
"""Seconds that the end of a command waits for its messages."""


class Messengers:
    """Posts messages to all URLs, each in a thread of its own, so that no sending delays or breaks a run.

    The URLs stay inside Apprise's objects, whose ``repr`` does not show them. Raises ``UsageError`` for bad ones.
    """

    def __init__(self, urls: Sequence[str] = ()) -> None:
        self._services = _open_services(urls) if urls else []
        self._threads: list[tuple[str, threading.Thread]] = []
        self._failed: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._services)

    @property
    def kinds(self) -> list[str]:
        """The name of each service."""
        return [str(service.service_name) for service in self._services]

    def post(self, title: str, body: str) -> None:
        """Start to send; return at once."""
        for service in self._services:
            # a daemon: a server that never answers must not keep the process alive
            thread = threading.Thread(target=self._send, args=(service, title, body), daemon=True)
            self._threads.append((str(service.service_name), thread))
            thread.start()

    def take_failures(self) -> list[str]:
        """The kinds of the services that accepted no message since the previous call."""
        found: list[str] = []
        with suppress(IndexError):
            while True:
                found.append(self._failed.popleft())
        return found

    def flush(self, seconds: float = SEND_SECONDS) -> list[str]:
        """Wait at most ``seconds`` for the messages; return the kinds of the services that failed or are too slow."""
        deadline = time.monotonic() + seconds
        slow = []
        for kind, thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                slow.append(kind)
        self._threads.clear()
        return [*self.take_failures(), *slow]

    def _send(self, service: NotifyBase, title: str, body: str) -> None:
        sent = False
        with suppress(Exception):  # an error may contain the URL, so it is not shown
            sent = bool(service.notify(title=title, body=body))
        if not sent:
            self._failed.append(str(service.service_name))


def read_urls(file: Path) -> list[str]:
    """The URLs in a file, one a line; empty lines and lines that begin with ``#`` are skipped."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read the file of notify URLs {file}: {reason}") from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _open_services(urls: Sequence[str]) -> list[NotifyBase]:
    if find_spec("apprise") is None:
        raise UsageError("messages need an extra: pip install 'batchveo[notify]'")
    with warnings.catch_warnings():  # some of Apprise's services import deprecated modules
        warnings.simplefilter("ignore", DeprecationWarning)
        made = [_open_service(url) for url in urls]
    # a URL is secret but for its kind: an error names it by its position and kind
    wrong = [
        f"number {n} ({_find_kind(url)})"
        for n, (url, service) in enumerate(zip(urls, made, strict=True), 1)
        if not service
    ]
    if wrong:
        raise UsageError(
            f"--notify: not a complete Apprise URL: {', '.join(wrong)}. Write it like ntfy://TOPIC or "
            "mailto://USER:PASSWORD@HOST; the value is secret and not shown"
        )
    return [service for service in made if service]


def _open_service(url: str) -> NotifyBase | None:
    from apprise import Apprise, AppriseAsset
    from apprise.common import PersistentStoreMode

    logging.getLogger("apprise").disabled = True  # it logs URLs, tokens and all
    asset = AppriseAsset(app_id="batchveo", app_desc="batchveo", storage_mode=PersistentStoreMode.MEMORY)
    return Apprise.instantiate(url, asset=asset)


def _find_kind(url: str) -> str:
    """The scheme of a URL if Apprise knows it: an unknown one may be part of a secret."""
    from apprise import common  # noqa: F401 - its import fills the manager below
    from apprise.manager_plugins import NotificationManager

    match = re.match(r"([a-z][a-z0-9]*)://", url, re.IGNORECASE)
    kinds = NotificationManager()  # type: ignore[no-untyped-call]
    known = match is not None and match[1].lower() in kinds
    return f"{match[1].lower()}://…" if match and known else "of no known kind"
