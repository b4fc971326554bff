"""What the page asks of groups of takes, votes and the comparison, and what the server answers."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from batchveo.core.gates import Judgement, Verdict
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job
from batchveo.core.votes import Vote, VoteKind
from batchveo.media.near_copies import group_near_copies
from batchveo.store import Store
from batchveo.web import near_copies
from batchveo.web.app import make_app
from batchveo.web.near_copies import follow_near_copies
from batchveo.web.security import Secrets
from tests.helpers.chains import make_chain
from tests.helpers.factories import make_spec
from tests.web.conftest import Client, Night


@pytest.fixture
def night(tmp_path: Any) -> Night:
    """Two prompts with two seeds each, all clips finished."""
    made = Night(tmp_path)
    for prompt in ("fox", "owl"):
        for seed in (1, 2):
            request = {"model": "google/veo3", "prompt": prompt, "seed": seed}
            made.add(make_spec(f"{prompt}-{seed}", request=request, meta={"style": "ink" if seed == 1 else "noir"}))
            made.succeed()
    return made


def group(client: Client, **query: str) -> dict[str, Any]:
    answer = client.get("/api/groups", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [job["name"] for job in found["group"]["jobs"]]


def act(client: Client, job: Job, other: Job | None = None, /, **changes: Any) -> Any:
    shown = [job.id] if other is None else [other.id, job.id]
    body = {"kind": "pick", "person": "ann", "job": job.id, "shown": shown, "blind": False, **changes}
    return client.post("/api/vote", body | ({} if other is None else {"other": other.id}))


def test_a_vote_names_what_was_bought_with_another_take(client: Client, night: Night) -> None:
    """And the command that makes it anew; more takes name what stays."""
    night.add(*make_chain(2, "sea"))
    first = night.succeed()
    with Store(night.path) as store:
        (link,) = store.links.list_open_links(first.seq)
        store.links.fill_frame(link, first, b"png", run=None, now=3.0)
    assert act(client, first).json()["notes"] == []
    night.succeed()
    (note,) = act(client, first, kind="reject").json()["notes"]
    assert "1 job stays as it is, made from another take" in note
    assert "--with-children" in note
    wanted = {"jobs": [first.id], "takes": 1}
    told = client.post("/api/preview", {"act": "takes", **wanted}).json()
    (note,) = client.post("/api/takes", {**wanted, "expected": told["expected"]}).json()["notes"]
    assert "1 job stays as it is, made from the video before" in note


def test_groups_follow_each_other_and_the_next_open_one_is_shown_first(client: Client, night: Night) -> None:
    """What one person has chosen is open for another."""
    found = group(client, person="ann")
    assert (names(found), found["groups"], found["chosen"], found["at"]) == (["fox-1", "fox-2"], 2, 0, 0)
    assert (found["previous"], found["next"], found["open"]) == (None, night.named("owl-1").id, night.named("owl-1").id)
    assert act(client, night.named("fox-2")).status_code == 200
    found = group(client, person="ann")
    assert (names(found), found["chosen"], found["at"], found["open"]) == (["owl-1", "owl-2"], 1, 1, None)
    assert group(client, person="bob")["chosen"] == 0
    back = group(client, person="ann", group=night.named("fox-2").id)
    assert [job["mine"] for job in back["group"]["jobs"]] == [{}, {"choice": "picked"}]


def test_all_rejected_is_a_choice_too(client: Client, night: Night) -> None:
    act(client, night.named("fox-1"), kind="reject")
    assert group(client, person="ann")["chosen"] == 0
    act(client, night.named("fox-2"), kind="reject")
    assert group(client, person="ann")["chosen"] == 1


def test_groups_by_another_axis_and_under_a_condition(client: Client) -> None:
    found = group(client, by="meta.style")
    assert (names(found), found["axes"][-1]) == (["fox-1", "fox-2"], "meta.style")
    assert names(group(client, where='prompt == "owl"')) == ["owl-1", "owl-2"]
    assert group(client, where="seed == 1")["group"] is None
    wrong = client.get("/api/groups", params={"where": "sed == 1"})
    assert (wrong.status_code, wrong.json()["place"]) == (422, 0)
    assert "did you mean seed" in wrong.json()["error"]
    assert client.get("/api/groups", params={"by": "."}).status_code == 422


def test_a_vote_is_recorded_with_what_was_shown(client: Client, night: Night) -> None:
    """In the order on the screen, and whether it was blind."""
    fox, other = night.named("fox-1"), night.named("fox-2")
    assert act(client, fox, other, kind="better", blind=True, person="  Ann  B ").status_code == 200
    assert act(client, fox, kind="rate", rating=4).status_code == 200
    with Store(night.path, writing=False) as store:
        first, second = store.votes.list_votes()
    assert (first.kind, first.job, first.other, first.shown) == (VoteKind.BETTER, 1, 2, (2, 1))
    assert (first.person, first.blind, second.rating, second.blind) == ("Ann B", True, 4, False)
    assert second.at >= first.at > 1e9


def test_undo_takes_back_ones_own_latest_vote(client: Client, night: Night) -> None:
    act(client, night.named("fox-1"))
    act(client, night.named("owl-2"), person="bob")
    undone = client.post("/api/unvote", {"person": "ann"})
    assert undone.json() == {"kind": "pick", "job": night.named("fox-1").id}
    again = client.post("/api/unvote", {"person": "ann"})
    assert (again.status_code, again.json()["error"]) == (409, "there is no vote of ann to undo")


@pytest.mark.parametrize(
    ("changes", "status", "why"),
    [
        ({"kind": "like"}, 400, "no such vote"),
        ({"kind": "rate", "rating": 6}, 400, "1 to 5"),
        ({"kind": "rate", "rating": True}, 400, "1 to 5"),
        ({"kind": "rate"}, 409, "a rating"),
        ({"kind": "better"}, 409, "two clips"),
        ({"person": ""}, 409, "1 to 80"),
        ({"person": "a\u202eb"}, 409, "1 to 80"),
        ({"job": "none"}, 404, "no such job"),
        ({"job": None}, 400, "about a job"),
        ({"shown": "x"}, 400, "shown are ids"),
    ],
)
def test_what_is_no_vote_is_refused(
    client: Client, night: Night, changes: dict[str, Any], status: int, why: str
) -> None:
    answer = act(client, night.named("fox-1"), **changes)
    assert (answer.status_code, why in answer.json()["error"]) == (status, True), answer.text
    with Store(night.path, writing=False) as store:
        assert list(store.votes.list_votes()) == []


def test_a_vote_needs_the_pages_own_secret(client: Client, night: Night) -> None:
    body = {"kind": "pick", "person": "ann", "job": night.named("fox-1").id, "shown": []}
    assert client("POST", "/api/vote", json=body).status_code == 403
    assert client("POST", "/api/unvote", json={"person": "ann"}).status_code == 403


def test_a_database_that_cannot_be_written_says_so(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows groups, and refuses a vote with the reason."""
    keys = Secrets()
    client = Client(make_app(night.path, keys=keys), keys)
    job = night.named("fox-1")

    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("batchveo.store.database.open_for_writing", refuse)
    answer = act(client, job)
    assert (answer.status_code, "Permission denied" in answer.json()["error"]) == (503, True)
    assert group(client)["groups"] == 2


