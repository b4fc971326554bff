"""``batchveo sandbox``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from batchveo.cli.options import PATH, SECONDS, FiniteRange, option
from batchveo.core.errors import UsageError
from batchveo.sandbox import FAULTS, Service, Settings, serve

FAULT_LIST = "\b\nFaults:\n" + "\n".join(f"  {name:22} {text}" for name, text in FAULTS.items())


@click.command("sandbox", epilog=FAULT_LIST)
@option("--host", default="127.0.0.1", help="The address to listen on.")
@option("--port", type=click.IntRange(0, 65535), default=8642, help="The port; 0 takes a free one.")
@option("--key", help="Accept this API key only; any without it.")
@option("--per-key", is_flag=True, help="Give each API key an account of its own, with these limits.")
@option("--generation-time", type=SECONDS, default=3.0, metavar="S", help="Median of a generation.")
@option("--sigma", type=FiniteRange(0.0, 10.0), default=0.3, help="Spread of the generation times (log-normal).")
@option("--concurrency-limit", type=click.IntRange(min=0), metavar="N", help="429 above N generations in flight.")
@option("--rate-limit", type=click.IntRange(min=0), metavar="N", help="429 above N submits a minute.")
@option("--retry-after/--no-retry-after", default=True, help="Whether a 429 says when to return.")
@option("--balance", type=FiniteRange(), default=1000.0, metavar="USD", help="What the account holds.")
@option("--log-lag", type=SECONDS, default=1.0, metavar="S", help="How late the usage log is.")
@option("--url-ttl", type=SECONDS, metavar="S", help="How long video URLs work.")
@option("--video-bytes", type=click.IntRange(min=0), metavar="N", help="Pad videos to this size.")
@option("--seed", type=int, default=0, help="Decides all chance.")
@option("--fault", "faults", multiple=True, metavar="NAME=CHANCE", help="Let this go wrong so often.")
@option("--journal", type=PATH, metavar="FILE", help="Remember generations across restarts.")
def command(host: str, port: int, journal: Path | None, faults: tuple[str, ...], **options: Any) -> int:
    """Serve a look-alike of the service on this machine, to try everything without paying.

    Point runs at it: batchveo run MANIFEST --base-url http://127.0.0.1:8642 (any API key will do).
    """
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
        faults=dict(_fault(text) for text in faults),
    )
    try:
        serve(Service(settings, journal=journal), host=host, port=port, on_ready=_say_ready)
    except OSError as error:
        raise UsageError(f"{host}:{port} cannot be used: {error.strerror}; --port 0 takes a free one") from None
    return 0


def _fault(text: str) -> tuple[str, float]:
    name, _, chance = text.partition("=")
    try:
        number = float(chance or "1")
    except ValueError:
        number = -1.0
    if name not in FAULTS or not 0 <= number <= 1:
        raise UsageError(f"--fault {text!r}: write NAME=CHANCE, the chance from 0 to 1; --help lists the names")
    return name, number


def _say_ready(url: str) -> None:
    click.echo(f"sandbox at {url} (Ctrl-C ends it)", err=True)
