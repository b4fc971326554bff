"""The options that several commands share, each with its ``BATCHVEO_`` variable."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchveo.core.destination import Destination, at_home, parse_destination

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """``click.option`` whose variable follows from its long name: ``--settle``, ``BATCHVEO_SETTLE``."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "BATCHVEO_" + long.removeprefix("--").replace("-", "_").upper()
    settings.setdefault("envvar", variable)
    settings.setdefault("show_default", True)
    return click.option(*names, **settings)


def together(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several decorators as one, the first outermost."""

    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


def _files(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    from batchveo.cli.shell_complete import files

    return files(context, parameter, word)


def _checked_address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:  # noqa: ARG001 - click's signature
    """Before anything else is: what follows ``--ray`` may be a manifest by mistake."""
    if value is not None:
        from batchveo.core.cluster_settings import check_address

        check_address(value)
    return value


class FilePath(click.Path):
    """A file or folder, in the home of its user where it begins with ``~``: variables and files have no shell."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that was named."""
        return super().convert(at_home(value) if isinstance(value, str | Path) else value, param, ctx)


if TYPE_CHECKING:
    _PlaceParamType = click.ParamType[Destination]
else:
    _PlaceParamType = click.ParamType  # generic from click 8.4 on only


class PlaceType(_PlaceParamType):
    """A folder, or the URL of a prefix in a bucket."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Destination:  # noqa: ARG002
        """The place that was named."""
        return value if isinstance(value, Destination) else parse_destination(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Folders."""
        return click.Path(file_okay=False).shell_complete(ctx, param, incomplete)


class FiniteRange(click.FloatRange):
    """A number within bounds; not "not a number" either, which no bound keeps out."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number with an end.", param, ctx)
        return number


PATH = FilePath(path_type=Path)
PLACE = PlaceType()

state_option = option("--state", type=PATH, default=Path("state/batchveo.db"), metavar="DB", help="The state file.")
videos_option = option("--videos", type=PLACE, metavar="DIR|URL", help="Where the videos are now, if they were moved.")
SECONDS = FiniteRange(min=0.0)
json_option = option("--json", "as_json", is_flag=True, help="JSON for scripts.")
manifests_argument = click.argument("manifests", nargs=-1, required=True, metavar="MANIFEST...", shell_complete=_files)
unknown_model_option = option(
    "--allow-unknown-model", is_flag=True, help="Pass models that are not in the catalogue through, unvalidated."
)
strict_option = option(
    "--strict-provenance",
    is_flag=True,
    help="Refuse jobs whose prompt may be rewritten, or whose provider floats.",
)
reading_options = together(
    option(
        "--set",
        "sets",
        multiple=True,
        metavar="FIELD=VALUE",
        help="A value for every job that does not have the field; may be given several times.",
    ),
    option(
        "--map",
        "renames",
        multiple=True,
        metavar="FIELD=COLUMN",
        help="The column or key that a field is read from; may be given several times.",
    ),
    option(
        "--extra",
        type=click.Choice(["meta", "ignore", "error"]),
        default="error",
        help="What becomes of columns and keys that are no fields.",
    ),
    option("--limit", type=int, metavar="N", help="Only the first N jobs; the others are left for later runs."),
    option(
        "--only",
        multiple=True,
        metavar="NAME|ID|GLOB",
        help="Only jobs of this name or id, or names like cat-*; may be given several times.",
    ),
)
service_options = together(
    option("--base-url", metavar="URL", help="The service's address (http only to this machine)."),
    option("--api-key-file", type=PATH, metavar="FILE", help="Read the API key from a file."),
    option("--keys", type=PATH, metavar="FILE", help="Several API keys, each with limits of its own: a YAML file."),
    option("--sandbox", is_flag=True, help="Use the embedded look-alike of the service; costs nothing."),
)
notify_options = together(
    option(
        "--notify",
        multiple=True,
        metavar="URL",
        show_default=False,  # a config file's URL would be shown
        help="Tell this Apprise URL how the run goes; may be given several times.",
    ),
    option("--notify-file", type=PATH, metavar="FILE", help="Read such URLs from a file, one a line."),
)
cluster_options = together(
    option(
        "--ray",
        is_flag=False,
        flag_value="local",
        metavar="[ADDRESS]",
        callback=_checked_address,
        help="Spread the run over the Ray cluster at host:port, or auto; without an address a local one.",
    ),
    option("--workers", type=int, metavar="N", help="Workers on the cluster; one a node, at least 2."),
)
plan_options = together(
    state_option,
    option(
        "--output",
        type=PLACE,
        default=Path("videos"),
        metavar="DIR|URL",
        help="Where the videos go: a folder, or s3://, gs:// or az://bucket/prefix.",
    ),
    option(
        "--concurrency",
        type=int,
        metavar="N",
        help="Generations in flight, at most (10; of several keys what they allow together).",
    ),
    option("--rate", metavar="N/min", help="Submits a minute, at most."),
    option("--budget", type=float, metavar="USD", help="What the state may spend in all, in flight included."),
    option("--assume-price", type=float, metavar="USD", help="For videos that the price list cannot quote."),
)
run_options = together(
    plan_options,
    cluster_options,
    option("--downloads", type=int, default=4, metavar="N", help="Videos fetched at once."),
    option("--poll-interval", type=float, metavar="S", help="Fixed seconds between polls; adaptive without it."),
    option("--poll-rate", type=float, metavar="N/s", help="Polls a second in all; as for one each 10 s, at least 4."),
    option(
        "--when-in-doubt",
        type=click.Choice(["hold", "resubmit"]),
        default="hold",
        help="What becomes of a submit that the provider's log stays silent about. 'resubmit' may pay twice.",
    ),
    option("--settle", type=float, default=1800, metavar="S", help="How late the log may be before that."),
    option(
        "--tries",
        type=int,
        default=1,
        metavar="N",
        help="How often a generation is made in all if it fails and was not charged.",
    ),
    option(
        "--sidecars",
        metavar="DIR|none",
        show_default=False,
        help="Where the JSON file of each video goes: beside it, into a folder, or nowhere (none).",
    ),
    option("--wait-for-credits", is_flag=True, help="Wait for a top-up where the account is empty."),
    option("--patience", type=float, default=7200, metavar="S", help="How long to wait for one video."),
    option(
        "--confirm-above",
        type=float,
        default=50.0,
        metavar="USD",
        help="Ask before more than this is bought, or what has no price, when a person is at the terminal.",
    ),
    option("--missing-videos-ok", is_flag=True, help="Go on though finished videos are missing."),
    option("-y", "--yes", is_flag=True, help="Buy without asking."),
    notify_options,
    service_options,
    option("--plain", is_flag=True, help="Plain lines, also at a terminal."),
    option("--log-json", is_flag=True, help="One JSON object an event, on standard error."),
    option("-v", "--verbose", count=True, show_default=False, help="Show every move; -vv also each HTTP request."),
    option("--log-file", type=PATH, metavar="FILE", help="Append events and HTTP requests to a file."),
    option("-q", "--quiet", is_flag=True, help="Say only what is wrong."),
)
