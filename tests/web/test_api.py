"""Retry, cancel and resolve from the page: the commands' rules."""

from __future__ import annotations

import pytest

from batchveo.store import Store
from tests.web.conftest import Client, Night


def test_retry_one_and_all_of_a_cause(client: Client, night: Night) -> None:
    """By id, or by what they failed for."""
    one = client.post("/api/retry", {"jobs": [night.named("refused 1").id]})
    assert (one.json(), night.states()["refused 1"]) == ({"done": 1}, "pending")
    (cause,) = client.get("/api/failures").json()["causes"]
    assert client.post("/api/retry", {"cause": cause["cause"]}).json() == {"done": 1}
    assert night.states()["refused 2"] == "pending"


def test_cancel(client: Client, night: Night) -> None:
    """What is pending only."""
    assert client.post("/api/cancel", {"jobs": [night.named("waiting").id]}).json() == {"done": 1}
    assert night.states()["waiting"] == "cancelled"
    wrong = client.post("/api/cancel", {"jobs": [night.named("fox").id]})
    assert (wrong.status_code, wrong.json()["error"]) == (409, "'fox' is succeeded, not pending")


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"how": "resubmit"}, "pending"),
        ({"how": "fail"}, "failed"),
        ({"how": "generation", "generation_id": " gen-9 "}, "generating"),
    ],
)
def test_resolve(client: Client, night: Night, body: dict[str, str], state: str) -> None:
    """The three ways out of a doubt."""
    job = night.named("doubtful")
    assert client.post("/api/resolve", {"jobs": [job.id], **body}).json() == {"done": 1}
    assert night.states()["doubtful"] == state
    if state == "generating":
        assert night.named("doubtful").generation_id == "gen-9"


@pytest.mark.parametrize("how", ["resubmit", "fail"])
def test_an_old_question_is_not_about_what_came_since(client: Client, night: Night, how: str) -> None:
    """A doubt that was asked about is found by the run, or is another one by now: nothing is paid for or lost."""
    job = night.named("doubtful")
    seen = {"state": "in_doubt", "request": job.client_request_id}
    other = client.post("/api/resolve", {"jobs": [job.id], "how": how, "seen": {**seen, "request": "older"}})
    assert (other.status_code, night.states()["doubtful"]) == (409, "in_doubt")
    with Store(night.path) as store:
        store.manual.adopt_generation(job, "gen-7", now=9.0)
    late = client.post("/api/resolve", {"jobs": [job.id], "how": how, "seen": seen})
    assert (late.status_code, night.states()["doubtful"]) == (409, "generating")
    found = {"state": "generating", "request": job.client_request_id}
    assert client.post("/api/resolve", {"jobs": [job.id], "how": "fail", "seen": found}).json() == {"done": 1}


def test_a_generation_of_another_job_is_refused(client: Client, night: Night) -> None:
    """Two jobs never share one."""
    taken = night.named("fox").generation_id
    body = {"jobs": [night.named("doubtful").id], "how": "generation", "generation_id": taken}
    assert client.post("/api/resolve", body).status_code == 409
    assert night.states()["doubtful"] == "in_doubt"


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("retry", {}, 400),
        ("retry", {"jobs": []}, 400),
        ("retry", {"jobs": "all"}, 400),
        ("retry", {"jobs": [["x"]]}, 404),
        ("retry", [], 400),
        ("resolve", {"jobs": ["x"], "how": "resubmit"}, 404),
        ("cancel", {"cause": 1}, 400),
    ],
)
def test_odd_bodies_change_nothing(client: Client, night: Night, verb: str, body: object, status: int) -> None:
    """And are told what is wrong."""
    before = night.states()
    answer = client.post(f"/api/{verb}", body)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
    assert night.states() == before


def test_half_a_character_is_no_id(client: Client) -> None:
    """JSON can hold one, the state cannot."""
    headers = {**client.trusted, "content-type": "application/json"}
    answer = client("POST", "/api/retry", content=rb'{"jobs": ["\ud800"]}', headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "half a character is in it")


def test_an_odd_way_to_resolve_is_refused(client: Client, night: Night) -> None:
    """Nothing is guessed where money is."""
    for how in ({}, {"how": "maybe"}, {"how": "generation"}, {"how": "generation", "generation_id": " "}):
        body = {"jobs": [night.named("doubtful").id], **how}
        assert client.post("/api/resolve", body).status_code == 400
    assert night.states()["doubtful"] == "in_doubt"


def test_a_body_without_end_is_cut_off(client: Client) -> None:
    """It is not read to its end."""
    assert client.post("/api/retry", {"jobs": ["x" * 5_000_000]}).status_code == 413


def test_it_is_safe_beside_a_run(client: Client, night: Night) -> None:
    """A run holds the state; what it has claimed in the meantime is left to it."""
    with Store(night.path) as running:
        running.runs.acquire_lock()
        waiting = night.named("waiting")
        assert running.transitions.claim_job(run=night.run, now=3.0) is not None
        assert client.post("/api/cancel", {"jobs": [waiting.id]}).status_code == 409
        assert client.post("/api/retry", {"jobs": [night.named("refused 1").id]}).json() == {"done": 1}
    assert night.states()["waiting"] == "submitting"
