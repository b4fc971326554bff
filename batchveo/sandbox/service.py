"""The look-alike service: one synchronous function from a request to its answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from batchveo.sandbox.account import Account, Charge
from batchveo.sandbox.call import Call
from batchveo.sandbox.endpoints.billing import billing, transactions
from batchveo.sandbox.endpoints.deprecations import deprecations
from batchveo.sandbox.endpoints.download import PREFIX, download
from batchveo.sandbox.endpoints.metrics import metrics
from batchveo.sandbox.endpoints.models import models
from batchveo.sandbox.endpoints.poll import poll
from batchveo.sandbox.endpoints.submit import LEGACY_PATH, submit
from batchveo.sandbox.endpoints.usage_log import usage_log
from batchveo.sandbox.errors import WRONG_KEY, Refused
from batchveo.sandbox.generations import Generation
from batchveo.sandbox.http_messages import Request, Response
from batchveo.sandbox.logs import LoggedRequest
from batchveo.sandbox.settings import Settings
from batchveo.sandbox.state import SandboxState, open_world
from batchveo.sandbox.videos import file_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    """A function behind a path; ``open`` to callers without a key."""

    name: str
    answer: Callable[[SandboxState, Call], Response]
    open: bool = False


def _not_found(_world: SandboxState, call: Call) -> Response:
    raise Refused(404, f"Cannot {call.request.method} {call.request.path}")


_SUBMIT = _Endpoint(name="submit", answer=submit)
_POLL = _Endpoint(name="poll", answer=poll)
_DOWNLOAD = _Endpoint(name="download", answer=download, open=True)
_NOT_FOUND = _Endpoint(name="not-found", answer=_not_found, open=True)
_ENDPOINTS: Mapping[tuple[str, str], _Endpoint] = MappingProxyType(
    {
        ("POST", "/v2/video/generations"): _SUBMIT,
        ("GET", "/v2/video/generations"): _POLL,
        ("POST", LEGACY_PATH): _SUBMIT,
        ("GET", LEGACY_PATH): _POLL,
        ("GET", "/v2/logs"): _Endpoint(name="logs", answer=usage_log),
        ("GET", "/v2/billing"): _Endpoint(name="billing", answer=billing),
        ("GET", "/v2/billing/transactions"): _Endpoint(name="transactions", answer=transactions),
        ("GET", "/v1/models"): _Endpoint(name="models", answer=models, open=True),
        ("GET", "/v1/models/deprecations"): _Endpoint(name="deprecations", answer=deprecations, open=True),
        ("GET", "/models/metrics"): _Endpoint(name="metrics", answer=metrics, open=True),
    }
)


class Service:
    """A sandbox. Nothing in it runs by itself: every answer follows from what was accepted and the clock.

    ``clock`` gives seconds since the epoch. With a ``journal`` the service outlives its process: a new one on
    the same file knows every request that was noted there.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Callable[[], float] = time.time,
        journal: Path | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self._clock = clock
        self._world = open_world(self.settings, now=clock(), journal=journal)

    def handle(self, request: Request) -> Response:
        """Answer a request at once; what should happen to the answer on its way is in its ``delivery``."""
        endpoint = _endpoint(request)
        call = self._call(endpoint, request)
        try:
            self._authorize(endpoint, call)
            answer = endpoint.answer(self._world, call)
        except Refused as refused:
            answer = call.refuse(refused)
        return self._finished(answer)

    @property
    def generations(self) -> Sequence[Generation]:
        """Every accepted generation, oldest first."""
        made = [generation for account in self._accounts for generation in account.generations.values()]
        return tuple(sorted(made, key=lambda generation: generation.ordinal))

    @property
    def calls(self) -> Counter[str]:
        """How often each endpoint was called in this process.

        Names: submit, poll, download, logs, billing, transactions, models, deprecations, metrics, not-found.
        """
        return self._world.calls

    @property
    def leaks(self) -> Sequence[str]:
        """The paths of downloads that came with an Authorization header."""
        return tuple(self._world.leaks)

    @property
    def peak_in_flight(self) -> int:
        """The most generations that were ever under way at once."""
        return self._world.peak_in_flight

    def charges(self) -> Sequence[Charge]:
        """Every charge so far, oldest first."""
        made = [charge for account in self._accounts for charge in account.charges(self._clock())]
        return tuple(sorted(made, key=lambda charge: charge.at))

    def requests(self) -> Sequence[LoggedRequest]:
        """Every submit that the usage log tells of sooner or later, oldest first."""
        return tuple(self._world.requests)

    def video(self, generation_id: str) -> bytes:
        """The video of a generation; raises KeyError where there is no such generation."""
        for account in self._accounts:
            if generation_id in account.generations:
                return file_bytes(self.settings, account.generations[generation_id])
        raise KeyError(generation_id)

    def account(self, key: str = "") -> Account:
        """The account that an API key belongs to: its own with ``per_key``, else the one that all share."""
        return self._world.account(self._world.owner(key))

    @property
    def _accounts(self) -> Iterable[Account]:
        return self._world.accounts.values()

    def _call(self, endpoint: _Endpoint, request: Request) -> Call:
        world, name = self._world, endpoint.name
        ordinal = world.calls[name] + (world.earlier_submits if endpoint is _SUBMIT else 0)
        world.calls[name] += 1
        return Call(
            name=name,
            request=request,
            now=self._clock(),
            ordinal=ordinal,
            id=world.names.digest("request", name, ordinal).hex(),
            owner=world.owner(_key(request)) if not endpoint.open else "",
        )

    def _authorize(self, endpoint: _Endpoint, call: Call) -> None:
        if endpoint.open:
            return
        key = _key(call.request)
        known = bool(key) if self.settings.key is None else key == self.settings.key
        if not known or self._world.faults.strikes("401", call.name, call.ordinal):
            raise Refused(401, WRONG_KEY)

    def _finished(self, answer: Response) -> Response:
        announced = {} if "transfer-encoding" in answer.headers else {"content-length": str(len(answer.body))}
        headers = {**announced, **answer.headers}
        delay = answer.delivery.delay + self.settings.latency
        return replace(answer, headers=headers, delivery=replace(answer.delivery, delay=delay))


def _key(request: Request) -> str:
    """The API key that came along; empty where there is none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _endpoint(request: Request) -> _Endpoint:
    if request.path.startswith(PREFIX) and request.method in ("GET", "HEAD"):
        return _DOWNLOAD
    return _ENDPOINTS.get((request.method, request.path), _NOT_FOUND)
