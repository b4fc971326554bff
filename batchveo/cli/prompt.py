"""The question that a person is asked before much is bought."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from batchveo.core.errors import UsageError
from batchveo.operations.approval import Consent

if TYPE_CHECKING:
    from batchveo.operations.quote import Approve, PurchaseQuote


def approve_of(options: dict[str, Any]) -> Approve | None:
    """Who is asked before a run buys; ``None`` where nobody is: no terminal, ``--yes``, or play money."""
    above = options["confirm_above"]
    if not above >= 0:
        raise UsageError(f"--confirm-above {above} is out of range")
    if options["yes"] or options["sandbox"] or not _is_someone_there():
        return None

    def approve(offer: PurchaseQuote) -> bool:
        return (offer.usd <= above and not offer.unpriced) or _asked(offer)

    return approve


def consent_of(options: dict[str, Any]) -> Consent:
    """What the options agree to, and who is asked about the rest: a person at a terminal, not with ``--yes``."""
    asks = not options["yes"] and _is_someone_there()
    return Consent(
        new_state=options.get("new_state", False),
        missing_videos=options["missing_videos_ok"],
        confirm=_goes_on if asks else None,
    )


def _is_someone_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _goes_on(question: str) -> bool:
    click.echo(question, err=True)
    return _yes("\nContinue anyway?")


def _asked(offer: PurchaseQuote) -> bool:
    from batchveo.display.plan import print_quote

    print_quote(offer, sys.stderr)
    return _yes("\nBuy them?")


def _yes(question: str) -> bool:
    try:
        with _own_ctrl_c():
            return click.confirm(question, default=False, err=True)
    except click.Abort:  # Ctrl-C, or the end of input
        click.echo(err=True)
        return False


@contextmanager
def _own_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the question: the event loop would keep it for itself until the question is answered."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
