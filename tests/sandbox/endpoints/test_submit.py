from __future__ import annotations

import pytest

from batchveo.sandbox import Ending
from tests.helpers.manual_sandbox import Desk


def test_an_accepted_submit_is_queued_and_traced(desk):
    """The answer is 201 with the id in the body and in the tracing header."""
    answer = desk.post()
    generation = desk.service.generations[0]
    assert answer.status == 201
    assert answer.json() == {"id": generation.id, "status": "queued", "model": "google/veo-3.1-t2v-fast"}
    assert answer.headers["x-inference-id"] == generation.id
    assert generation.id.startswith("f_X_")
    assert len(generation.id) == 21


def test_ids_are_unlike_each_other(desk):
    """A thousand generations have a thousand ids."""
    assert len({desk.submit(model="veo2", duration=None) for _ in range(200)}) == 200


def test_long_ids_are_a_matter_of_settings():
    """The style of the UUID with the model can be had on the new path."""
    assert Desk(id_style="long").submit().endswith(":google/veo-3.1-t2v-fast")
    assert Desk(id_style="short").submit().startswith("f_X_")


def test_the_rate_is_limited():
    """Above so many submits in a minute there is 429, and later there is room again."""
    desk = Desk(rate_per_minute=2)
    desk.submit()
    desk.now += 10
    desk.submit()
    refused = desk.post()
    assert (refused.status, refused.headers["retry-after"]) == (429, "50")
    desk.now += 50
    desk.submit()


def test_concurrency_is_limited():
    """Above so many generations in flight there is 429, until one is ready."""
    desk = Desk(concurrency=2)
    desk.submit()
    desk.now += 4
    desk.submit()
    refused = desk.post()
    assert (refused.status, refused.headers["retry-after"]) == (429, "6")
    desk.now += 6
    desk.submit()
    assert desk.service.peak_in_flight == 2


def test_retry_after_can_be_withheld():
    """The header is undocumented, so a client must do without."""
    assert "retry-after" not in Desk(rate_per_minute=0, retry_after=False).post().headers


def test_an_empty_account_refuses():
    """What is reserved for generations under way cannot be spent twice."""
    desk = Desk(balance=1.6)  # a video costs 0.78
    desk.submit()
    desk.submit()
    refused = desk.post()
    assert refused.status == 403
    assert refused.json()["message"].startswith("You've run out of credits")
    desk.now += 100
    assert desk.post().status == 403


def test_a_failed_generation_gives_its_price_back():
    """The reservation of a generation that ends in an error is released."""
    desk = Desk(balance=0.8, faults={"generation-error": 1.0})
    desk.submit()
    assert desk.post().status == 403
    desk.now += 10
    desk.submit()


@pytest.mark.parametrize(
    ("fault", "status"), [("403", 403), ("throttle", 429), ("answer-500", 500), ("answer-503", 503), ("401", 401)]
)
def test_refusing_faults(fault, status):
    """The API refuses in its own words and accepts nothing."""
    desk = Desk(faults={fault: 1.0})
    answer = desk.post()
    assert answer.status == answer.json()["statusCode"] == status
    assert not desk.service.generations


def test_a_gateway_says_502_alike_whether_or_not_it_was_accepted():
    """Nothing in the answer gives away what became of the request."""
    before, after = Desk(faults={"answer-502": 1.0}), Desk(faults={"answer-502-accepted": 1.0})
    assert before.post() == after.post()
    assert (len(before.service.generations), len(after.service.generations)) == (0, 1)


def test_a_connection_lost_before():
    """The connection is reset, nothing is accepted, the log never tells."""
    desk = Desk(faults={"drop-before": 1.0})
    answer = desk.post()
    assert answer.delivery.unanswered
    assert answer.delivery.ending is Ending.RESET
    assert not desk.service.generations
    assert not desk.service.requests()


def test_a_lost_answer():
    """The connection is closed without a byte, though the order was accepted."""
    desk = Desk(faults={"lose-answer": 1.0})
    assert desk.post().delivery.unanswered
    assert len(desk.service.generations) == 1


def test_a_late_answer():
    """The right answer comes late."""
    desk = Desk(faults={"late-answer": 1.0}, late_by=70.0)
    answer = desk.post()
    assert (answer.status, answer.delivery.delay) == (201, 70.0)


def test_an_accepting_504():
    """The API's own body says that it timed out, though the order was accepted."""
    desk = Desk(faults={"answer-504-accepted": 1.0})
    answer = desk.post()
    assert (answer.status, answer.json()["message"]) == (504, "Generation timeout")
    assert "x-inference-id" not in answer.headers
    assert len(desk.service.generations) == 1


def test_an_unreadable_answer():
    """The JSON breaks off, and no header helps."""
    desk = Desk(faults={"unreadable-answer": 1.0})
    answer = desk.post(headers={"x-client-request-id": "a"})
    assert answer.status == 201
    assert not any(name.startswith("x-") for name in answer.headers)
    with pytest.raises(ValueError):
        answer.json()


def test_an_answer_without_id():
    """Accepted, and told so, but not under which id."""
    desk = Desk(faults={"no-id": 1.0})
    answer = desk.post()
    assert answer.json() == {"status": "queued"}
    assert "x-inference-id" not in answer.headers
    assert len(desk.service.generations) == 1


def test_an_accepting_fault_leaves_refusals_alone():
    """A wrong request is refused even where answers get lost."""
    assert Desk(faults={"lose-answer": 1.0}).post(duration=5).status == 400


def test_chances_are_met_roughly():
    """A fault with a chance of a quarter strikes about a quarter of the submits."""
    desk = Desk(faults={"throttle": 0.25})
    assert 200 < sum(desk.post().status == 429 for _ in range(1000)) < 300
