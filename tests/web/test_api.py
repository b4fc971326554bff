"""The JSON API: what the page shows, and retry, cancel and resolve by the rules of the commands."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from batchveo.store import Store
from tests.helpers.factories import make_spec
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
        ("retry", {"jobs": [["x"]]}, 400),
        ("retry", {"jobs": ["x"] * 100_001}, 400),
        ("preview", {"jobs": ["x"], "act": "retry"}, 404),
        ("list", {"jobs": ["x"]}, 404),
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
    assert (answer.status_code, answer.json()["error"]) == (404, "there is no such job")


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


def names(client: Client, query: str = "") -> list[str]:
    return [job["name"] for job in client.get(f"/api/jobs{query}").json()["jobs"]]


def test_pages_follow_each_other(client: Client) -> None:
    """By position, in every order; each page says how many jobs there are."""
    first = client.get("/api/jobs?most=4").json()
    second = client.get("/api/jobs?most=4&at=4").json()
    assert (len(first["jobs"]), first["matching"], first["at"]) == (4, 6, 0)
    assert ([job["name"] for job in second["jobs"]], second["matching"]) == (["doubtful", "waiting"], 6)
    assert names(client, "?order=newest&most=2") == ["waiting", "doubtful"]
    assert names(client, "?order=newest&most=2&at=4") == names(client, "?most=2")[::-1]
    assert names(client, "?at=6") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=failed", ["refused 1", "refused 2"]),
        ("state=pending&state=in_doubt", ["doubtful", "waiting"]),
        ("model=google/veo2", ["refused 2"]),
        ("split=train", ["fox"]),
        ("manifest=none.yaml", []),
        ("q=FOX", ["fox"]),
        ("q=small+12", ["refused 1"]),
        ("q=%25", []),
        ("state=failed&q=2.png", ["refused 2"]),
    ],
)
def test_filters_and_search(client: Client, query: str, found: list[str]) -> None:
    """Each narrows what is shown; signs that SQL knows are text."""
    assert names(client, f"?{query}") == found


def test_a_search_knows_every_script(client: Client, night: Night) -> None:
    """In any case."""
    night.add(make_spec("ÉTÉ à la mer"), make_spec("海辺の夕暮れ"))
    assert names(client, "?q=été") == ["ÉTÉ à la mer"]
    assert names(client, "?q=夕暮") == ["海辺の夕暮れ"]


@pytest.mark.parametrize(
    "query", ["state=odd", "at=x", "at=-1", "most=1e9", "at=" + "9" * 40, "order=odd", "upto=x", "upto=nan"]
)
def test_odd_questions_are_refused(client: Client, query: str) -> None:
    """In words, as JSON."""
    answer = client.get(f"/api/jobs?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_job_tells_its_whole_history(client: Client, night: Night) -> None:
    """The request as sent, each attempt with its request id, each move, the file with its hash."""
    job = night.named("fox")
    told = client.get(f"/api/jobs/{job.id}").json()
    assert told["request"] == dict(job.request)
    assert [event["to_state"] for event in told["events"]] == [
        "submitting",
        "generating",
        "downloading",
        "succeeded",
    ]
    assert told["attempts"][0]["client_request_id"] == job.client_request_id
    assert (told["sha256"], told["file"]) == (job.sha256, str(night.videos / "fox.mp4"))
    assert client.get("/api/jobs/nobody").status_code == 404


def test_progress_tells_what_changed(client: Client, night: Night) -> None:
    """Since the last time it was asked, as cards."""
    first = client.get("/api/progress").json()
    assert (first["total"], first["counts"]["failed"], first["changed"]) == (6, 2, [])
    night.fail("no")
    second = client.get(f"/api/progress?since={first['cursor']}").json()
    assert [(job["name"], job["state"]) for job in second["changed"]] == [("waiting", "failed")]
    assert client.get(f"/api/progress?since={second['cursor']}").json()["changed"] == []


def test_too_many_changes_are_only_announced(client: Client, night: Night) -> None:
    """Whoever asks looks anew."""
    night.add(*(make_spec(f"more {number}") for number in range(205)))
    with Store(night.path) as store, store.connection.sharing():
        for job in list(store.jobs()):
            if job.state.value == "pending":
                store.manual.cancel_job(job, now=3.0)
    told = client.get("/api/progress?since=0").json()
    assert (told["many"], told["changed"]) == (True, [])


def test_failures_come_by_cause(client: Client) -> None:
    """What differs only in numbers and addresses is one."""
    (cause,) = client.get("/api/failures").json()["causes"]
    assert (cause["jobs"], cause["cause"]) == (2, "the picture at URL is too small: N pixels")
    assert (cause["example_name"], cause["models"]) == ("refused 1", {"google/veo3": 1, "google/veo2": 1})


def test_choices(client: Client) -> None:
    """What there is to filter by, the commonest first."""
    choices = client.get("/api/choices").json()
    assert choices["models"] == [{"value": "google/veo3", "jobs": 5}, {"value": "google/veo2", "jobs": 1}]
    assert choices["splits"] == [{"value": "train", "jobs": 1}]


def test_an_answer_has_what_was_written_since_the_last_one(client: Client, night: Night) -> None:
    """By a run, or by a person."""
    assert names(client, "?q=latest") == []
    night.add(make_spec("the latest", meta={"split": "new"}))
    assert names(client, "?q=latest") == ["the latest"]
    assert {"value": "new", "jobs": 1} in client.get("/api/choices").json()["splits"]
    with Store(night.path) as store:
        store.manual.cancel_job(night.named("the latest"), now=2.0)
    assert client.get("/api/jobs?q=latest").json()["counts"]["state"] == {"cancelled": 1}
    assert names(client, "?q=latest&state=pending") == []


def test_half_characters_do_not_break_an_answer(client: Client, night: Night) -> None:
    """JSON can say what UTF-8 cannot."""
    broken = json.loads('"half \\ud83d of a face"')
    night.add(make_spec("broken"))
    columns = {"request": json.dumps({"prompt": broken}), "meta": json.dumps({"split": broken})}
    with closing(sqlite3.connect(night.path)) as state, state:
        state.execute("UPDATE jobs SET request = :request, meta = :meta WHERE name = 'broken'", columns)
    assert "broken" in names(client)
    assert names(client, "?q=of+a+face") == ["broken"]
    job = client.get(f"/api/jobs/{night.named('broken').id}")
    assert job.json()["request"]["prompt"] == broken
    assert client.get("/api/choices").json()["splits"][-1]["value"] == broken


def test_charts_are_served(client: Client) -> None:
    """As data for the page's scripts."""
    assert client.get("/api/charts").json()["night"]["runs"] == 1


def test_the_key_and_the_video_urls_stay_within(client: Client, night: Night) -> None:
    """Addresses of videos carry their own right to be fetched."""
    assert "cdn.example" not in client.get(f"/api/jobs/{night.named('fox').id}").text
