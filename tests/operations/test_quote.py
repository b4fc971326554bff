"""The money of several keys, together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import httpx
import pytest

from batchveo.operations.quote import BALANCE_SECONDS, Balance, fetch_balances, open_if_exists
from batchveo.provider import ApiClient, ApiKey
from tests.helpers.virtual_run import BASE_URL

pytestmark = pytest.mark.anyio

SLOW = -1.0


async def asked(balances: Mapping[str, float | None]) -> Balance:
    """What is made of the balance of each key; ``None`` is a key that is refused."""

    async def answer(request: httpx.Request) -> httpx.Response:
        usd = balances[request.headers["authorization"].removeprefix("Bearer sk-").removesuffix(".")]
        if usd == SLOW:
            await anyio.sleep(10 * BALANCE_SECONDS)
        return (
            httpx.Response(401, json={"message": "no"})
            if usd is None
            else httpx.Response(200, json={"current_balance": usd})
        )

    async with AsyncExitStack() as stack:
        opened = {
            label: await stack.enter_async_context(
                ApiClient(ApiKey(f"sk-{label}."), base_url=BASE_URL, transport=httpx.MockTransport(answer))
            )
            for label in balances
        }
        return await fetch_balances(opened)


async def test_balances_add_up() -> None:
    """Each is told, and their sum."""
    told = await asked({"a": 5.0, "b": 7.5})
    assert (told.usd, dict(told.by_key), list(told.notes)) == (12.5, {"a": 5.0, "b": 7.5}, [])


async def test_keys_of_one_account_count_once() -> None:
    """Money that is counted twice is not there; the assumption is said."""
    told = await asked({"a": 5.0, "b": 5.0, "c": 1.0})
    assert told.usd == 6.0
    assert list(told.notes) == ["the same balance with 'a', 'b': taken for one account, and counted once"]
    assert not (await asked({"a": 0.0, "b": 0.0})).notes


async def test_a_key_that_does_not_tell_counts_as_nothing() -> None:
    """And is named; where none tells, nothing is known."""
    told = await asked({"a": None, "b": 5.0})
    assert told.usd == 5.0
    assert "key 'a'" in told.notes[0]
    assert (await asked({"": None})).usd is None


async def test_nobody_waits_for_ever() -> None:
    """All keys share one deadline."""
    with anyio.fail_after(2 * BALANCE_SECONDS):
        told = await asked({"a": 5.0, "b": SLOW, "c": 1.0})
    assert told.usd == 5.0
    assert list(told.notes) == ["no balance: no answer in time"]


async def test_without_a_key_nobody_is_asked() -> None:
    """There is no account to ask for."""
    assert await fetch_balances({}, has_key=False) == Balance(notes=["no API key, so no balance"])


def test_an_empty_file_is_no_database(tmp_path: Path) -> None:
    """A plan, or a question that is declined, leaves it as it is."""
    state = tmp_path / "batchveo.db"
    state.touch()
    with open_if_exists(state) as store:
        assert store is None
    assert state.stat().st_size == 0