def test_the_comparison_has_the_rows_of_the_command(client: Client, night: Night) -> None:
    act(client, night.named("fox-1"), night.named("fox-2"), kind="better")
    answer = client.get("/api/compare", params={"by": "meta.style"}).json()
    assert answer["axes"] == ["meta.style"]
    assert {row["value"]: (row["clips"], row["comparisons"]) for row in answer["rows"]} == {
        "ink": (2, 1),
        "noir": (2, 1),
    }
    assert client.get("/api/compare").json()["rows"][0]["value"] == "google/veo3"
    assert client.get("/api/compare", params={"by": "modle"}).status_code == 422


def test_a_comparison_that_takes_too_long_is_ended(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchveo.web.choices.COMPARE_SECONDS", -1.0)
    monkeypatch.setattr("batchveo.store.database.STEPS_BETWEEN_LOOKS", 1)
    answer = client.get("/api/compare")
    assert (answer.status_code, "takes longer" in answer.json()["error"]) == (422, True)


def test_a_job_has_its_measures_verdicts_votes_and_near_copies(client: Client, night: Night) -> None:
    """And so have the takes of a group, those that look the same among them."""
    fox, other = night.named("fox-1"), night.named("fox-2")
    hashes = tuple(range(1000, 9000, 1000))
    with Store(night.path) as store:
        for job in (fox, other):
            measured = Measures(level=CheckLevel.BASIC, black_seconds=1.5, has_sound=True, hashes=hashes)
            store.facts.record_measures(job, measured, now=1.0)
        rejected = Judgement(verdict=Verdict.REJECTED, gate="black_seconds < 1", values={"black_seconds": 1.5})
        store.verdicts.record_verdict(fox, rejected, run=night.run, now=5.0)
        store.facts.record_scores(other, {"clip.score": 0.5}, now=6.0)
        store.votes.record_vote(Vote(person="ann", kind=VoteKind.BETTER, job=other.seq, other=fox.seq, at=7.0))
    shown = client.get(f"/api/jobs/{fox.id}").json()
    assert {one["name"]: (one["value"], one["unit"]) for one in shown["measures"]} == {
        "black_seconds": (1.5, "s"),
        "has_sound": (True, ""),
    }
    assert shown["verdicts"] == [
        {"at": 5.0, "verdict": "rejected", "gate": "black_seconds < 1", "values": {"black_seconds": 1.5}}
    ]
    assert shown["votes"] == [{"person": "ann", "kind": "worse", "rating": None, "at": 7.0, "other": "fox-2"}]
    assert shown["near"] == [{"id": other.id, "name": "fox-2"}]
    assert (shown["verdict"], shown["gate"], shown["choice"]) == ("rejected", "black_seconds < 1", None)
    found = group(client, rejected="1")["group"]["jobs"]
    assert [(job["near"], job["scores"]) for job in found] == [([other.id], {}), ([fox.id], {"clip.score": 0.5})]
    assert names(group(client)) == ["owl-1", "owl-2"]


def test_cards_say_how_many_other_clips_look_the_same(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in the background: an answer does not wait for it, and an old count is not repeated at once."""
    with Store(night.path) as store:
        for name, first in (("fox-1", 1), ("fox-2", 1), ("owl-1", 77)):
            hashes = tuple(range(first * 1000, first * 1000 + 800, 100))
            store.facts.record_measures(night.named(name), Measures(level=CheckLevel.BASIC, hashes=hashes), now=1.0)
    may_count = Event()

    def group_when_allowed(hashes: Any) -> Any:
        assert may_count.wait(timeout=60)
        return group_near_copies(hashes)

    monkeypatch.setattr(near_copies, "group_near_copies", group_when_allowed)
    copies = follow_near_copies(night.path)
    assert copies.find() == {}
    may_count.set()
    copies.wait()
    assert copies.find() == {1: 1, 2: 1}
    keys = Secrets()
    app = make_app(night.path, keys=keys)
    app._app.state.near_copies = copies  # type: ignore[attr-defined]
    found = Client(app, keys).get("/api/jobs").json()["jobs"]
    assert [job["copies"] for job in found] == [1, 1, 0, 0]


def test_the_gallery_is_filtered_by_what_gates_and_people_say(client: Client, night: Night) -> None:
    act(client, night.named("fox-1"))
    act(client, night.named("fox-2"), kind="reject")

    def found(**query: str) -> list[str]:
        return [job["name"] for job in client.get("/api/jobs", params=query).json()["jobs"]]

    assert found(choice="picked") == ["fox-1"]
    assert found(choice="rejected") == ["fox-2"]
    assert found(gate="rejected") == []
    assert found(where='not picked and prompt == "owl"', order="newest") == ["owl-2", "owl-1"]
    assert client.get("/api/jobs", params={"choice": "liked"}).status_code == 400
    wrong = client.get("/api/jobs", params={"where": "picked = 1"})
    assert (wrong.status_code, wrong.json()) == (422, {"error": "= is not known here: write ==", "place": 7})


def test_a_condition_without_time_says_how_far_it_came(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same question goes on there."""
    monkeypatch.setattr("batchveo.store.page_searches.SEARCH_SECONDS", -1.0)
    answer = client.get("/api/jobs", params={"where": "seed == 1"}).json()
    assert (answer["jobs"], answer["matching"]) == ([], 0)
    assert answer["scanned"] == {"jobs": 0, "total": 4}
    monkeypatch.undo()
    assert client.get("/api/jobs", params={"where": "seed == 1"}).json()["scanned"] is None
