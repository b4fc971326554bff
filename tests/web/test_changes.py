"""Changes of many jobs at once, of prompts and takes: counted, priced, and checked again when they are made."""

from __future__ import annotations

import time

import pytest

from batchveo.core.models import JobState
from batchveo.core.state_machine import Move
from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.web.conftest import Client, Night


@pytest.mark.exhaustive
def test_ten_thousand_selected_jobs_are_cancelled(client: Client, night: Night) -> None:
    """Whatever is no longer pending is left alone, if the person was told so."""
    night.add(*(make_spec(f"take {number}") for number in range(10_000)))
    ids = [row[0] for row in client.get("/api/ids?most=100000").json()["jobs"]]
    assert len(ids) == 10_006
    told = client.post("/api/preview", {"act": "cancel", "jobs": ids}).json()
    assert (told["jobs"], told["others"]) == (10_001, 5)
    late = client.post("/api/cancel", {"jobs": ids, "expected": "other"})
    assert (late.status_code, "10,001 jobs by now" in late.json()["error"]) == (409, True)
    assert client.post("/api/cancel", {"jobs": ids, "expected": told["expected"]}).json() == {"done": 10_001}


@pytest.mark.parametrize(
    ("act", "eligible"), [("retry", 2), ("cancel", 1), ("resolve", 1)], ids=["retry", "cancel", "resolve"]
)
def test_what_cannot_be_changed_is_never_changed_with_the_others(
    client: Client, night: Night, act: str, eligible: int
) -> None:
    """The server looks at each job again."""
    ids = [night.named(name).id for name in night.states() if "<" not in name]
    body = {"act": act, "jobs": ids, "how": "fail"}
    told = client.post("/api/preview", body).json()
    assert told["jobs"] == eligible
    body["expected"] = told["expected"]
    assert client.post(f"/api/{act}", body).json() == {"done": eligible}
    assert client.post(f"/api/{act}", body).status_code == 409


def test_as_many_others_are_not_those_that_were_asked_about(client: Client, night: Night) -> None:
    """One became pending, and another one failed meanwhile: their number is the same."""
    jobs = {"jobs": [night.named(name).id for name in ("refused 1", "waiting")]}
    told = client.post("/api/preview", {"act": "retry", **jobs}).json()
    assert client.post("/api/retry", {"jobs": [night.named("refused 1").id]}).status_code == 200
    client.post("/api/cancel", {"jobs": [night.named("waiting").id]})
    assert client.post("/api/preview", {"act": "retry", **jobs}).json()["jobs"] == told["jobs"]
    assert client.post("/api/retry", {**jobs, "expected": told["expected"]}).status_code == 409
    assert night.states()["waiting"] == "cancelled"


def test_a_job_that_failed_once_more_is_not_retried_by_an_old_question(client: Client, night: Night) -> None:
    """The page of another tab has retried it: a run bought it again meanwhile."""
    night.cancel_pending()
    old = night.named("refused 1")
    body = {"jobs": [old.id], "seen": {"state": "failed", "request": old.client_request_id}}
    told = client.post("/api/preview", {"act": "retry", "jobs": [old.id]}).json()
    assert client.post("/api/retry", body).json() == {"done": 1}
    with Store(night.path) as store:
        job = store.transitions.claim_job(run=night.run, now=time.time() + 1.0)
        assert job is not None
        failed = Move(to=JobState.FAILED, set={"error": "again", "finished_at": time.time()})
        store.transitions.apply_move(job, failed, run=night.run, now=time.time())
    assert client.post("/api/retry", body).status_code == 409
    assert client.post("/api/retry", {"jobs": [old.id], "expected": told["expected"]}).status_code == 409
    assert night.states()["refused 1"] == "failed"


def test_takes_that_two_tabs_ask_for_are_added_once(client: Client, night: Night) -> None:
    wanted = {"jobs": [night.named("fox").id], "takes": 3}
    told = client.post("/api/preview", {"act": "takes", **wanted}).json()
    answers = [client.post("/api/takes", {**wanted, "expected": told["expected"]}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert sum(name.startswith("fox-take") for name in night.states()) == 3


@pytest.mark.parametrize("act", ["", "delete", None, 7])
def test_an_odd_act_is_refused(client: Client, night: Night, act: object) -> None:
    assert client.post("/api/preview", {"act": act, "jobs": [night.named("fox").id]}).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("reprompt", {"job": "x", "prompt": "y"}, 404),
        ("reprompt", {"job": "fox", "prompt": " "}, 400),
        ("reprompt", {"job": "fox", "prompt": 7}, 400),
        ("reprompt", {"job": "fox", "prompt": "y"}, 409),
        ("reprompt", {"job": "refused 1", "prompt": "y", "seen": {"state": "pending", "request": None}}, 409),
        ("takes", {"jobs": ["fox"], "takes": "3", "expected": 3}, 400),
        ("takes", {"jobs": ["fox"], "takes": 3, "expected": 2}, 409),
        ("takes", {"jobs": ["fox"], "takes": 1_000, "expected": 1_000}, 409),
    ],
)
def test_what_is_wrong_adds_no_job(
    client: Client, night: Night, path: str, body: dict[str, object], status: int
) -> None:
    named = {name: night.named(name).id for name in ("fox", "refused 1")}
    before = night.states()
    if "job" in body:
        body = {**body, "job": named.get(str(body["job"]), body["job"])}
    if "jobs" in body:
        body = {**body, "jobs": [named["fox"]]}
    answer = client.post(f"/api/{path}", body)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
    assert night.states() == before
