"""One call under way: its request, its moment, its number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from batchveo.sandbox.errors import Refused, error_response
from batchveo.sandbox.http_messages import NO_HEADERS, Request, Response, json_response
from batchveo.sandbox.prices import usd

_TRACEABLE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as the endpoints see it; ``ordinal`` counts the calls of the same ``name``.

    ``owner`` is whose account it is about.
    """

    name: str
    request: Request
    now: float
    ordinal: int
    id: str
    owner: str = ""

    @property
    def client_request_id(self) -> str | None:
        """The client's own id for the request; one that breaks the rules is dropped without a word."""
        sent = self.request.headers.get("x-client-request-id", "")
        return sent if _TRACEABLE.fullmatch(sent) else None

    def reply(
        self,
        content: object,
        *,
        status: int = 200,
        inference_id: str | None = None,
        credits_used: int = 0,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Response:
        """A JSON answer with the service's own headers."""
        cost = {"x-aimlapi-credits-used": str(credits_used), "x-aimlapi-usd-spent": str(usd(credits_used))}
        inference = {"x-inference-id": inference_id} if inference_id else {}
        return json_response(content, status=status, headers={**self._echo, **cost, **inference, **headers})

    def refuse(self, refused: Refused) -> Response:
        """The answer to a refused call."""
        answer = error_response(refused, path=self.request.path, request_id=self.id, now=self.now)
        return Response(status=answer.status, headers={**self._echo, **answer.headers}, body=answer.body)

    @property
    def _echo(self) -> Mapping[str, str]:
        sent = self.client_request_id
        return {"x-client-request-id": sent} if sent else NO_HEADERS
