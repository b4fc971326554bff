"""The options that several commands share, each with its ``BATCHVEO_`` variable."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchveo.cli.completions import complete_condition, complete_known_beforehand
from batchveo.cli.option_types import DURATION, MONEY, MONEY_LIMIT, PATH, PLACE, RATE_A_MINUTE, RATE_A_SECOND

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from batchveo.provider.catalog import Catalog

Command = TypeVar("Command", bound=Callable[..., Any])


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """``click.option`` whose variable follows from its long name: ``--settle``, ``BATCHVEO_SETTLE``."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "BATCHVEO_" + long.removeprefix("--").replace("-", "_").upper()
    settings.setdefault("envvar", variable)
    settings.setdefault("show_default", True)
    return click.option(*names, **settings)


def join_decorators(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several decorators as one, the first outermost."""

    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


def complete_models(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Completes a model of the catalogue in use, by any part of its name."""
    from click.shell_completion import CompletionItem

    from batchveo.core.errors import UsageError
    from batchveo.provider.catalog import MODELS
    from batchveo.provider.catalog.user_catalog import find_catalog

    try:
        # a warning would tear the line that is being typed
        service = find_other_service(context)
        models = find_catalog(context.params.get("catalogue"), service=service, warn=lambda text: None)  # noqa: ARG005
    except UsageError:
        models = MODELS
    return [CompletionItem(name) for name in models if word in name]


def read_catalogue(named: Path | None, *, offline: bool = False) -> Catalog:
    """The catalogue in use, read once a command; raises ``UsageError``.

    A refreshed one that cannot be read is reported on standard error.
    """
    from batchveo.core.formatting import blank_unprintable
    from batchveo.provider.catalog.user_catalog import find_catalog

    context = click.get_current_context(silent=True)
    known = {} if context is None else context.meta.setdefault("batchveo.catalogues", {})
    if (named, offline) not in known:
        known[named, offline] = find_catalog(
            named,
            service=find_other_service(context),
            offline=offline,
            warn=lambda text: click.echo(blank_unprintable(text), err=True),
        )
    found: Catalog = known[named, offline]
    return found


def find_other_service(context: click.Context | None) -> str | None:
    """The address of the service of a command if it is not the real one."""
    params = {} if context is None else context.params
    # commands that ask no service validate for the one that the environment names
    url = params["base_url"] if "base_url" in params else os.environ.get("BATCHVEO_BASE_URL")
    if not url or params.get("sandbox"):
        return None
    from batchveo.provider.client import BASE_URL, check_base_url  # completion is quicker without HTTP

    address = check_base_url(url)
    return None if address == BASE_URL else address


def complete_files(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Leaves it to the shell, which knows the files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, type="file")]


def _check_address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:  # noqa: ARG001 - click's signature
    """Check the address before anything else: the word after ``--ray`` may be a manifest by mistake."""
    if value is not None:
        from batchveo.core.settings import check_address

        check_address(value)
    return value


