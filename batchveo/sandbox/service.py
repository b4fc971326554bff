"""The sandbox service: one synchronous function from a request to its answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from batchveo.provider.catalog import MODELS, Catalog
from batchveo.sandbox.account import Account, Charge, LoggedRequest
from batchveo.sandbox.calls import Call, Refused
from batchveo.sandbox.endpoints.account import list_transactions, read_balance, read_usage_log
from batchveo.sandbox.endpoints.deprecations import list_deprecations
from batchveo.sandbox.endpoints.generations import LEGACY_PATH, PATH, poll_generation, submit_generation
from batchveo.sandbox.endpoints.models import (
    DOCUMENT_PATH,
    MODEL_PREFIX,
    list_metrics,
    list_models,
    read_document,
    read_model,
)
from batchveo.sandbox.endpoints.videos import FILES_PREFIX, download_video, read_video
from batchveo.sandbox.generations import Generation
from batchveo.sandbox.http_messages import Request, Response
from batchveo.sandbox.service_state import ServiceState, open_state
from batchveo.sandbox.settings import Settings

_WRONG_KEY = "This request requires a valid API key. You can create one at https://aimlapi.com/app/keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    """The function behind a path; ``open``: no API key is needed."""

    name: str
    answer: Callable[[ServiceState, Call], Response]
    open: bool = False


def _refuse_path(_state: ServiceState, call: Call) -> Response:
    raise Refused(404, f"Cannot {call.request.method} {call.request.path}")


_SUBMIT = _Endpoint(name="submit", answer=submit_generation)
_POLL = _Endpoint(name="poll", answer=poll_generation)
_DOWNLOAD = _Endpoint(name="download", answer=download_video, open=True)
_MODEL = _Endpoint(name="model", answer=read_model, open=True)
_NOT_FOUND = _Endpoint(name="not-found", answer=_refuse_path, open=True)
_ENDPOINTS: Mapping[tuple[str, str], _Endpoint] = MappingProxyType(
    {
        ("POST", PATH): _SUBMIT,
        ("GET", PATH): _POLL,
        ("POST", LEGACY_PATH): _SUBMIT,
        ("GET", LEGACY_PATH): _POLL,
        ("GET", "/v2/logs"): _Endpoint(name="logs", answer=read_usage_log),
        ("GET", "/v2/billing"): _Endpoint(name="billing", answer=read_balance),
        ("GET", "/v2/billing/transactions"): _Endpoint(name="transactions", answer=list_transactions),
        ("GET", "/v1/models"): _Endpoint(name="models", answer=list_models, open=True),
        ("GET", "/v1/models/deprecations"): _Endpoint(name="deprecations", answer=list_deprecations, open=True),
        ("GET", DOCUMENT_PATH): _Endpoint(name="document", answer=read_document, open=True),
        ("GET", "/models/metrics"): _Endpoint(name="metrics", answer=list_metrics, open=True),
    }
)


class UnknownModel(ValueError):
    """The settings retire a model that the catalogue does not have."""


class Service:
    """A sandbox. Nothing in it runs by itself: every answer follows from the accepted requests and the clock.

    ``clock`` gives seconds since the epoch. With a ``journal`` the service outlives its process: a new one on the
    same file knows every request. ``catalog`` has the models that it serves. Raises ``UnknownModel`` if one that
    the settings retire is not among them.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Callable[[], float] = time.time,
        journal: Path | None = None,
        catalog: Catalog = MODELS,
    ) -> None:
        self.settings = settings or Settings()
        self._clock = clock
        self._state = open_state(self.settings, now=clock(), journal=journal, catalog=catalog)
        if unknown := [name for name in self.settings.retired if name not in catalog]:
            raise UnknownModel(f"no such model: {', '.join(unknown)}")

    def handle(self, request: Request) -> Response:
        """Answer a request at once; ``delivery`` of the answer says what the transport does to it."""
        endpoint = _find_endpoint(request)
        call = self._make_call(endpoint, request)
        try:
            self._authorize(endpoint, call)
            answer = endpoint.answer(self._state, call)
        except Refused as refused:
            answer = call.refuse(refused)
        return self._complete_answer(answer)

    @property
    def generations(self) -> Sequence[Generation]:
        """Every generation, oldest first."""
        made = [generation for account in self._accounts for generation in tuple(account.generations.values())]
        return tuple(sorted(made, key=lambda generation: generation.ordinal))

    @property
    def calls(self) -> Counter[str]:
        """How often each endpoint was called in this process.

        Names: submit, poll, download, logs, billing, transactions, models, model, document,
        deprecations, metrics, not-found.
        """
        return self._state.calls

    @property
    def leaks(self) -> Sequence[str]:
        """The paths of downloads that came with an Authorization header."""
        return tuple(self._state.leaks)

    @property
    def peak_in_flight(self) -> int:
        """The most generations that were ever in flight at once."""
        return self._state.peak_in_flight

    def charges(self) -> Sequence[Charge]:
        """Every charge so far, oldest first."""
        made = [charge for account in self._accounts for charge in account.list_charges(self._clock())]
        return tuple(sorted(made, key=lambda charge: charge.at))

    def requests(self) -> Sequence[LoggedRequest]:
        """Every submit that the usage log has, or will have, oldest first."""
        return tuple(self._state.requests)

    def video(self, generation_id: str) -> bytes:
        """The video of a generation; raises ``KeyError`` if there is no such generation."""
        for account in self._accounts:
            if generation_id in account.generations:
                return read_video(self.settings, account.generations[generation_id])
        raise KeyError(generation_id)

    def account(self, key: str = "") -> Account:
        """The account that an API key belongs to: its own with ``per_key``, otherwise the one that all share."""
        return self._state.open_account(self._state.name_owner(key))

    @property
    def _accounts(self) -> Sequence[Account]:
        # copied at once, as its generations are: a server in another thread may add one
        return tuple(self._state.accounts.values())

    def _make_call(self, endpoint: _Endpoint, request: Request) -> Call:
        state, name = self._state, endpoint.name
        # every call counts, also a refused one: what happens to the n-th submit follows from the seed and n alone;
        # the submits of earlier processes count too, or a restarted sandbox would give out their ids again
        ordinal = state.calls[name] + (state.earlier_submits if endpoint is _SUBMIT else 0)
        state.calls[name] += 1
        return Call(
            name=name,
            request=request,
            now=self._clock(),
            ordinal=ordinal,
            id=state.ids.draw_hex("request", name, ordinal),
            owner=state.name_owner(_read_key(request)) if not endpoint.open else "",
        )

    def _authorize(self, endpoint: _Endpoint, call: Call) -> None:
        if endpoint.open:
            return
        key = _read_key(call.request)
        known = bool(key) if self.settings.key is None else key == self.settings.key
        if not known or self._state.faults.has_fault("401", call.name, call.ordinal):
            raise Refused(401, _WRONG_KEY)

    def _complete_answer(self, answer: Response) -> Response:
        # an answer without its length must stay without: the fault endless-body relies on it
        announced = {} if "transfer-encoding" in answer.headers else {"content-length": str(len(answer.body))}
        headers = {**announced, **answer.headers}
        delay = answer.delivery.delay + self.settings.latency
        return replace(answer, headers=headers, delivery=replace(answer.delivery, delay=delay))


def _read_key(request: Request) -> str:
    """The API key of a request; empty if it has none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _find_endpoint(request: Request) -> _Endpoint:
    if request.path.startswith(FILES_PREFIX) and request.method in ("GET", "HEAD"):
        return _DOWNLOAD
    if request.path.startswith(MODEL_PREFIX) and request.method == "GET":
        return _MODEL
    return _ENDPOINTS.get((request.method, request.path), _NOT_FOUND)
