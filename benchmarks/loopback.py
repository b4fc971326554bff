"""A minimal stand-in for the service: submit, poll, video, and nothing that costs it time.

The sandbox checks, prices, remembers and renders, and so is slower than the clients that are measured against
it. This server answers from prepared bytes, equally to batchveo and to its peers. ``GET /benchmark`` tells
what happened so far.

    python -m benchmarks.loopback --generation-time 0.05 --video-bytes 8000000
    python -m benchmarks.loopback --requests 500000

With ``--tls FILE`` the videos come over TLS, from another port of the same process: the kernel's ``sendfile`` knows
no TLS, so they are sent from memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import BinaryIO
from urllib.parse import parse_qsl

from batchveo.sandbox.sample_clips import sample_video

BEGAN = 1_790_000_000.0
"""When the nights of ``states`` and of ``Records`` began, seconds since the epoch."""
HASH = 2_654_435_761
"""The id of a job is its number times this."""
TAIL_BYTES = 24
"""The last box of a video: it holds the generation's number, so that no two videos are the same."""
SENDFILE_BYTES = 256 * 1024
PIECE_BYTES = 256 * 1024
"""Of a large video over TLS, encrypted at a time."""
_CREDITS = 1_560_000


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the server has seen; times are seconds since the epoch, 0 if nothing came."""

    submits: int = 0
    polls: int = 0
    log_calls: int = 0
    videos: int = 0
    first_submit_or_poll: float = 0.0
    first_video: float = 0.0
    last_video: float = 0.0
    cpu: float = 0.0


class Videos:
    """One video in memory and, for large ones, in a file that the kernel sends from."""

    def __init__(self, size: int, *, in_memory: bool = False) -> None:
        whole = sample_video("sea", label="", seconds=4, portrait=False, size=size - TAIL_BYTES)
        self.size = len(whole) + TAIL_BYTES
        self.head = whole
        self.file: BinaryIO | None = None
        if self.size >= SENDFILE_BYTES and not in_memory:
            self.file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the server runs
            self.file.write(whole)
            self.file.flush()
            self.head = b""

    @staticmethod
    def tail(number: int) -> bytes:
        """The box that makes the video of one generation differ from all others."""
        return TAIL_BYTES.to_bytes(4, "big") + b"free" + b"%016d" % number


class Records:
    """The usage log and the ledger of a night of so many requests, a second apart, as ``states`` has them.

    Of a thousand, ten failed and cost nothing, and one has a generation that its job knows nothing of.
    """

    def __init__(self, requests: int) -> None:
        self._requests = requests

    def log_page(self, query: Mapping[str, str]) -> bytes:
        """A page of the usage log."""
        newest, oldest = self._numbers(query, "start", "end")
        total, offset = newest - oldest + 1, int(query["offset"])
        numbers = range(newest - offset, max(newest - offset - int(query["limit"]), oldest - 1), -1)
        rows = ",".join(
            f'{{"created":"{_moment(number)}","status":"{"failed" if is_failed(number) else "succeeded"}",'
            f'"client_request_id":"{request_id(number)}","inference_id":"{generation_id(number)}"}}'
            for number in numbers
        )
        more = json.dumps(offset + len(numbers) < total)
        return b'{"data":[%s],"pagination":{"total":%d,"has_more":%s}}' % (rows.encode(), total, more.encode())

    def ledger_page(self, query: Mapping[str, str]) -> bytes:
        """A page of the ledger; the cursor is the number of its first request."""
        newest, oldest = self._numbers(query, "from", "to")
        charged = (
            number for number in range(int(query.get("cursor", newest)), oldest - 1, -1) if not is_failed(number)
        )
        numbers = list(islice(charged, int(query["limit"]) + 1))
        more = len(numbers) > int(query["limit"])
        following = f'"{numbers.pop()}"' if more else "null"
        rows = ",".join(
            f'{{"created_at":"{_moment(number)}","amount":{{"usd":1.56}},"reference_id":"{generation_id(number)}"}}'
            for number in numbers
        )
        pagination = f'{{"has_more":{json.dumps(more)},"next_cursor":{following}}}'
        return f'{{"data":[{rows}],"pagination":{pagination}}}'.encode()

    def _numbers(self, query: Mapping[str, str], start: str, end: str) -> tuple[int, int]:
        """The newest and the oldest request in the time that is asked for."""
        first, last = (datetime.fromisoformat(query[name]).timestamp() - BEGAN for name in (start, end))
        return min(math.floor(last), self._requests), max(math.ceil(first), 1)


def is_failed(number: int) -> bool:
    """Whether the generation of a request failed."""
    return number % 100 == 7


def request_id(number: int) -> str:
    """The client request id of a request."""
    return f"bv.{number * HASH:020x}.1.abcdef"


def generation_id(number: int) -> str:
    """The generation of a request; that of each thousandth is another than its job has."""
    return f"{'other' if number % 1000 == 1 else 'gen'}-{number * HASH:020x}"


def _moment(number: int) -> str:
    return datetime.fromtimestamp(BEGAN + number, UTC).isoformat()


class Loopback:
    """The answers. Ids are numbers; one that this process never gave out is generating for ever."""

    def __init__(
        self,
        *,
        generation_time: float,
        video_bytes: int,
        sigma: float = 0.0,
        secure: bool = False,
        requests: int = 0,
    ) -> None:
        self._records = Records(requests)
        self._takes = generation_time
        self._sigma = sigma
        self._random = random.Random(0)  # the same times in each run
        self._ready: list[float] = []
        self.videos = Videos(video_bytes, in_memory=secure)
        self.files = b""
        """Where the videos are, such as ``https://127.0.0.1:8643``; empty: at the service's own address."""
        self.seen = Seen()

    def answer(self, method: bytes, target: bytes, host: bytes) -> bytes | int:
        """The whole answer to a request, or the number of the generation whose video is asked for."""
        path, _, query = target.partition(b"?")
        if path == b"/v2/video/generations":
            self.seen.first_submit_or_poll = self.seen.first_submit_or_poll or time.time()
            if method == b"POST":
                return self._submit()
            return self._poll(query.partition(b"generation_id=")[2], host)
        if path.startswith(b"/files/g-"):
            return int(path[len(b"/files/g-") : -len(b".mp4")])
        if path in (b"/v2/logs", b"/v2/billing/transactions"):
            return self._list(path, dict(parse_qsl(query.decode())))
        return self._aside(path)

    def _list(self, path: bytes, query: Mapping[str, str]) -> bytes:
        if path != b"/v2/logs":
            return response(self._records.ledger_page(query))
        self.seen.log_calls += 1
        return response(self._records.log_page(query))

    def _submit(self) -> bytes:
        number = len(self._ready)
        self._ready.append(time.monotonic() + self._takes * self._random.lognormvariate(0.0, self._sigma))
        self.seen.submits += 1
        return response(b'{"id":"g-%d","status":"queued"}' % number, status=b"201 Created")

    def _poll(self, generation: bytes, host: bytes) -> bytes:
        self.seen.polls += 1
        number = int(generation[2:]) if generation[2:].isdigit() else -1
        known = 0 <= number < len(self._ready)
        if not known or time.monotonic() < self._ready[number]:
            return response(b'{"id":"%s","status":"generating","video":null,"error":null}' % generation)
        return response(
            b'{"id":"%s","status":"completed","video":{"url":"%s/files/%s.mp4","file_size":%d},"error":null,'
            b'"meta":{"usage":{"credits_used":%d}}}'
            % (generation, self.files or b"http://" + host, generation, self.videos.size, _CREDITS)
        )

    def _aside(self, path: bytes) -> bytes:
        if path == b"/benchmark":
            self.seen.cpu = time.process_time()
            return response(json.dumps(asdict(self.seen)).encode())
        if path == b"/v1/models":
            return response(b'{"data":[]}')
        if path == b"/v2/billing":
            return response(b'{"current_balance":1000000.0,"currency":"USD"}')
        return response(b'{"message":"Not Found","statusCode":404}', status=b"404 Not Found")


