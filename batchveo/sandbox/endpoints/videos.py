"""``GET /files/<name>.mp4``: the finished videos and their signed URLs, as a content network serves them."""

from __future__ import annotations

import re
from hashlib import blake2b
from hmac import compare_digest

from batchveo.sandbox.calls import Call
from batchveo.sandbox.generations import Generation, Status
from batchveo.sandbox.http_messages import Delivery, Ending, Response, page_response
from batchveo.sandbox.sample_clips import FLAWED, SCENES, sample_video
from batchveo.sandbox.service_state import ServiceState
from batchveo.sandbox.settings import DOWNLOAD, Settings

FILES_PREFIX = "/files/"
USUAL_TTL = 120.0
"""Seconds that the fault ``expiring-url`` allows, without a setting."""
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_PIECES = 10
_BLOCK = 1024 * 1024
_ENDLESS = 1024
"""Blocks: a gibibyte, so that a client without a bound stops all the same."""


def download_video(state: ServiceState, call: Call) -> Response:
    """The video, or the range that is asked for; a key in the request is recorded as a leak."""
    if "authorization" in call.request.headers:
        state.leaks.append(call.request.path)
    generation = state.find_file(call.request.path.removeprefix(FILES_PREFIX).removesuffix(".mp4"))
    if generation is None or generation.status(call.now) is not Status.COMPLETED:
        return page_response(404, "404 Not Found")
    if not _is_url_valid(state, call, generation):
        return page_response(403, "403 Forbidden")
    match fault := state.faults.pick_fault(DOWNLOAD, call.name, call.ordinal):
        case "cdn-503":
            return page_response(503, "503 Service Temporarily Unavailable")
        case "html-200":
            return page_response(200, "Just a moment...")
        case "empty-body":
            return Response(status=200, headers={"content-type": "video/mp4"})
    return _break_delivery(_serve_file(state, call, generation, fault), fault, state)


def _break_delivery(answer: Response, fault: str | None, state: ServiceState) -> Response:
    half = len(answer.body) // 2
    match fault:
        case "short-body":
            return answer.deliver(Delivery(ending=Ending.CLOSED, kept=half))
        case "reset-body":
            return answer.deliver(Delivery(ending=Ending.RESET, kept=half))
        case "endless-body":
            body = answer.body * max(1, _BLOCK // max(1, len(answer.body)))
            headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
            unannounced = Response(status=200, headers={**headers, "transfer-encoding": "chunked"}, body=body)
            return unannounced.deliver(Delivery(repeats=_ENDLESS))
        case "slow-body":
            return answer.deliver(Delivery(pieces=_PIECES, pause=state.settings.late_by / _PIECES))
        case _:
            return answer


def _serve_file(state: ServiceState, call: Call, generation: Generation, fault: str | None) -> Response:
    encoding = call.ordinal + 1 if fault == "changed-etag" else 0
    size = read_size(state.settings, generation)
    etag = f'"{blake2b(f"{generation.file}/{encoding}".encode(), digest_size=8).hexdigest()}"'
    headers = {"content-type": "video/mp4", "accept-ranges": "bytes", "etag": etag}
    asked = None if fault == "ignore-range" else _read_range(call, etag, size)
    if asked is not None and not asked:
        return Response(status=416, headers={**headers, "content-range": f"bytes */{size}"})
    part = asked or range(size)
    headers["content-length"] = str(len(part))
    if asked:
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    whole = b"" if call.request.method == "HEAD" else read_video(state.settings, generation, encoding=encoding)
    return Response(status=206 if asked else 200, headers=headers, body=whole[part.start : part.stop])


def _read_range(call: Call, etag: str, size: int) -> range | None:
    """The bytes that are asked for, empty if the file has none of them; ``None`` for the complete file."""
    match = _RANGE.fullmatch(call.request.headers.get("range", ""))
    # a range of another encoding does not fit what the client has, so it gets the complete file
    if match is None or call.request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):  # an invalid range, which RFC 9110 allows to ignore
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)


def name_file(generation: Generation) -> str:
    """The last part of the video's URL."""
    return f"{generation.file}.mp4"


def make_url(state: ServiceState, call: Call, generation: Generation) -> str:
    """A URL of the video; it expires, and is signed, if the settings or a fault ask for that."""
    url, ttl = f"{call.request.origin}{FILES_PREFIX}{name_file(generation)}", state.settings.url_ttl
    if state.faults.has_fault("expiring-url", generation.ordinal):
        issued, seconds = f"{call.now:.3f}", f"{USUAL_TTL if ttl is None else ttl:.0f}"
        signature = _sign(state, generation, f"{issued} {seconds}")
        return f"{url}?Expires={seconds}&issued={issued}&signature={signature}"
    if ttl is None:
        return url
    expires = f"{call.now + ttl:.3f}"
    return f"{url}?expires={expires}&signature={_sign(state, generation, expires)}"


def _is_url_valid(state: ServiceState, call: Call, generation: Generation) -> bool:
    sent = dict(call.request.query)
    if state.faults.has_fault("expiring-url", generation.ordinal):
        numbers = [sent.get("issued", ""), sent.get("Expires", "")]
    elif state.settings.url_ttl is not None:
        numbers = [sent.get("expires", "")]
    else:
        return True
    signature = _sign(state, generation, " ".join(numbers))
    # the numbers are trusted, and parsed, only if the signature is ours
    genuine = compare_digest(sent.get("signature", "").encode(), signature.encode())
    return genuine and call.now < sum(map(float, numbers))


def _sign(state: ServiceState, generation: Generation, text: str) -> str:
    return state.ids.draw_hex("url", generation.file, text)


def read_video(settings: Settings, generation: Generation, *, encoding: int = 0) -> bytes:
    """The video; another ``encoding`` has other bytes and the same size."""
    return _make_video(generation, encoding=encoding, size=settings.video_bytes)


def read_size(settings: Settings, generation: Generation) -> int:
    """The video's length in bytes, without making its padding."""
    return max(len(_make_video(generation)), settings.video_bytes or 0)


def _make_video(generation: Generation, *, encoding: int = 0, size: int | None = None) -> bytes:
    seconds = generation.seconds // 2 if generation.flaw == "short" else generation.seconds
    return sample_video(
        generation.flaw if generation.flaw in FLAWED else _choose_scene(generation),
        label=f"{generation.id} {encoding:012}",
        seconds=max(seconds, 1),
        portrait=generation.portrait,
        size=size,
    )


def _choose_scene(generation: Generation) -> str:
    digest = blake2b(f"{generation.id}\n{generation.request.get('prompt')}".encode("utf-8", "surrogatepass"))
    return SCENES[int.from_bytes(digest.digest()[:8], "big") % len(SCENES)]
