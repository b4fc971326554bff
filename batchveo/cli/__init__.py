"""The command line: parse, call one library function, print, return a status."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchveo.cli.config import find_config_files, make_defaults
from batchveo.cli.dotenv import with_dotenv
from batchveo.cli.grouped_help import write_sections
from batchveo.cli.option_types import PATH
from batchveo.cli.options import option
from batchveo.core.errors import BatchveoError, ManifestError, UsageError, find_reason
from batchveo.core.hints import suggest_closest
from batchveo.core.version import __version__

if TYPE_CHECKING:
    import sqlite3

COMMAND_GROUPS = {
    "Make videos": {
        "init": "Write a first manifest: of a table, a list, or what you type.",
        "run": "Generate the videos of the manifests; run again to resume.",
        "resume": "Resume all unfinished jobs of the database.",
        "plan": "Check, count and price the jobs; buy nothing.",
    },
    "See what is there": {
        "status": "Count the jobs by state; show spending and speed.",
        "jobs": "List the jobs.",
        "show": "Show everything known of one job.",
        "open": "Open the video of a job.",
        "logs": "Print each event and request of a job.",
        "ui": "Serve a web page of videos, progress and failures.",
        "report": "Write the web page as one HTML file.",
    },
    "Decide about jobs": {
        "retry": "Set failed jobs to pending again.",
        "cancel": "Cancel pending jobs before they are submitted.",
        "resolve": "Decide about jobs in doubt.",
        "adopt": "Import generations that are already bought.",
    },
    "Check and choose clips": {
        "check": "Measure and judge finished clips; find near copies.",
        "annotate": "Join scores that another tool wrote.",
        "pick": "Pick, reject and rate finished clips.",
        "compare": "Compare models by price, time, gates and votes.",
        "promote": "Write a manifest of chosen clips for another model.",
    },
    "Data": {
        "export": "Write a dataset of the finished videos.",
        "film": "Join the clips of chains to films.",
        "verify": "Check the file of every finished video.",
        "audit": "Compare the database with the provider's billing records.",
        "datasette-metadata": "Print metadata for viewing the database in Datasette.",
    },
    "Service": {
        "models": "List the models and their parameters.",
        "sandbox": "Serve a local look-alike of the service, for trials.",
    },
    "Set-up and help": {
        "doctor": "Check configuration, key, network and disk.",
        "schema": "Print the JSON Schema of a manifest.",
        "completion": "Print a completion script for your shell.",
        "help": "Show the help of batchveo or of a command.",
        "version": "Show the version.",
    },
}
"""Every command with its line in ``--help``, so that ``--help`` imports none of their modules."""

COMMANDS = {name: line for group in COMMAND_GROUPS.values() for name, line in group.items()}

OTHER_WORDS = {
    **dict.fromkeys(("list", "ls"), "jobs"),
    **dict.fromkeys(("new", "create"), "init"),
    **dict.fromkeys(("validate", "lint", "cost", "costs", "price", "prices", "estimate", "dry-run"), "plan"),
    **dict.fromkeys(("config", "configuration", "settings", "env", "login", "auth"), "doctor"),
    **dict.fromkeys(("start", "generate", "submit", "make"), "run"),
    **dict.fromkeys(("continue", "restart", "download", "fetch"), "resume"),
    **dict.fromkeys(("web", "serve", "server", "page", "gallery", "dashboard"), "ui"),
    **dict.fromkeys(("stats", "progress", "info", "summary"), "status"),
    **dict.fromkeys(("remove", "rm", "delete", "drop"), "cancel"),
    **dict.fromkeys(("import",), "adopt"),
    **dict.fromkeys(("dataset", "data"), "export"),
    **dict.fromkeys(("join", "concat", "movie", "movies", "films"), "film"),
    **dict.fromkeys(("model", "catalogue", "catalog"), "models"),
    **dict.fromkeys(("select", "vote", "rate"), "pick"),
}
"""Words that people type for a command, from other programs."""

CHECKED_WHOLE = ("run", "resume", "plan", "doctor")
"""Commands that check every line of a config file; the others check only their own settings."""

GARBAGE = 20_000
"""Objects made before the collector looks for cycles: at Python's 700 that took a fifteenth of a run's time."""

WIDEST_HELP = 100
"""Columns of ``--help`` at most; a narrower terminal has less."""

EXIT_STATUSES = """\b
Exit statuses:
  0    every job succeeded
  1    some jobs failed or are held in doubt
  2    wrong usage, manifest or database
  3    stopped early: credits, key, budget or disk; run again to resume
  4    another run uses the database
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
        """The named command, with the values of the config files as its defaults."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            ctx.fail(_explain_unknown(args[0]))
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            ctx.default_map = {name: self._read_defaults(ctx, name, command)}
        return name, command, rest

    def _read_defaults(self, ctx: click.Context, name: str, command: click.Command) -> dict[str, Any]:
        try:
            files = find_config_files(ctx.params.get("config"))
            return make_defaults(files, name, command, self._find_commands(ctx, name)) if files else {}
        except UsageError:
            if ctx.resilient_parsing:  # completion of a word in a shell must not fail
                return {}
            raise

    def _find_commands(self, ctx: click.Context, name: str) -> Mapping[str, click.Command | None]:
        """Every command by its name; imported if the whole file is to be checked."""
        whole = name in CHECKED_WHOLE and not ctx.resilient_parsing
        return {other: self.get_command(ctx, other) if whole else None for other in COMMANDS}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The lists in ``--help``."""
        write_sections(formatter, {heading: list(group.items()) for heading, group in COMMAND_GROUPS.items()})


