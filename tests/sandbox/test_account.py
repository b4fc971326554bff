"""Several keys as several accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.sandbox_client import PATH, SandboxClient, read_json

ONE = {"authorization": "Bearer sk-one"}
TWO = {"authorization": "Bearer sk-two"}


def statuses(sandbox: SandboxClient, headers: dict[str, str], times: int) -> list[int]:
    return [sandbox.post(headers=headers).status for _ in range(times)]


def rows(
    sandbox: SandboxClient, path: str, headers: dict[str, str], *query: tuple[str, object]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_json(sandbox.get(path, *query, headers=headers))["data"]
    return found


def test_each_key_has_its_own_concurrency() -> None:
    """One at its limit does not slow another; the peaks are told apart."""
    sandbox = SandboxClient(per_key=True, concurrency=2)
    assert statuses(sandbox, ONE, 3) == [201, 201, 429]
    assert statuses(sandbox, TWO, 1) == [201]
    peaks = [sandbox.service.account(key).peak_in_flight for key in ("sk-one", "sk-two")]
    assert (peaks, sandbox.service.peak_in_flight) == ([2, 1], 3)


def test_each_key_has_its_own_rate() -> None:
    """Of submits, and of calls of the usage log."""
    sandbox = SandboxClient(per_key=True, rate_per_minute=1, log_calls_per_minute=1)
    assert statuses(sandbox, ONE, 2) + statuses(sandbox, TWO, 2) == [201, 429, 201, 429]
    asked = [sandbox.get("/v2/logs", ("period", "1h"), headers=who).status for who in (ONE, ONE, TWO)]
    assert asked == [200, 429, 200]


def test_each_key_has_its_own_balance() -> None:
    """An empty account leaves the others alone."""
    sandbox = SandboxClient(per_key=True, balance=2.0)
    first = statuses(sandbox, ONE, 5)
    assert 403 in first
    assert statuses(sandbox, TWO, 1) == [201]
    sandbox.now += 100.0
    balances = [read_json(sandbox.get("/v2/billing", headers=who))["current_balance"] for who in (ONE, TWO)]
    assert balances[0] < balances[1] < 2.0


def test_what_one_key_bought_another_does_not_see() -> None:
    """Neither by polling, nor in the log, nor in the ledger; the video itself asks for no key."""
    sandbox = SandboxClient(per_key=True, log_lag=0.0)
    bought = str(sandbox.post(headers=ONE).json()["id"])
    sandbox.now += 20.0
    polls = [sandbox.get(PATH, ("generation_id", bought), headers=who) for who in (ONE, TWO)]
    assert [answer.status for answer in polls] == [200, 404]
    for path, query in (("/v2/logs", [("period", "1h")]), ("/v2/billing/transactions", [("type", "MODEL_USAGE")])):
        assert [len(rows(sandbox, path, who, *query)) for who in (ONE, TWO)] == [1, 0]
    video = read_json(polls[0])["video"]["url"].removeprefix("http://sandbox.invalid")
    assert sandbox.download(video).status == 200
    assert len(sandbox.service.generations) == len(sandbox.service.charges()) == len(sandbox.service.requests()) == 1
    assert sandbox.service.video(bought)
    with pytest.raises(KeyError):
        sandbox.service.video("f_X_unknown")


def test_without_it_all_keys_share_one_account() -> None:
    """As it always was."""
    sandbox = SandboxClient(concurrency=2)
    assert statuses(sandbox, ONE, 1) + statuses(sandbox, TWO, 2) == [201, 201, 429]
    assert sandbox.service.account("sk-one") is sandbox.service.account("sk-two")


def test_a_journal_knows_whose_it_was_and_no_key(tmp_path: Path) -> None:
    """A restarted sandbox serves each key what was its own."""
    journal = tmp_path / "journal.jsonl"
    bought = SandboxClient(journal, per_key=True).post(headers=ONE).json()["id"]
    assert "sk-one" not in journal.read_text()
    again = SandboxClient(journal, per_key=True)
    asked = [again.get(PATH, ("generation_id", bought), headers=who).status for who in (ONE, TWO)]
    assert asked == [200, 404]