def response(body: bytes, *, status: bytes = b"200 OK") -> bytes:
    """A JSON answer on a connection that stays open."""
    return b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )


class Connection(asyncio.Protocol):
    """One client, one request after another."""

    def __init__(self, service: Loopback) -> None:
        self._service = service
        self._unread = b""
        self._transport: asyncio.Transport
        self._sending: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._sending is not None:
            self._sending.cancel()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while self._sending is None and self._one():
            pass

    def _one(self) -> bool:
        """Answer the first request if all of it is here."""
        head, found, rest = self._unread.partition(b"\r\n\r\n")
        if not found:
            return False
        fields = head.lower()
        length = _number_after(fields, b"content-length:")
        if len(rest) < length:
            return False
        self._unread = rest[length:]
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        answer = self._service.answer(method, target, _value_after(fields, b"host:"))
        if isinstance(answer, int):
            self._send_video(answer)
        else:
            self._transport.write(answer)
        return True

    def _send_video(self, number: int) -> None:
        videos, seen = self._service.videos, self._service.seen
        seen.videos += 1
        seen.last_video = time.time()
        seen.first_video = seen.first_video or seen.last_video
        head = b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: %d\r\n\r\n" % videos.size
        if videos.size < SENDFILE_BYTES:
            self._transport.write(head + videos.head + videos.tail(number))
            return
        self._transport.write(head)
        sending = self._send_pieces(videos.head) if videos.file is None else self._send_file(videos.file)
        self._sending = asyncio.ensure_future(self._send_all(sending, videos.tail(number)))

    async def _send_file(self, file: BinaryIO) -> None:
        # each with its own place in the file: os.sendfile is told the offset
        await asyncio.get_running_loop().sendfile(self._transport, file, 0, fallback=False)

    async def _send_pieces(self, content: bytes) -> None:
        for first in range(0, len(content), PIECE_BYTES):
            await self._room.wait()
            self._transport.write(content[first : first + PIECE_BYTES])

    async def _send_all(self, sending: Coroutine[None, None, None], tail: bytes) -> None:
        try:
            await sending
        except (ConnectionError, OSError):
            self._transport.abort()
            return
        self._transport.write(tail)
        self._sending = None
        self.data_received(b"")