def _explain_unknown(word: str) -> str:
    """What is said of a word that is no command."""
    other = OTHER_WORDS.get(word.casefold())
    meant = f"did you mean {other}?" if other in COMMANDS else suggest_closest(word, COMMANDS)
    return f"no such command {word!r}" + (f" ({meant})" if meant else "")


@click.group(
    cls=LazyGroup,
    epilog=EXIT_STATUSES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST_HELP},
)
@click.version_option(__version__, "-V", "--version", prog_name="batchveo")
@option(
    "--config",
    type=PATH,
    metavar="FILE",
    help="TOML file with defaults for options (default: batchveo.toml in the current folder).",
)
def batchveo(config: Path | None) -> None:
    """Turn manifests of prompts and images into videos, in bulk.

    Safe to interrupt: run the same command again and it resumes. It never buys the same video twice and never loses
    one you paid for.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(GARBAGE)
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        _allow_every_script(stream)
    status = status_of(arguments)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # its reader has gone; Python must not fail on it again as it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if "obstore" in sys.modules:  # a thread of it may still be in a request, and would delay the end
        os._exit(status)
    gc.freeze()  # else Python looks through all objects several times as it ends, for a tenth of a second after a run
    sys.exit(status)


def _open_closed_streams() -> None:
    """Open streams that were closed for us (``>&-``, some daemons): the next opened file would take their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the end


def _allow_every_script(stream: object) -> None:
    """Let a stream take prompts in every script: on Windows a pipe would use the code page of the country."""
    if isinstance(stream, io.TextIOWrapper):
        wide = sys.platform == "win32" and not stream.isatty()
        stream.reconfigure(encoding="utf-8" if wide else None, errors="backslashreplace")


def status_of(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; the one place where errors end."""
    try:
        with with_dotenv():
            result = batchveo.main(arguments, prog_name="batchveo", standalone_mode=False)
    except ManifestError as error:
        return _report_problems(error)
    except BatchveoError as error:
        return _report_error(str(error), error.exit_status)
    except click.ClickException as error:
        return _report_usage(error)
    except (click.Abort, KeyboardInterrupt):
        return _report_error("interrupted", 130)
    except OSError as error:  # the terminal, or the file that standard output goes to
        what = f"cannot write {error.filename}" if error.filename else "cannot write"
        return _report_error(f"{what}: {find_reason(error)}", 1)
    except UnicodeEncodeError as error:
        odd = error.object[error.start : error.end]
        return _report_error(
            f"file names on this machine are {error.encoding}, which lacks {odd!r}: set PYTHONUTF8=1", 2
        )
    except _find_database_error() as error:
        from batchveo.store.database import is_full

        return _report_error(f"cannot use the database: {error}", 3 if is_full(error) else 2)
    return result if isinstance(result, int) else 0


def _find_database_error() -> type[sqlite3.DatabaseError]:
    """The class; imported only if an error is none of the others, since ``--help`` needs no database."""
    import sqlite3

    return sqlite3.DatabaseError


def _report_usage(error: click.ClickException) -> int:
    """Report an error that click found, with a line that shows how the command is used; without a command, the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    text = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption):
        meant = " or ".join(sorted(error.possibilities or ()))
        hint = f"did you mean {meant}?" if meant else ""
        if not hint and context is not None and context.parent is None:
            hint = "options of a command come after its name"
        text = f"no such option {error.option_name}" + (f" ({hint})" if hint else "")
    hint = ""
    if context is not None:
        pieces = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
        hint = f"\nusage: {pieces} (`{context.command_path} --help` shows more)"
    return _report_error(text[:1].lower() + text[1:] + hint, error.exit_code)


def _report_error(text: str, status: int) -> int:
    is_colourful = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    from batchveo.display.wrapped_text import wrap_line

    prefix = click.style("batchveo:", fg="red", bold=True) if is_colourful else "batchveo:"
    lines = f"batchveo: {_make_printable(text)}".split("\n")
    shown = "\n".join(wrap_line(line, sys.stderr) for line in lines)
    with contextlib.suppress(OSError):
        click.echo(f"{prefix}{shown.removeprefix('batchveo:')}", err=True)
    return status


def _report_problems(error: ManifestError) -> int:
    from batchveo.display.problem_list import print_problems  # the import takes time, and most commands need none

    with contextlib.suppress(OSError):
        print_problems(error, sys.stderr)
    return error.exit_status


def _make_printable(text: str) -> str:
    """Lines that move no cursor: file names and the content of files may come from strangers."""
    from batchveo.core.formatting import blank_unprintable

    return "\n".join(map(blank_unprintable, text.split("\n")))
