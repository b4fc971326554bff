"""``batchveo sandbox``."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import click

from batchveo.cli.completions import complete_faults
from batchveo.cli.grouped_help import GroupedCommand
from batchveo.cli.option_types import DURATION, MONEY, PATH, RATE_A_MINUTE, SIZE, FiniteRange
from batchveo.cli.options import catalogue_option, complete_models, option, read_catalogue
from batchveo.core.errors import UsageError
from batchveo.core.hints import suggest_closest
from batchveo.sandbox import FAULTS, Retirement, RetirementStatus, Service, Settings, UnknownModel, serve

FAULT_LIST = "\b\nFaults:\n" + "\n".join(f"  {name:22} {text}" for name, text in FAULTS.items())


@click.command("sandbox", cls=GroupedCommand, epilog=FAULT_LIST)
@option("--host", metavar="HOST", default="127.0.0.1", help="Address to listen on.")
@option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=8642, help="Port to listen on; 0 takes a free one."
)
@option("--key", metavar="KEY", help="Accept only this API key (default: any).")
@option("--per-key", is_flag=True, help="Give each API key an account and limits of its own.")
@option("--generation-time", type=DURATION, default="3s", metavar="TIME", help="Median time of a generation.")
@option(
    "--sigma",
    type=FiniteRange(0.0, 10.0),
    default=0.3,
    metavar="N",
    help="Spread of the generation times (log-normal).",
)
@option(
    "--concurrency-limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Answer 429 above N generations in flight (default: no limit).",
)
@option(
    "--rate-limit",
    type=RATE_A_MINUTE,
    metavar="RATE",
    help="Answer 429 to more submits than this, such as 30/min (default: no limit).",
)
@option("--retry-after/--no-retry-after", default=True, help="Send Retry-After with each 429.")
@option("--balance", type=MONEY, default="$1000", metavar="USD", help="Dollars on the account.")
@option("--log-lag", type=DURATION, default="1s", metavar="TIME", help="Time until a request appears in the usage log.")
@option("--url-ttl", type=DURATION, metavar="TIME", help="How long a video URL works, such as 15m (default: no limit).")
@option("--video-bytes", type=SIZE, metavar="SIZE", help="Pad videos to this size, such as 5MB.")
@option("--seed", type=int, default=0, metavar="N", help="Seed of the random numbers.")
@option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=CHANCE",
    shell_complete=complete_faults,
    help="Probability of this fault, 0 to 1; may be given several times. 404-withdrawn also takes a model's name.",
)
@option(
    "--retire",
    "retired",
    multiple=True,
    metavar="MODEL=STATUS",
    shell_complete=complete_models,
    help="List this model as deprecated, superseded or withdrawn; deprecated@2027-01-31 names the day of its end.",
)
@catalogue_option
@option("--journal", type=PATH, metavar="FILE", help="File that keeps generations across restarts.")
def command(
    host: str, port: int, journal: Path | None, faults: tuple[str, ...], retired: tuple[str, ...], **options: Any
) -> int:
    """Serve a local look-alike of the service, to try everything without paying.

    Use it with: batchveo run MANIFEST --base-url http://127.0.0.1:8642 (any API key works).
    """
    # 404-withdrawn takes a model in place of a chance, which begins with no letter
    withdrawn = [text for text in faults if re.match(r"404-withdrawn=[A-Za-z]", text)]
    gone = [f"{text.partition('=')[2]}={RetirementStatus.WITHDRAWN}" for text in withdrawn]
    settings = Settings(
        key=options["key"],
        per_key=options["per_key"],
        generation_median=options["generation_time"],
        generation_sigma=options["sigma"],
        concurrency=options["concurrency_limit"],
        rate_per_minute=None if options["rate_limit"] is None else math.ceil(options["rate_limit"]),
        retry_after=options["retry_after"],
        balance=options["balance"],
        log_lag=options["log_lag"],
        url_ttl=options["url_ttl"],
        video_bytes=None if options["video_bytes"] is None else round(options["video_bytes"]),
        seed=options["seed"],
        faults=dict(_parse_fault(text) for text in faults if text not in withdrawn),
        retired=dict(_parse_retirement(text) for text in (*gone, *retired)),
    )
    try:
        service = Service(settings, journal=journal, catalog=read_catalogue(options["catalogue"]))
    except UnknownModel as error:
        raise UsageError(f"--retire: {error}") from None
    serve(service, host=host, port=port, on_ready=_print_address)
    return 0


def _parse_fault(text: str) -> tuple[str, float]:
    name, _, chance = text.partition("=")
    if name not in FAULTS:
        guess = suggest_closest(name, FAULTS)
        raise UsageError(f"--fault {text!r}: {guess or 'there is no such fault'}; the faults are {', '.join(FAULTS)}")
    try:
        number = float(chance)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise UsageError(f"--fault {text!r}: write it with a chance from 0 to 1, such as {name}=0.1")
    return name, number


def _parse_retirement(text: str) -> tuple[str, Retirement]:
    model, _, what = text.rpartition("=")
    status, _, day = what.partition("@")
    try:
        return model, Retirement(status=RetirementStatus(status), shutdown_at=day or None)
    except ValueError:
        statuses = ", ".join(RetirementStatus)
        raise UsageError(
            f"--retire {text!r}: write MODEL=STATUS or MODEL=STATUS@DAY; a status is one of {statuses}, "
            "a day is written as 2027-01-31"
        ) from None


def _print_address(url: str) -> None:
    click.echo(f"sandbox at {url} (Ctrl-C stops it)", err=True)
