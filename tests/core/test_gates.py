"""Policies, and the verdict of gates."""

from __future__ import annotations

import pytest

from batchveo.core.expressions import ExpressionError, Value
from batchveo.core.gates import CheckPolicy, Verdict, check_preference, judge_clip, parse_policy, rank_takes
from batchveo.core.measures import CheckLevel


@pytest.mark.parametrize(
    ("black", "sound", "verdict", "gate"),
    [
        (0.1, True, Verdict.ACCEPTED, ""),
        (0.9, True, Verdict.REJECTED, "black_seconds < 0.5"),
        (0.1, False, Verdict.REJECTED, "has_sound"),
        (None, True, Verdict.OPEN, "black_seconds < 0.5"),
        (None, False, Verdict.REJECTED, "has_sound"),
        (0.9, None, Verdict.REJECTED, "black_seconds < 0.5"),
        (None, None, Verdict.OPEN, "black_seconds < 0.5"),
    ],
)
def test_a_gate_that_does_not_hold_decides_whatever_others_leave_open(
    black: Value, sound: Value, verdict: Verdict, gate: str
) -> None:
    values: dict[str, Value] = {"black_seconds": black, "has_sound": sound}
    judgement = judge_clip(["black_seconds < 0.5", "has_sound"], values.__getitem__)
    assert (judgement.verdict, judgement.gate) == (verdict, gate)
    assert judgement.values == ({} if not gate else {gate.split()[0]: values[gate.split()[0]]})


def test_without_gates_every_clip_is_accepted() -> None:
    nothing: dict[str, Value] = {}
    assert judge_clip([], nothing.__getitem__).verdict is Verdict.ACCEPTED


def test_a_policy_is_read_as_it_was_written() -> None:
    policy = CheckPolicy(level=CheckLevel.ALL, gates=("black_seconds < 0.5", 'meta.a == "é"'), prefer="-motion")
    assert parse_policy(policy.to_json()) == policy
    assert CheckPolicy().to_json() is None
    assert parse_policy(None) == CheckPolicy()


@pytest.mark.parametrize(
    ("policy", "level"),
    [
        (CheckPolicy(), CheckLevel.NONE),
        (CheckPolicy(level=CheckLevel.BASIC), CheckLevel.BASIC),
        (CheckPolicy(gates=("clip.score > 1",)), CheckLevel.BASIC),
        (CheckPolicy(gates=("blur < 9",)), CheckLevel.ALL),
        (CheckPolicy(level=CheckLevel.BASIC, prefer="-blur"), CheckLevel.ALL),
    ],
)
def test_gates_imply_the_checks_that_they_need(policy: CheckPolicy, level: CheckLevel) -> None:
    assert policy.needed_level is level


def test_what_is_preferred_is_a_number() -> None:
    assert check_preference("motion") == "motion"
    assert check_preference(" - clip.score ") == "-clip.score"
    for wrong in ("codec", "motion < 3", "", "-", "motoin", "verdict"):
        with pytest.raises(ExpressionError):
            check_preference(wrong)


def test_the_best_take_is_the_first_of_the_highest_or_lowest() -> None:
    assert rank_takes("", [3, 9]) == 0
    assert rank_takes("motion", [3, 9, 9]) == 1
    assert rank_takes("-motion", [3, 2, 2.0]) == 1
    assert rank_takes("motion", [None, "x", 1]) == 2
    assert rank_takes("motion", [None, None]) == 0


def test_the_sentence_has_values_as_conditions_have_them() -> None:
    """So that they can be copied into one."""
    values = {"has_sound": False, "motion": 0.5, "loudness_lufs": None}
    judged = judge_clip(["has_sound and motion > 1 and loudness_lufs > -50"], values.get)
    assert judged.sentence.endswith("(has_sound = false, motion = 0.5, loudness_lufs = unknown)")
    assert judged.sentence.startswith("rejected by has_sound and")