def _value_after(fields: bytes, name: bytes) -> bytes:
    return fields.partition(b"\r\n" + name)[2].partition(b"\r\n")[0].strip()


def _number_after(fields: bytes, name: bytes) -> int:
    return int(_value_after(fields, name) or b"0")


async def serve(service: Loopback, port: int, tls: ssl.SSLContext | None) -> None:
    """Serve until the process is ended; says its address on standard error."""
    server, address = await _listen(service, port, None)
    said = f"loopback server at http://{address}"
    async with server:
        if tls is not None:
            secure, files = await _listen(service, 0, tls)
            await secure.start_serving()
            service.files = f"https://{files}".encode()
            said += f", videos at https://{files}"
        print(said, file=sys.stderr, flush=True)
        await server.serve_forever()


async def _listen(service: Loopback, port: int, tls: ssl.SSLContext | None) -> tuple[asyncio.Server, str]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", port))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), sock=listener, backlog=4096, ssl=tls)
    return server, f"127.0.0.1:{listener.getsockname()[1]}"


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--generation-time", type=float, default=0.0, metavar="S")
    parser.add_argument("--sigma", type=float, default=0.0, metavar="N", help="of log-normal generation times")
    parser.add_argument("--video-bytes", type=int, default=50_000, metavar="N")
    parser.add_argument("--requests", type=int, default=0, metavar="N", help="rows of the usage log")
    parser.add_argument("--tls", metavar="FILE", help="key and certificate for the videos, as PEM")
    options = parser.parse_args()
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.tls)
    service = Loopback(
        generation_time=options.generation_time,
        video_bytes=options.video_bytes,
        sigma=options.sigma,
        secure=tls is not None,
        requests=options.requests,
    )
    asyncio.run(serve(service, options.port, tls))


if __name__ == "__main__":
    main()
