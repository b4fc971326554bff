"""``batchveo sandbox``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from batchveo.cli.options import PATH, SECONDS, FiniteRange, catalogue_option, option, read_catalogue
from batchveo.core.errors import UsageError
from batchveo.sandbox import FAULTS, Retirement, RetirementStatus, Service, Settings, UnknownModel, serve

FAULT_LIST = "\b\nFaults:\n" + "\n".join(f"  {name:22} {text}" for name, text in FAULTS.items())


@click.command("sandbox", epilog=FAULT_LIST)
@option("--host", default="127.0.0.1", help="Address to listen on.")
@option("--port", type=click.IntRange(0, 65535), default=8642, help="Port to listen on; 0 takes a free one.")
@option("--key", help="Accept only this API key (default: any).")
@option("--per-key", is_flag=True, help="Give each API key an account and limits of its own.")
@option("--generation-time", type=SECONDS, default=3.0, metavar="S", help="Median seconds of a generation.")
@option("--sigma", type=FiniteRange(0.0, 10.0), default=0.3, help="Spread of the generation times (log-normal).")
@option(
    "--concurrency-limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Answer 429 above N generations in flight (default: no limit).",
)
@option(
    "--rate-limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Answer 429 above N submits per minute (default: no limit).",
)
@option("--retry-after/--no-retry-after", default=True, help="Send Retry-After with each 429.")
@option("--balance", type=FiniteRange(), default=1000.0, metavar="USD", help="Dollars on the account.")
@option("--log-lag", type=SECONDS, default=1.0, metavar="S", help="Seconds until a request appears in the usage log.")
@option("--url-ttl", type=SECONDS, metavar="S", help="Seconds for which a video URL works (default: no limit).")
@option("--video-bytes", type=click.IntRange(min=0), metavar="N", help="Pad videos to N bytes.")
@option("--seed", type=int, default=0, help="Seed of the random numbers.")
@option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=CHANCE",
    help="Probability of this fault, 0 to 1; may be given several times. 404-withdrawn also takes a model's name.",
)
@option(
    "--retire",
    "retired",
    multiple=True,
    metavar="MODEL=STATUS",
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
        rate_per_minute=options["rate_limit"],
        retry_after=options["retry_after"],
        balance=options["balance"],
        log_lag=options["log_lag"],
        url_ttl=options["url_ttl"],
        video_bytes=options["video_bytes"],
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
    try:
        number = float(chance or "1")
    except ValueError:
        number = -1.0
    if name not in FAULTS or not 0 <= number <= 1:
        raise UsageError(
            f"--fault {text!r}: write NAME=CHANCE with a known name and a chance from 0 to 1; --help lists the names"
        )
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
