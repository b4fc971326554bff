from __future__ import annotations

import pytest

from tests.helpers.manual_sandbox import PATH, Desk


def test_a_generation_walks_its_way(desk):
    """Queued, generating, completed with a video and its cost."""
    generation_id = desk.submit()
    seen = [desk.poll(generation_id)["status"]]
    for _ in range(2):
        desk.now += 5
        seen.append(desk.poll(generation_id)["status"])
    assert seen == ["queued", "generating", "completed"]


def test_before_and_after_completion(desk):
    """The video is null until it is done; then it stands there with its cost."""
    generation_id = desk.submit()
    assert desk.poll(generation_id) == {
        "id": generation_id,
        "status": "queued",
        "video": None,
        "error": None,
        "meta": None,
    }
    desk.now += 10
    done = desk.poll(generation_id)
    generation = desk.service.generations[0]
    assert done["video"] == {
        "url": f"http://sandbox.invalid/files/{generation.file}.mp4",
        "content_type": "video/mp4",
        "file_name": f"{generation.file}.mp4",
        "file_size": len(desk.service.video(generation_id)),
    }
    assert done["meta"] == {"usage": {"credits_used": 1_560_000, "usd_spent": 0.78}}


def test_polls_are_traced(desk):
    """Every poll carries the generation id and what it has cost so far."""
    generation_id = desk.submit()
    costs = []
    for _ in range(2):
        answer = desk.get(PATH, ("generation_id", generation_id))
        assert answer.headers["x-inference-id"] == generation_id
        costs.append((answer.headers["x-aimlapi-credits-used"], answer.headers["x-aimlapi-usd-spent"]))
        desk.now += 10
    assert costs == [("0", "0.0"), ("1560000", "0.78")]


def test_a_failed_generation_says_why():
    """An error has a name and a message, and costs nothing."""
    desk = Desk(faults={"generation-error": 1.0})
    generation_id = desk.submit()
    desk.now += 10
    polled = desk.poll(generation_id)
    assert (polled["status"], polled["video"], polled["meta"]) == ("error", None, None)
    assert polled["error"] == {"name": "GenerationError", "message": desk.service.generations[0].failure}


@pytest.mark.parametrize(
    ("query", "status"),
    [((("generation_id", "unknown"),), 404), ((), 400), ((("generation_id", ""),), 400), ((("id", "x"),), 400)],
)
def test_polls_that_find_nothing(desk, query, status):
    """An unknown id is 404, a missing one 400."""
    assert desk.get(PATH, *query).status == status


@pytest.mark.parametrize(("fault", "status"), [("poll-500", 500), ("poll-502", 502), ("401", 401)])
def test_failing_polls(fault, status):
    """A poll can fail without harm to the generation."""
    assert Desk(faults={fault: 1.0}).get(PATH, ("generation_id", "x")).status == status


def test_a_dropped_poll():
    """A poll can end without an answer."""
    assert Desk(faults={"poll-drop": 1.0}).get(PATH, ("generation_id", "x")).delivery.unanswered


def test_a_generation_may_be_unknown_at_first():
    """Right after its submit a generation may be 404 for a moment."""
    desk = Desk(faults={"poll-404": 1.0}, unknown_for=2.0)
    generation_id = desk.submit()
    assert desk.get(PATH, ("generation_id", generation_id)).status == 404
    desk.now += 2
    assert desk.poll(generation_id)["status"] == "generating"


def test_odd_words():
    """Undocumented words come in the place of the documented ones, never in that of an error."""
    desk = Desk(faults={"odd-status": 1.0})
    generation_id = desk.submit()
    words = []
    for _ in range(3):
        words.append({desk.poll(generation_id)["status"] for _ in range(50)})
        desk.now += 5
    assert words == [{"waiting"}, {"active", "postprocessing"}, {"succeeded", "complete"}]
