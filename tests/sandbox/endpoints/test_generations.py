from __future__ import annotations

import pytest

from batchveo.sandbox import Ending
from tests.helpers.sandbox_client import PATH, SandboxClient


def test_an_accepted_submit_is_queued_and_traced(sandbox: SandboxClient) -> None:
    """The answer is 201 with the id in the body and in the tracing header."""
    answer = sandbox.post()
    generation = sandbox.service.generations[0]
    assert answer.status == 201
    assert answer.json() == {"id": generation.id, "status": "queued", "model": "google/veo-3.1-t2v-fast"}
    assert answer.headers["x-inference-id"] == generation.id
    assert generation.id.startswith("f_X_")
    assert len(generation.id) == 21


def test_ids_are_unlike_each_other(sandbox: SandboxClient) -> None:
    """A thousand generations have a thousand ids."""
    assert len({sandbox.submit(model="veo2", duration=None) for _ in range(200)}) == 200


def test_long_ids_are_a_matter_of_settings() -> None:
    """The style of the UUID with the model can be had on the new path."""
    assert SandboxClient(id_style="long").submit().endswith(":google/veo-3.1-t2v-fast")
    assert SandboxClient(id_style="short").submit().startswith("f_X_")


def test_the_rate_is_limited() -> None:
    """Above so many submits in a minute there is 429, and later there is room again."""
    sandbox = SandboxClient(rate_per_minute=2)
    sandbox.submit()
    sandbox.now += 10
    sandbox.submit()
    refused = sandbox.post()
    assert (refused.status, refused.headers["retry-after"]) == (429, "50")
    sandbox.now += 50
    sandbox.submit()


def test_concurrency_is_limited() -> None:
    """Above so many generations in flight there is 429, until one is ready."""
    sandbox = SandboxClient(concurrency=2)
    sandbox.submit()
    sandbox.now += 4
    sandbox.submit()
    refused = sandbox.post()
    assert (refused.status, refused.headers["retry-after"]) == (429, "6")
    sandbox.now += 6
    sandbox.submit()
    assert sandbox.service.peak_in_flight == 2


def test_retry_after_can_be_withheld() -> None:
    """The header is undocumented, so a client must do without."""
    assert "retry-after" not in SandboxClient(rate_per_minute=0, retry_after=False).post().headers


def test_an_empty_account_refuses() -> None:
    """What is reserved for generations under way cannot be spent twice."""
    sandbox = SandboxClient(balance=1.6)  # a video costs 0.78
    sandbox.submit()
    sandbox.submit()
    refused = sandbox.post()
    assert refused.status == 403
    assert str(refused.json()["message"]).startswith("You've run out of credits")
    sandbox.now += 100
    assert sandbox.post().status == 403


def test_a_failed_generation_gives_its_price_back() -> None:
    """The reservation of a generation that ends in an error is released."""
    sandbox = SandboxClient(balance=0.8, faults={"generation-error": 1.0})
    sandbox.submit()
    assert sandbox.post().status == 403
    sandbox.now += 10
    sandbox.submit()


@pytest.mark.parametrize(
    ("fault", "status"), [("403", 403), ("throttle", 429), ("answer-500", 500), ("answer-503", 503), ("401", 401)]
)
def test_refusing_faults(fault: str, status: int) -> None:
    """The API refuses in its own words and accepts nothing."""
    sandbox = SandboxClient(faults={fault: 1.0})
    answer = sandbox.post()
    assert answer.status == answer.json()["statusCode"] == status
    assert not sandbox.service.generations


def test_a_gateway_says_502_alike_whether_or_not_it_was_accepted() -> None:
    """Nothing in the answer gives away what became of the request."""
    before, after = SandboxClient(faults={"answer-502": 1.0}), SandboxClient(faults={"answer-502-accepted": 1.0})
    assert before.post() == after.post()
    assert (len(before.service.generations), len(after.service.generations)) == (0, 1)


def test_a_connection_lost_before() -> None:
    """The connection is reset, nothing is accepted, the log never tells."""
    sandbox = SandboxClient(faults={"drop-before": 1.0})
    answer = sandbox.post()
    assert answer.delivery.unanswered
    assert answer.delivery.ending is Ending.RESET
    assert not sandbox.service.generations
    assert not sandbox.service.requests()


def test_a_lost_answer() -> None:
    """The connection is closed without a byte, though the request was accepted."""
    sandbox = SandboxClient(faults={"lose-answer": 1.0})
    assert sandbox.post().delivery.unanswered
    assert len(sandbox.service.generations) == 1


def test_a_late_answer() -> None:
    """The right answer comes late."""
    sandbox = SandboxClient(faults={"late-answer": 1.0}, late_by=70.0)
    answer = sandbox.post()
    assert (answer.status, answer.delivery.delay) == (201, 70.0)


def test_an_accepting_504() -> None:
    """The API's own body says that it timed out, though the request was accepted."""
    sandbox = SandboxClient(faults={"answer-504-accepted": 1.0})
    answer = sandbox.post()
    assert (answer.status, answer.json()["message"]) == (504, "Generation timeout")
    assert "x-inference-id" not in answer.headers
    assert len(sandbox.service.generations) == 1