state_option = option(
    "--state", type=PATH, default=Path("state/batchveo.db"), metavar="DB", help="The SQLite database of jobs and runs."
)
videos_option = option(
    "--videos", type=PLACE, metavar="DIR|URL", help="Folder or bucket URL of the videos, if they were moved."
)
catalogue_option = option(
    "--catalogue",
    type=PATH,
    metavar="FILE",
    help="Catalogue of models to use instead of the refreshed one; `builtin` is that of this version.",
)
base_url_option = option("--base-url", metavar="URL", help="Address of the service; https, or http to this machine.")
inputs_option = option(
    "--inputs",
    type=PLACE,
    metavar="URL",
    help="Bucket for frames and local files of which the service takes only an address: s3://, gs:// or "
    "az://bucket/prefix.",
)
json_option = option("--json", "as_json", is_flag=True, help="Print JSON.")
manifests_argument = click.argument(
    "manifests", nargs=-1, required=True, metavar="MANIFEST...", shell_complete=complete_files
)
models_option = option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    envvar=None,
    shell_complete=complete_models,
    help="Take only jobs of this model, by its full name; may be given several times.",
)
where_option = option(
    "--where",
    metavar="EXPR",
    envvar=None,
    shell_complete=complete_condition,
    help="Take only jobs for which this expression is true, such as 'black_seconds > 0.5 and model == \"veo2\"'.",
)
unknown_model_option = option(
    "--allow-unknown-model",
    is_flag=True,
    help="Accept models that are not in the catalogue; their parameters are not validated.",
)
strict_option = option(
    "--strict-provenance",
    is_flag=True,
    help="Refuse jobs whose prompt may be rewritten or whose provider is not fixed.",
)
reading_options = join_decorators(
    option(
        "--set",
        "sets",
        multiple=True,
        metavar="FIELD=VALUE",
        help="Set FIELD in every job that lacks it; may be given several times.",
    ),
    option(
        "--map",
        "renames",
        multiple=True,
        metavar="FIELD=COLUMN",
        help="Read FIELD from this column or key; may be given several times.",
    ),
    option(
        "--extra",
        type=click.Choice(["meta", "ignore", "error"]),
        default="error",
        help="What to do with unknown columns and keys: keep as meta, ignore or report an error.",
    ),
    option(
        "--filename",
        metavar="TEMPLATE",
        show_default=False,
        help="Folders and name of each video in the output folder, such as '{model}/{meta.style}/{name}' "
        "(default: filename: in the manifest, else the job's name).",
    ),
    option("--limit", type=int, metavar="N", help="Use only the first N jobs; later runs can use the others."),
    option(
        "--only",
        multiple=True,
        metavar="NAME|ID|GLOB",
        help="Use only jobs with this name or id; * matches any text; may be given several times.",
    ),
    option(
        "--where",
        metavar="EXPR",
        envvar=None,
        shell_complete=complete_known_beforehand,
        help="Use only jobs for which this expression over the manifest is true, such as 'meta.split == \"test\"'.",
    ),
)
confirm_above_option = option(
    "--confirm-above",
    type=MONEY_LIMIT,
    default="$50",
    metavar="USD",
    help="At a terminal, ask before spending more than this, or on videos without a price.",
)
checks_option = option(
    "--checks",
    type=click.Choice(["none", "basic", "all"]),
    help="Measure at least this of every clip; none: measure nothing in this run, and reject nothing "
    "(default: what the manifests ask for).",
)
service_options = join_decorators(
    base_url_option,
    option("--api-key-file", type=PATH, metavar="FILE", help="Read the API key from a file."),
    option("--keys", type=PATH, metavar="FILE", help="YAML file with several API keys and the limits of each."),
    option("--sandbox", is_flag=True, help="Use the built-in look-alike of the service; costs nothing."),
)
notify_options = join_decorators(
    option(
        "--notify",
        multiple=True,
        metavar="URL",
        show_default=False,  # a config file's URL would be shown
        help="Send messages about the run to this Apprise URL; may be given several times.",
    ),
    option("--notify-file", type=PATH, metavar="FILE", help="Read Apprise URLs from a file, one per line."),
)
hook_options = join_decorators(
    option(
        "--exec",
        metavar="COMMAND",
        help="Run this program for each finished video: its job is JSON on standard input, {file}, {id} and {name} are "
        "replaced.",
    ),
    option(
        "--webhook",
        metavar="URL",
        show_default=False,  # a config file's URL would be shown
        help="POST the job of each finished video as JSON to this address; https, or http to this machine.",
    ),
)
cluster_options = join_decorators(
    option(
        "--ray",
        is_flag=False,
        flag_value="local",
        metavar="[ADDRESS]",
        callback=_check_address,
        help="Run on the Ray cluster at host:port or auto; without an address, start a local one.",
    ),
    option("--workers", type=int, metavar="N", help="Number of cluster workers (default: one per node, at least 2)."),
)
plan_options = join_decorators(
    state_option,
    option(
        "--output",
        type=PLACE,
        default=Path("videos"),
        metavar="DIR|URL",
        help="Destination of the videos: a folder, or s3://, gs:// or az://bucket/prefix.",
    ),
    inputs_option,
    option(
        "--concurrency",
        type=int,
        metavar="N",
        help="Most generations in flight (default: 10; with --keys, the sum of the keys' limits).",
    ),
    option(
        "--rate",
        type=RATE_A_MINUTE,
        metavar="RATE",
        help="Most submits, such as 30/min, 0.5/s or 100/h (default: no limit).",
    ),
    option(
        "--budget",
        type=MONEY,
        metavar="USD",
        help="Most dollars that all runs of this database may commit, such as $25 (default: no limit).",
    ),
    option(
        "--assume-price",
        type=MONEY,
        metavar="USD",
        help="Price in dollars for videos that the price list does not cover, such as $1.50.",
    ),
    option(
        "--tries",
        type=int,
        default=1,
        metavar="N",
        help="Most generations per job if they fail without a charge, or a gate rejects the clip.",
    ),
)
run_options = join_decorators(
    plan_options,
    cluster_options,
    option("--downloads", type=int, default=4, metavar="N", help="Most parallel downloads."),
    option(
        "--poll-interval",
        type=DURATION,
        metavar="TIME",
        help="Time between two polls of a generation, such as 5s (default: adaptive).",
    ),
    option(
        "--poll-rate",
        type=RATE_A_SECOND,
        metavar="RATE",
        help="Most polls in total, such as 5/s (default: 0.6/s * concurrency, from 5/s to 500/s).",
    ),
    option(
        "--when-in-doubt",
        type=click.Choice(["hold", "resubmit"]),
        default="hold",
        help="What to do with a submit that never appears in the usage log; resubmit may pay twice.",
    ),
    option(
        "--settle",
        type=DURATION,
        default="30m",
        metavar="TIME",
        help="How long to wait for the usage log before an unconfirmed submit is held.",
    ),
    option(
        "--sidecars",
        metavar="DIR|none",
        show_default=False,
        help="Folder for the JSON file of each video (default: beside the video); none writes no such files.",
    ),
    option("--wait-for-credits", is_flag=True, help="If the account is empty, wait for a top-up instead of stopping."),
    option("--patience", type=DURATION, default="2h", metavar="TIME", help="How long to wait for one generation."),
    confirm_above_option,
    option("--missing-videos-ok", is_flag=True, help="Run even if finished videos are missing from the output folder."),
    option("-y", "--yes", is_flag=True, help="Buy without asking."),
    notify_options,
    hook_options,
    service_options,
    option("--plain", is_flag=True, help="Print plain lines instead of the live view."),
    option("--log-json", is_flag=True, help="Print one JSON object per event on standard error."),
    option("-v", "--verbose", count=True, show_default=False, help="Print every event; -vv also each HTTP request."),
    option("--log-file", type=PATH, metavar="FILE", help="Append events and HTTP requests to a file."),
    option("-q", "--quiet", is_flag=True, help="Print only warnings and failures."),
)
