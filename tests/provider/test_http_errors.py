"""httpx's exceptions become ours at one boundary; none is unmapped."""

from __future__ import annotations

import inspect

import httpx
import pytest

from batchveo.core.outcomes import PollError, RejectedTemporarily, SubmitUncertain
from batchveo.provider.call_outcomes import NEVER_SENT, interpret_poll_error, interpret_submit_error


def leaves(kind: type[Exception]) -> list[type[Exception]]:
    found = [leaf for sub in kind.__subclasses__() for leaf in leaves(sub)]
    return found or [kind]


ALL = sorted(leaves(httpx.HTTPError), key=lambda kind: kind.__name__)


def made(kind: type[Exception]) -> Exception:
    arguments: dict[str, object] = {}
    for name in inspect.signature(kind).parameters:
        arguments[name] = {"request": httpx.Request("POST", "https://x"), "response": httpx.Response(500)}.get(
            name, "why"
        )
    arguments.pop("kwargs", None)
    arguments.pop("args", None)
    return kind(**arguments)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_failed_submit_is_lost_unless_it_never_left(kind: type[Exception]) -> None:
    """Every exception that httpx may raise."""
    outcome = interpret_submit_error(made(kind))
    assert isinstance(outcome, RejectedTemporarily if issubclass(kind, NEVER_SENT) else SubmitUncertain)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_failed_poll_passes(kind: type[Exception]) -> None:
    """Asking again costs nothing."""
    assert isinstance(interpret_poll_error(made(kind)), PollError)