def test_an_unreadable_answer() -> None:
    """The JSON breaks off, and no header helps."""
    sandbox = SandboxClient(faults={"unreadable-answer": 1.0})
    answer = sandbox.post(headers={"x-client-request-id": "a"})
    assert answer.status == 201
    assert not any(name.startswith("x-") for name in answer.headers)
    with pytest.raises(ValueError):
        answer.json()


def test_an_answer_without_id() -> None:
    """Accepted, and told so, but not under which id."""
    sandbox = SandboxClient(faults={"no-id": 1.0})
    answer = sandbox.post()
    assert answer.json() == {"status": "queued"}
    assert "x-inference-id" not in answer.headers
    assert len(sandbox.service.generations) == 1


def test_an_accepting_fault_leaves_refusals_alone() -> None:
    """A wrong request is refused even where answers get lost."""
    assert SandboxClient(faults={"lose-answer": 1.0}).post(duration=5).status == 400


def test_chances_are_met_roughly() -> None:
    """A fault with a chance of a quarter strikes about a quarter of the submits."""
    sandbox = SandboxClient(faults={"throttle": 0.25})
    assert 200 < sum(sandbox.post().status == 429 for _ in range(1000)) < 300


def test_a_generation_walks_its_way(sandbox: SandboxClient) -> None:
    """Queued, generating, completed with a video and its cost."""
    generation_id = sandbox.submit()
    seen = [sandbox.poll(generation_id)["status"]]
    for _ in range(2):
        sandbox.now += 5
        seen.append(sandbox.poll(generation_id)["status"])
    assert seen == ["queued", "generating", "completed"]


def test_before_and_after_completion(sandbox: SandboxClient) -> None:
    """The video is null until it is done; then it stands there with its cost."""
    generation_id = sandbox.submit()
    assert sandbox.poll(generation_id) == {
        "id": generation_id,
        "status": "queued",
        "video": None,
        "error": None,
        "meta": None,
    }
    sandbox.now += 10
    done = sandbox.poll(generation_id)
    generation = sandbox.service.generations[0]
    assert done["video"] == {
        "url": f"http://sandbox.invalid/files/{generation.file}.mp4",
        "content_type": "video/mp4",
        "file_name": f"{generation.file}.mp4",
        "file_size": len(sandbox.service.video(generation_id)),
    }
    assert done["meta"] == {"usage": {"credits_used": 1_560_000, "usd_spent": 0.78}}


def test_polls_are_traced(sandbox: SandboxClient) -> None:
    """Every poll carries the generation id and what it has cost so far."""
    generation_id = sandbox.submit()
    costs = []
    for _ in range(2):
        answer = sandbox.get(PATH, ("generation_id", generation_id))
        assert answer.headers["x-inference-id"] == generation_id
        costs.append((answer.headers["x-aimlapi-credits-used"], answer.headers["x-aimlapi-usd-spent"]))
        sandbox.now += 10
    assert costs == [("0", "0.0"), ("1560000", "0.78")]


def test_a_failed_generation_says_why() -> None:
    """An error has a name and a message, and costs nothing."""
    sandbox = SandboxClient(faults={"generation-error": 1.0})
    generation_id = sandbox.submit()
    sandbox.now += 10
    polled = sandbox.poll(generation_id)
    assert (polled["status"], polled["video"], polled["meta"]) == ("error", None, None)
    assert polled["error"] == {"name": "GenerationError", "message": sandbox.service.generations[0].failure}


@pytest.mark.parametrize(
    ("query", "status"),
    [((("generation_id", "unknown"),), 404), ((), 400), ((("generation_id", ""),), 400), ((("id", "x"),), 400)],
)
def test_polls_that_find_nothing(sandbox: SandboxClient, query: tuple[tuple[str, str], ...], status: int) -> None:
    """An unknown id is 404, a missing one 400."""
    assert sandbox.get(PATH, *query).status == status


@pytest.mark.parametrize(("fault", "status"), [("poll-500", 500), ("poll-502", 502), ("401", 401)])
def test_failing_polls(fault: str, status: int) -> None:
    """A poll can fail without harm to the generation."""
    assert SandboxClient(faults={fault: 1.0}).get(PATH, ("generation_id", "x")).status == status


def test_a_dropped_poll() -> None:
    """A poll can end without an answer."""
    assert SandboxClient(faults={"poll-drop": 1.0}).get(PATH, ("generation_id", "x")).delivery.unanswered


def test_a_generation_may_be_unknown_at_first() -> None:
    """Right after its submit a generation may be 404 for a moment."""
    sandbox = SandboxClient(faults={"poll-404": 1.0}, unknown_for=2.0)
    generation_id = sandbox.submit()
    assert sandbox.get(PATH, ("generation_id", generation_id)).status == 404
    sandbox.now += 2
    assert sandbox.poll(generation_id)["status"] == "generating"


def test_odd_words() -> None:
    """Undocumented words come in the place of the documented ones, never in that of an error."""
    sandbox = SandboxClient(faults={"odd-status": 1.0})
    generation_id = sandbox.submit()
    words = []
    for _ in range(3):
        words.append({sandbox.poll(generation_id)["status"] for _ in range(50)})
        sandbox.now += 5
    assert words == [{"waiting"}, {"active", "postprocessing"}, {"succeeded", "complete"}]
