"""A service that lists models and serves their documents, as a transport; each of its answers can be replaced."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import anyio
import httpx

from batchveo.provider.model_refresh import VIDEO_TYPE
from tests.helpers.openapi_documents import make_document

BASE = "https://service.test"
PROMPT: Mapping[str, Any] = {"type": "string"}

Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


def address_of(model: str) -> str:
    """Where the document of a model is."""
    return f"{BASE}/docs-json?model={model}"


def make_row(model: str, *aliases: str, **fields: object) -> dict[str, Any]:
    """A row of the list of models."""
    row = {"id": model, "aliases": list(aliases), "type": VIDEO_TYPE, "info": {"docsJson": address_of(model)}}
    return {**row, **fields}


class ModelService:
    """What it answers: ``rows``, ``documents`` by the model, ``retired``; ``replace`` answers a path or a model.

    ``asked`` are the requests, ``peak`` the most that it answered at the same time.
    """

    def __init__(self, *models: str) -> None:
        self.rows: list[Any] = [make_row(model) for model in models]
        self.documents: dict[str, Any] = {
            model: make_document(model, {"prompt": PROMPT, "duration": {"type": "integer", "enum": [4, 8]}})
            for model in models
        }
        self.retired: list[Any] = []
        self.replaced: dict[str, Answer] = {}
        self.asked: list[httpx.Request] = []
        self.peak = 0
        self._now = 0

    @property
    def transport(self) -> httpx.MockTransport:
        """The transport that leads to it."""
        return httpx.MockTransport(self._answer)

    @property
    def statuses(self) -> Counter[str]:
        """How many calls each path, or model, got."""
        return Counter(request.url.params.get("model") or request.url.path for request in self.asked)

    def replace(self, what: str, *responses: httpx.Response, seconds: float = 0.0) -> None:
        """Answer with these, the last one again and again; each after some seconds."""
        left = list(responses)

        async def answer(request: httpx.Request) -> httpx.Response:
            await anyio.sleep(seconds)
            given = left.pop(0) if len(left) > 1 else left[0]
            return httpx.Response(given.status_code, headers=given.headers, content=given.content)

        self.replaced[what] = answer

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        self._now += 1
        self.peak = max(self.peak, self._now)
        try:
            await anyio.lowlevel.checkpoint()
            what = request.url.params.get("model") or request.url.path
            if what in self.replaced:
                return await self.replaced[what](request)
            body = self._find_body(request)
            return httpx.Response(404) if body is None else self._reply(request, body)
        finally:
            self._now -= 1

    def _find_body(self, request: httpx.Request) -> Any:
        if request.url.path == "/v1/models":
            return {"object": "list", "data": self.rows}
        if request.url.path == "/v1/models/deprecations":
            return {"object": "list", "data": self.retired}
        return self.documents.get(request.url.params.get("model", ""))

    def _reply(self, request: httpx.Request, body: Any) -> httpx.Response:
        # as ASCII, since the texts of a lying service may hold half of a surrogate pair
        response = httpx.Response(200, content=json.dumps(body).encode())
        etag = f'W/"{blake2b(response.content, digest_size=8).hexdigest()}"'
        if request.headers.get("if-none-match") == etag:
            return httpx.Response(304, headers={"etag": etag})
        response.headers["etag"] = etag
        return response


def list_asked_again(requests: Sequence[httpx.Request]) -> list[httpx.Request]:
    """The requests with the ETag of what the client has."""
    return [request for request in requests if "if-none-match" in request.headers]
