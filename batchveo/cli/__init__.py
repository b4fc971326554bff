"""The command line: parse, call one library function, print, return a status."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from batchveo.cli.config import config_files
from batchveo.cli.dotenv import with_dotenv
from batchveo.cli.options import PATH, option
from batchveo.core.errors import BatchveoError, ManifestError, UsageError
from batchveo.core.version import __version__

COMMANDS = {
    "run": "Make the videos that the manifests name; again: go on.",
    "resume": "Go on with everything unfinished in the state.",
    "plan": "Check, count and price manifests; buy nothing.",
    "status": "Count the jobs by state; show spend and speed.",
    "jobs": "List the jobs; --json for scripts.",
    "retry": "Put failed jobs back to pending.",
    "cancel": "Withdraw pending jobs before they are submitted.",
    "resolve": "Settle jobs in doubt by hand.",
    "adopt": "Take in generations that are bought already.",
    "audit": "Hold the state against the provider's books.",
    "verify": "Check every finished video on disk.",
    "ui": "Serve a page of the videos, the progress and the failures.",
    "report": "Write that page as one HTML file.",
    "export": "Make a dataset from what succeeded.",
    "models": "List the models and their parameters.",
    "sandbox": "Serve a look-alike of the service, to try things.",
    "schema": "Print the JSON Schema of a manifest.",
    "doctor": "Say what is wrong with this machine's set-up.",
    "completion": "Print what lets your shell complete commands.",
    "datasette-metadata": "Print what makes the state readable in Datasette.",
}
"""Every command with its line in ``--help``, which thus needs none of their modules."""

CHECKED_WHOLE = ("run", "resume", "plan", "doctor")
"""Commands that check every line of a config file; the quick ones look at what concerns them."""

GARBAGE = 20_000
"""Objects made before the collector looks for cycles: at Python's 700 that took a fifteenth of a run's time."""

EXIT_STATUSES = """\b
Exit statuses:
  0    every job succeeded
  1    some failed, or are held in doubt
  2    bad usage, manifest or state
  3    stopped early: credits, key, budget, disk; run again to go on
  4    another run holds the state
  130  stopped by SIGINT (Ctrl-C)    143  by SIGTERM    129  by SIGHUP"""


class LazyGroup(click.Group):
    """Imports a command's module only when it is used: ``--help`` and ``status`` start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, in the order a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"batchveo.cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; what the config files say has become its defaults."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            from difflib import get_close_matches

            if near := get_close_matches(args[0], COMMANDS):
                ctx.fail(f"No such command {args[0]!r} (did you mean {' or '.join(near)}?)")
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            ctx.default_map = {name: self._defaults(ctx, name, command)}
        return name, command, rest

    def _defaults(self, ctx: click.Context, name: str, command: click.Command) -> dict[str, Any]:
        try:
            files = config_files(ctx.params.get("config"))
            if not files:
                return {}
            from batchveo.cli.config_defaults import default_map

            return default_map(files, name, command, self._all(ctx, name))
        except UsageError:
            if ctx.resilient_parsing:  # a shell completes a word
                return {}
            raise

    def _all(self, ctx: click.Context, name: str) -> Mapping[str, click.Command | None]:
        """Every command by its name; imported where the whole file is to be checked."""
        whole = name in CHECKED_WHOLE and not ctx.resilient_parsing
        return {other: self.get_command(ctx, other) if whole else None for other in COMMANDS}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list in ``--help``."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, epilog=EXIT_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="batchveo")
@option("--config", type=PATH, metavar="FILE", help="Defaults for the options; else batchveo.toml, if it is here.")
def batchveo(config: Path | None) -> None:
    """Turn manifests of prompts and images into Veo videos, in bulk.

    Stop it at any moment and run the same command again: nothing is bought twice, no paid video is lost.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(GARBAGE)
    _open_what_was_closed()
    for stream in (sys.stdout, sys.stderr):
        _take_every_script(stream)
    status = status_of(arguments)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # its reader has gone; Python must not fail on it once more at its own end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if "obstore" in sys.modules:  # a thread that a stop left behind in a request must not hold up the end
        os._exit(status)
    sys.exit(status)


def _open_what_was_closed() -> None:
    """Open what was closed for us (``>&-``, some daemons): else the next file opened would be standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the end


def _take_every_script(stream: object) -> None:
    """Let prompts in every script through: on Windows a pipe is else in the code page of the country."""
    if isinstance(stream, io.TextIOWrapper):
        wide = sys.platform == "win32" and not stream.isatty()
        stream.reconfigure(encoding="utf-8" if wide else None, errors="backslashreplace")


def status_of(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; the one place where errors end."""
    try:
        with with_dotenv():
            result = batchveo.main(arguments, prog_name="batchveo", standalone_mode=False)
    except ManifestError as error:
        click.echo(_harmless(str(error)), err=True)  # one file:line a line, as editors and greps like it
        return error.exit_status
    except BatchveoError as error:
        return _said(str(error), error.exit_status)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _said("interrupted", 130)
    except OSError as error:  # the terminal, or the file that standard output goes to
        what = f"{error.filename} cannot be written" if error.filename else "cannot write"
        return _said(f"{what}: {error.strerror}", 1)
    except UnicodeEncodeError as error:
        odd = error.object[error.start : error.end]
        return _said(f"file names on this machine are {error.encoding}, without {odd!r}: set PYTHONUTF8=1", 2)
    except sqlite3.DatabaseError as error:
        from batchveo.store.database import is_full

        return _said(f"the state cannot be used: {error}", 3 if is_full(error) else 2)
    return result if isinstance(result, int) else 0


def _said(text: str, status: int) -> int:
    with contextlib.suppress(OSError):
        click.echo(f"batchveo: {_harmless(text)}", err=True)
    return status


def _harmless(text: str) -> str:
    """Lines that move no cursor: file names and what stands in files may come from strangers."""
    from batchveo.core.formatting import printable

    return "\n".join(map(printable, text.split("\n")))
