"""The mark that a request may have arrived is made before its body leaves, and no earlier."""

from __future__ import annotations

import socket
import sqlite3
import threading

import anyio
import pytest

from batchveo.core.outcomes import RejectedTemporarily, SubmitUncertain
from batchveo.provider import ApiClient, ApiKey

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_refused_connection_leaves_no_mark() -> None:
    """Nothing left."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        marks: list[int] = []

        async def leaving() -> None:
            marks.append(1)

        async with ApiClient(ApiKey("k"), base_url=url) as api:
            outcome = await api.submit({}, client_request_id="x", before_send=leaving)
    assert isinstance(outcome, RejectedTemporarily)
    assert marks == []


async def test_the_mark_comes_with_the_connection_made_and_before_the_bytes() -> None:
    """What can have left when the mark is made: the headers."""
    seen = bytearray()
    marks: list[tuple[int, int]] = []
    accepted = threading.Event()
    marked = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        accepted.set()
        marked.wait(5)
        seen.extend(connection.recv(65536))
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()

        async def leaving() -> None:
            marks.append((int(accepted.wait(5)), len(seen)))
            marked.set()

        async with ApiClient(ApiKey("k"), base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as api:
            with anyio.fail_after(60):
                outcome = await api.submit({"a": 1}, client_request_id="x", before_send=leaving)
        thread.join()
    assert isinstance(outcome, SubmitUncertain)
    assert marks == [(1, 0)]
    assert seen.startswith(b"POST /v2/video/generations")


async def test_a_mark_that_cannot_be_made_keeps_the_request_here() -> None:
    """A state that cannot be written must not buy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        async def leaving() -> None:
            raise sqlite3.OperationalError("disk full")

        async with ApiClient(ApiKey("k"), base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as api:
            with pytest.raises(sqlite3.OperationalError, match="disk full"):
                await api.submit({}, client_request_id="x", before_send=leaving)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            sent = b"".join(iter(lambda: connection.recv(65536), b""))
            assert sent.partition(b"\r\n\r\n")[2] == b""
