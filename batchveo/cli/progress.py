"""How far a command is, for a person at a terminal."""

from __future__ import annotations

import sys
import time

import click

_SECONDS = 0.5
"""Between two counts."""


class Count:
    """Shows a person at a terminal, twice a second, how far it is."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._at_terminal = sys.stderr.isatty()
        self._shown = time.monotonic()
        self._is_open = False

    def show(self, done: int, total: int | None = None) -> None:
        """Show the number of those that are done."""
        now = time.monotonic()
        if self._at_terminal and now - self._shown >= _SECONDS:
            self._shown, self._is_open = now, True
            of = "" if total is None else f" of {total:,}"
            click.echo(f"\r\x1b[K{done:,}{of} {self._noun}", nl=False, err=True)

    def end(self) -> None:
        """Take the count away."""
        if self._is_open:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._is_open = False
