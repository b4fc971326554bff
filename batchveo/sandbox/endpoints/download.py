"""``GET /files/<name>.mp4``: the finished video, as a content network serves it."""

from __future__ import annotations

import re
from hashlib import blake2b

from batchveo.sandbox.call import Call
from batchveo.sandbox.faults import DOWNLOAD
from batchveo.sandbox.generations import Generation, Status
from batchveo.sandbox.http_messages import Delivery, Ending, Response, page_response
from batchveo.sandbox.state import SandboxState
from batchveo.sandbox.videos import file_bytes, file_size, url_works

PREFIX = "/files/"
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_PIECES = 10
_BLOCK = 1024 * 1024
_ENDLESS = 1024
"""Blocks: a gibibyte, so that a client without a bound stops all the same."""


def download(world: SandboxState, call: Call) -> Response:
    """The video or the part asked for; a key sent along is noted as a leak."""
    if "authorization" in call.request.headers:
        world.leaks.append(call.request.path)
    generation = world.file(call.request.path.removeprefix(PREFIX).removesuffix(".mp4"))
    if generation is None or generation.status(call.now) is not Status.COMPLETED:
        return page_response(404, "404 Not Found")
    if not url_works(world, call, generation):
        return page_response(403, "403 Forbidden")
    fault = world.faults.pick(DOWNLOAD, call.name, call.ordinal)
    return _in_place_of_the_file(fault) or _spoilt(_serve(world, call, generation, fault), fault, world)


def _in_place_of_the_file(fault: str | None) -> Response | None:
    match fault:
        case "cdn-503":
            return page_response(503, "503 Service Temporarily Unavailable")
        case "html-200":
            return page_response(200, "Just a moment...")
        case "empty-body":
            return Response(status=200, headers={"content-type": "video/mp4"})
        case _:
            return None


def _spoilt(answer: Response, fault: str | None, world: SandboxState) -> Response:
    half = len(answer.body) // 2
    match fault:
        case "short-body":
            return answer.delivered(Delivery(ending=Ending.CLOSED, kept=half))
        case "reset-body":
            return answer.delivered(Delivery(ending=Ending.RESET, kept=half))
        case "endless-body":
            body = answer.body * max(1, _BLOCK // max(1, len(answer.body)))
            headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
            unannounced = Response(status=200, headers={**headers, "transfer-encoding": "chunked"}, body=body)
            return unannounced.delivered(Delivery(repeats=_ENDLESS))
        case "slow-body":
            return answer.delivered(Delivery(pieces=_PIECES, pause=world.settings.late_by / _PIECES))
        case _:
            return answer


def _serve(world: SandboxState, call: Call, generation: Generation, fault: str | None) -> Response:
    encoding = call.ordinal + 1 if fault == "changed-etag" else 0
    size = file_size(world.settings, generation)
    etag = f'"{blake2b(f"{generation.file}/{encoding}".encode(), digest_size=8).hexdigest()}"'
    headers = {"content-type": "video/mp4", "accept-ranges": "bytes", "etag": etag}
    asked = None if fault == "ignore-range" else _asked_range(call, etag, size)
    if asked is not None and not asked:
        return Response(status=416, headers={**headers, "content-range": f"bytes */{size}"})
    part = asked or range(size)
    headers["content-length"] = str(len(part))
    if asked:
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    whole = b"" if call.request.method == "HEAD" else file_bytes(world.settings, generation, encoding=encoding)
    body = whole[part.start : part.stop] if asked else whole
    return Response(status=206 if asked else 200, headers=headers, body=body)


def _asked_range(call: Call, etag: str, size: int) -> range | None:
    """The bytes asked for, empty where there are none of them; None where the whole file is due."""
    match = _RANGE.fullmatch(call.request.headers.get("range", ""))
    if match is None or call.request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)
