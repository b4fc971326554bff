"""What follows from the seed."""

from __future__ import annotations

from batchveo.sandbox.seeded_random import FaultPlan, SeededRandom
from tests.helpers.sandbox_client import OPENED, SandboxClient


def test_the_same_seed_gives_the_same_answers() -> None:
    """Two sandboxes with one seed and one clock cannot be told apart."""
    first, second = (SandboxClient(seed=7, generation_sigma=0.5, faults={"throttle": 0.5}) for _ in range(2))
    assert [first.post() for _ in range(20)] == [second.post() for _ in range(20)]


def test_a_later_sandbox_shares_chance_but_not_ids() -> None:
    """The seed decides what happens; ids differ between sandboxes opened at different times."""
    first, second = SandboxClient(faults={"throttle": 0.5}), SandboxClient(now=OPENED + 1, faults={"throttle": 0.5})
    answers = [(first.post(), second.post()) for _ in range(20)]
    assert all(one.status == other.status for one, other in answers)
    taken = {generation.id for sandbox in (first, second) for generation in sandbox.service.generations}
    assert len(taken) == len(first.service.generations) + len(second.service.generations)


def test_no_order_of_questions_changes_an_answer() -> None:
    """Each depends on the seed and the question alone."""
    first, second = SeededRandom(1), SeededRandom(1)
    questions = [("takes", number) for number in range(20)]
    answers = {question: first.draw_uniform(*question) for question in questions}
    assert {question: second.draw_uniform(*question) for question in reversed(questions)} == answers
    assert len(set(answers.values())) == 20
    assert SeededRandom(2).draw_uniform(*questions[0]) != answers[questions[0]]


def test_a_fault_happens_as_often_as_its_chance_says() -> None:
    """A chance of 0 and an unknown name never, 1 always."""
    plan = FaultPlan({"rare": 0.25, "never": 0.0, "always": 1.0}, SeededRandom(1))
    rare = sum(plan.has_fault("rare", number) for number in range(2000))
    assert 400 < rare < 600
    assert plan.pick_fault(("never", "unknown", "always"), 1) == "always"
    assert plan.pick_fault(("never",), 1) is None
