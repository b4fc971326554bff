from __future__ import annotations

import pytest

import batchveo.sandbox as package
from batchveo.sandbox import FAULTS, Settings


def test_the_public_names() -> None:
    """The package offers this and no more."""
    assert package.__all__ == [
        "FAULTS",
        "Charge",
        "Delivery",
        "Ending",
        "Generation",
        "LoggedRequest",
        "Request",
        "Response",
        "Retirement",
        "RetirementStatus",
        "Service",
        "Settings",
        "UnknownModel",
        "app",
        "running",
        "serve",
        "transport",
    ]


def test_every_fault_has_a_sentence() -> None:
    """Each fault is described in one sentence."""
    assert all(sentence.endswith(".") and sentence.count(". ") == 0 for sentence in FAULTS.values())


def test_an_unknown_fault_is_refused() -> None:
    """A misspelt fault is an error that lists the right ones."""
    with pytest.raises(ValueError, match="lose-answer"):
        Settings(faults={"loose-answer": 1.0})


def test_a_chance_is_a_probability() -> None:
    """A chance above 1 is an error."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Settings(faults={"throttle": 5})


def test_the_key_stays_out_of_the_repr() -> None:
    """Settings can be printed without giving the key away."""
    assert "hush" not in repr(Settings(key="hush"))
