"""A sandbox on a clock that only moves when told to, with short ways to call it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from batchveo.sandbox import Request, Response, Service, Settings

PATH = "/v2/video/generations"
LEGACY = "/v2/generate/video/google/generation"
OPENED = 1_790_000_000.0
AUTH = {"authorization": "Bearer key"}


def make_body(**changes: object) -> dict[str, object]:
    """A valid request body, changed; a change to None removes the field."""
    body = {"model": "google/veo-3.1-t2v-fast", "prompt": "A cat", "duration": 4, **changes}
    return {name: value for name, value in body.items() if value is not None}


def read_json(answer: Response) -> dict[str, Any]:
    """The JSON object of an answer, for tests that look deep into it."""
    return answer.json()


class SandboxClient:
    """A client without HTTP."""

    def __init__(self, journal: Path | None = None, *, now: float = OPENED, **settings: Any) -> None:
        self.now = now
        chosen = {"generation_median": 10.0, "generation_sigma": 0.0, **settings}
        self.service = Service(Settings(**chosen), clock=lambda: self.now, journal=journal)

    def post(
        self, body: object = None, *, path: str = PATH, headers: dict[str, str] | None = None, **changes: object
    ) -> Response:
        content = body if isinstance(body, bytes) else json.dumps(body or make_body(**changes)).encode()
        return self.service.handle(Request(method="POST", path=path, headers={**AUTH, **(headers or {})}, body=content))

    def get(
        self, path: str, *query: tuple[str, object], method: str = "GET", headers: dict[str, str] | None = None
    ) -> Response:
        return self.service.handle(
            Request(
                method=method,
                path=path,
                query=tuple((name, str(value)) for name, value in query),
                headers=AUTH if headers is None else headers,
            )
        )

    def submit(self, **changes: object) -> str:
        """Submit a valid request; returns the generation's id."""
        answer = self.post(make_body(**changes))
        assert answer.status == 201, answer
        receipt = answer.json()
        return str(receipt.get("id") or receipt["generation_id"])

    def poll(self, generation_id: str) -> dict[str, Any]:
        answer = self.get(PATH, ("generation_id", generation_id))
        assert answer.status == 200, answer
        return read_json(answer)

    def finished(self, **changes: object) -> str:
        """Submit and let it complete; returns the path of its video."""
        generation_id = self.submit(**changes)
        self.now += 10.0
        url = self.poll(generation_id)["video"]["url"]
        return str(url).removeprefix("http://sandbox.invalid")

    def download(self, path: str, *, method: str = "GET", **headers: str) -> Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.get(path, method=method, headers=sent)

    def logs(self, *query: tuple[str, object]) -> dict[str, Any]:
        answer = self.get("/v2/logs", *(query or (("period", "24h"),)))
        assert answer.status == 200, answer
        return read_json(answer)

    def transactions(self, *query: tuple[str, object]) -> dict[str, Any]:
        answer = self.get("/v2/billing/transactions", *query)
        assert answer.status == 200, answer
        return read_json(answer)

    def fetch_document(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The OpenAPI document that a row of the list of models names."""
        address = urlsplit(row["info"]["docsJson"])
        return read_json(self.get(address.path, *parse_qsl(address.query), headers={}))

    def list_models(self, *query: tuple[str, object]) -> list[dict[str, Any]]:
        models: list[dict[str, Any]] = read_json(self.get("/v1/models", *query, headers={}))["data"]
        return models
