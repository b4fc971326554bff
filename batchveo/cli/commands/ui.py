"""``batchveo ui``."""

from __future__ import annotations

from pathlib import Path

import click

from batchveo.cli.options import option, state_option, videos_option
from batchveo.core.destination import Destination


@click.command("ui")
@state_option
@option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    help="Address to listen on; other machines need the token that is printed.",
)
@option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=8700, help="Port to listen on; 0 takes a free one."
)
@option("--token", is_flag=True, help="Require a token on loopback too, if this machine has other users.")
@option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
@videos_option
def command(state: Path, *, host: str, port: int, token: bool, open_browser: bool, videos: Destination | None) -> int:
    """Serve a web page of videos, progress and failures until Ctrl-C.

    It can be open during a run. Before the first run it shows what to type, and becomes the page as soon as a run
    begins. Jobs can be retried, cancelled and resolved from the page.
    """
    from batchveo.operations.quote import is_missing_database
    from batchveo.sandbox.asgi_server import serve
    from batchveo.store import Store
    from batchveo.web.app import make_app
    from batchveo.web.security import make_secrets

    is_new = is_missing_database(state)
    if not is_new:
        Store(state, writing=False).close()  # an error of the database appears here, not in the browser
    keys = make_secrets(host, token=token)

    def say_ready(url: str) -> None:
        page = url if keys.token is None else f"{url}/?token={keys.token}"
        waits = f"; it waits for a first run, which makes {state}" if is_new else ""
        click.echo(f"the page is at {page} (Ctrl-C stops it){waits}", err=True)
        if open_browser:
            click.launch(page)

    serve(make_app(state, keys=keys, videos=videos), host=host, port=port, on_ready=say_ready)
    return 0
