"""Several keys as several accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.manual_sandbox import PATH, Desk

ONE = {"authorization": "Bearer sk-one"}
TWO = {"authorization": "Bearer sk-two"}


def statuses(desk: Desk, headers: dict[str, str], times: int) -> list[int]:
    return [desk.post(headers=headers).status for _ in range(times)]


def rows(desk: Desk, path: str, headers: dict[str, str], *query: tuple[str, object]) -> list[Any]:
    return list(desk.get(path, *query, headers=headers).json()["data"])


def test_each_key_has_its_own_concurrency() -> None:
    """One at its limit does not slow another; the peaks are told apart."""
    desk = Desk(per_key=True, concurrency=2)
    assert statuses(desk, ONE, 3) == [201, 201, 429]
    assert statuses(desk, TWO, 1) == [201]
    peaks = [desk.service.account(key).peak_in_flight for key in ("sk-one", "sk-two")]
    assert (peaks, desk.service.peak_in_flight) == ([2, 1], 3)


def test_each_key_has_its_own_rate() -> None:
    """Of submits, and of calls of the usage log."""
    desk = Desk(per_key=True, rate_per_minute=1, log_calls_per_minute=1)
    assert statuses(desk, ONE, 2) + statuses(desk, TWO, 2) == [201, 429, 201, 429]
    asked = [desk.get("/v2/logs", ("period", "1h"), headers=who).status for who in (ONE, ONE, TWO)]
    assert asked == [200, 429, 200]


def test_each_key_has_its_own_balance() -> None:
    """An empty account leaves the others alone."""
    desk = Desk(per_key=True, balance=2.0)
    first = statuses(desk, ONE, 5)
    assert 403 in first
    assert statuses(desk, TWO, 1) == [201]
    desk.now += 100.0
    balances = [desk.get("/v2/billing", headers=who).json()["current_balance"] for who in (ONE, TWO)]
    assert balances[0] < balances[1] < 2.0


def test_what_one_key_bought_another_does_not_see() -> None:
    """Neither by polling, nor in the log, nor in the ledger; the video itself asks for no key."""
    desk = Desk(per_key=True, log_lag=0.0)
    bought = desk.post(headers=ONE).json()["id"]
    desk.now += 20.0
    polls = [desk.get(PATH, ("generation_id", bought), headers=who) for who in (ONE, TWO)]
    assert [answer.status for answer in polls] == [200, 404]
    for path, query in (("/v2/logs", [("period", "1h")]), ("/v2/billing/transactions", [("type", "MODEL_USAGE")])):
        assert [len(rows(desk, path, who, *query)) for who in (ONE, TWO)] == [1, 0]
    video = polls[0].json()["video"]["url"].removeprefix("http://sandbox.invalid")
    assert desk.download(video).status == 200
    assert len(desk.service.generations) == len(desk.service.charges()) == len(desk.service.requests()) == 1
    assert desk.service.video(bought)
    with pytest.raises(KeyError):
        desk.service.video("f_X_unknown")


def test_without_it_all_keys_share_one_account() -> None:
    """As it always was."""
    desk = Desk(concurrency=2)
    assert statuses(desk, ONE, 1) + statuses(desk, TWO, 2) == [201, 201, 429]
    assert desk.service.account("sk-one") is desk.service.account("sk-two")


def test_a_journal_knows_whose_it_was_and_no_key(tmp_path: Path) -> None:
    """A restarted sandbox serves each key what was its own."""
    journal = tmp_path / "journal.jsonl"
    bought = Desk(journal, per_key=True).post(headers=ONE).json()["id"]
    assert "sk-one" not in journal.read_text()
    again = Desk(journal, per_key=True)
    asked = [again.get(PATH, ("generation_id", bought), headers=who).status for who in (ONE, TWO)]
    assert asked == [200, 404]
