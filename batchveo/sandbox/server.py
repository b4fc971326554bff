"""The sandbox on a real socket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from batchveo.sandbox import asgi_server
from batchveo.sandbox.asgi import app
from batchveo.sandbox.service import Service


def running(service: Service, *, host: str = "127.0.0.1", port: int = 0) -> AbstractContextManager[str]:
    """Serve in a thread for as long as the block lasts; yields the base URL. Port 0 takes a free one."""
    return asgi_server.running(app(service), host=host, port=port)


def serve(service: Service, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``on_ready`` gets the base URL once connections are taken."""
    asgi_server.serve(app(service), host=host, port=port, on_ready=on_ready)
