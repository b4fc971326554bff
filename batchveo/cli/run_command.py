"""What ``run`` and ``resume`` share: the questions before a purchase, the display, and the summary at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import click

from batchveo.cli.option_values import (
    find_chosen_settings,
    find_service,
    list_key_variables,
    read_cluster,
    read_messengers,
    read_settings,
)
from batchveo.core.destination import Destination
from batchveo.core.errors import BatchveoError
from batchveo.display.log_output import log_events, open_log
from batchveo.display.notifier import Notifier
from batchveo.display.reporter import LEAVE_SECONDS, BackgroundReporter, can_draw, open_reporter
from batchveo.display.summary import describe_account, describe_outcome
from batchveo.display.terminal_features import accepts_links, make_file_url, write_link
from batchveo.display.wrapped_text import wrap_line
from batchveo.engine.hooks.runner import parse_hooks
from batchveo.engine.result import RunResult
from batchveo.operations.quote import Approve, PurchaseQuote
from batchveo.operations.run_setup import Consent, RunOptions
from batchveo.store import Store

LOGGERS = 2
"""The verbosity from which on the loggers are shown."""


def execute_run(
    options: dict[str, Any],
    start: Callable[[RunOptions], Awaitable[RunResult]],
    recalled: Mapping[str, object] | None = None,
) -> int:
    """Start a run with what the command's options ask for, show it to its end, and return its exit status.

    ``recalled``: those of the ``options`` that come from the run before, as they are typed.
    """
    # errors of the options come before the display opens, and are no news for a phone
    settings, cluster = read_settings(options), read_cluster(options)
    hooks = parse_hooks(options["exec"], options["webhook"], hidden=list_key_variables(options))
    with _show_run(options) as (shown, notifier):
        asked = RunOptions(
            state=options["state"],
            settings=settings,
            told=find_chosen_settings(click.get_current_context(), options),
            find_service=lambda: find_service(options),
            reporter=notifier,
            approve=_make_approval(options, shown),
            cluster=cluster,
            consent=_make_consent(options, shown),
            hooks=hooks,
            recalled=recalled or {},
        )
        result = anyio.run(start, asked)
        notifier.report_end(result)
    return conclude(result, options, shown)


def _make_approval(options: dict[str, Any], shown: BackgroundReporter) -> Approve | None:
    """Who is asked before a run buys; ``None`` if nobody is: no terminal, ``--yes``, or play money.

    The question comes below all that ``shown`` was told before.
    """
    above = options["confirm_above"]
    if options["yes"] or options["sandbox"] or not is_person_there():
        return None

    def approve(offer: PurchaseQuote) -> bool:
        if offer.most_usd <= above and not offer.unpriced:
            return True
        shown.wait_shown()
        return _ask_to_buy(offer, options["state"])

    return approve


def _make_consent(options: dict[str, Any], shown: BackgroundReporter) -> Consent:
    """What the options agree to, and who is asked about the rest: a person at a terminal, not with ``--yes``."""

    def confirm(question: str) -> bool:
        shown.wait_shown()
        return _ask_to_continue(question)

    asks = not options["yes"] and is_person_there()
    return Consent(
        new_state=options.get("new_state", False),
        missing_videos=options["missing_videos_ok"],
        confirm=confirm if asks else None,
    )


def is_person_there() -> bool:
    """Whether a person at a terminal can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask_to_continue(question: str) -> bool:
    click.echo(question, err=True)
    return ask_yes("\nContinue anyway?")


def _ask_to_buy(offer: PurchaseQuote, state: Path) -> bool:
    from batchveo.display.plan import print_quote

    print_quote(offer, sys.stderr, state=state)
    return ask_yes("\nBuy them?")


DECLINED = 130
"""The exit status of a command whose question was answered by no."""


def is_confirmed() -> bool:
    """Ask the person at the terminal whether to continue; a script need not be asked."""
    return not is_person_there() or ask_yes("Continue?")


def ask_yes(question: str) -> bool:
    """Ask a person; Ctrl-C and the end of input mean no."""
    try:
        with _default_ctrl_c():
            return click.confirm(question, default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        return False


@contextlib.contextmanager
def _default_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the question: the event loop would keep it for itself until the question is answered."""
    # only the main thread may set a handler; in another one Ctrl-C does not end a question anyway
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _show_run(options: dict[str, Any]) -> Iterator[tuple[BackgroundReporter, Notifier]]:
    """What shows a run, writes its log and posts its messages; the second is the run's reporter."""
    # the JSON lines on standard error are for machines: no other line may come between them
    log_to = sys.stderr if options["verbose"] >= LOGGERS and not options["log_json"] else None
    with open_log(log_to, options["log_file"]), _open_reporter(options) as shown:
        reporter = shown if options["log_file"] is None else log_events(shown)
        with Notifier(read_messengers(options), reporter, state=options["state"]) as notifier:
            yield shown, notifier


def _open_reporter(options: dict[str, Any]) -> BackgroundReporter:
    return open_reporter(
        sys.stderr,
        verbosity=-1 if options["quiet"] else options["verbose"],
        plain=options["plain"] or options["verbose"] >= LOGGERS,  # records would tear a live view
        log_json=options["log_json"],
    )


def conclude(result: RunResult, options: dict[str, Any], shown: BackgroundReporter) -> int:
    """Print how the run ended; returns its exit status."""
    if not shown.is_stuck and not options["log_json"]:  # JSON has had its last line
        output = result.output or options["output"]
        lines = [*describe_outcome(result, output), *_list_account(result, options["state"])]
        text = "\n".join(_dress_line(line, output) for line in lines)
        # a daemon: a terminal that takes nothing any more, from here on too, must not keep the process
        printer = threading.Thread(target=_print_text, args=(text,), name="summary", daemon=True)
        printer.start()
        printer.join(LEAVE_SECONDS)
    return result.exit_status


def _print_text(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads any more; the exit status still shows how it ended
        click.echo(text, err=True)


def _dress_line(line: str, output: Destination) -> str:
    """``line`` as it is shown: wrapped, and with a link to the folder of the videos, if the terminal takes links."""
    text = wrap_line(line, sys.stderr)
    if isinstance(output, Path) and can_draw(sys.stderr) and accepts_links(os.environ):
        ending = f"videos in {output}"
        if text.endswith(ending) and ending.isprintable():
            return f"{text.removesuffix(str(output))}{write_link(str(output), make_file_url(output))}"
    return text


def _list_account(result: RunResult, state: Path) -> list[str]:
    """Nothing if the database cannot be read: what stopped the run is reported already, and its status is kept."""
    try:
        with Store(state, writing=False) as store:
            return list(describe_account(result, store))
    except (BatchveoError, sqlite3.Error):
        return []
