"""What ``resume`` keeps to of the run before, and what it lets itself be told."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from batchveo.core.settings import Doubt, RunSettings
from batchveo.operations.saved_settings import (
    ALL_CHOSEN,
    NONE_CHOSEN,
    SAVED_NAMES,
    ChosenSettings,
    SavedSettings,
    find_chosen,
    list_differences,
    serialize_settings,
)

THEN = RunSettings(
    output=Path("/then"),
    concurrency=16,
    rate=30.0,
    settle=5.0,
    when_in_doubt=Doubt.RESUBMIT,
    wait_for_credits=True,
    checks=False,
)
FIRMLY = ChosenSettings(
    firmly=frozenset({"output", "concurrency", "rate", "settle", "when_in_doubt", "wait_for_credits", "checks"})
)


def again(now: RunSettings, told: ChosenSettings, *, then: ChosenSettings = FIRMLY) -> RunSettings:
    return SavedSettings.parse(serialize_settings(THEN, then)).restore_settings(now, told)[0]


def test_everything_that_was_told_is_kept() -> None:
    """Each with its type."""
    assert again(RunSettings(), NONE_CHOSEN) == THEN


def test_what_is_told_now_counts() -> None:
    """On the command line: that and nothing else."""
    now = RunSettings(output=Path("/now"), concurrency=2)
    resumed = again(now, ChosenSettings(firmly=frozenset({"output"})))
    assert (resumed.output, resumed.concurrency) == (Path("/now"), 16)
    assert again(now, ALL_CHOSEN) == now


def test_what_was_not_told_is_not_kept() -> None:
    """A default may be another in a later version; where the videos went is kept in any case."""
    resumed = again(RunSettings(concurrency=3), NONE_CHOSEN, then=NONE_CHOSEN)
    assert (resumed.output, resumed.concurrency, resumed.rate) == (Path("/then"), 3, None)


@pytest.mark.parametrize(("then", "counts"), [(FIRMLY, 16), (ChosenSettings(otherwise=frozenset({"concurrency"})), 2)])
def test_the_environment_counts_as_it_did_then(then: ChosenSettings, counts: int) -> None:
    """The command line of the run before outlasts it; what came from there then, comes from there now."""
    now = ChosenSettings(otherwise=frozenset({"concurrency"}))
    assert again(RunSettings(concurrency=2), now, then=then).concurrency == counts


def test_a_chain_of_resumed_runs_forgets_nothing() -> None:
    """Each writes down what it kept to."""
    settings, told = THEN, FIRMLY
    for _ in range(3):
        settings, told = SavedSettings.parse(serialize_settings(settings, told)).restore_settings(
            RunSettings(), NONE_CHOSEN
        )
    assert (settings, told.firmly) == (THEN, FIRMLY.firmly)


def test_a_relative_folder_means_the_same_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written down whole."""
    monkeypatch.chdir(tmp_path)
    assert SavedSettings.parse(serialize_settings(RunSettings(), NONE_CHOSEN)).output == str(tmp_path / "videos")


@pytest.mark.parametrize("text", [None, "{}", '{"settings": {"from_the_future": 1}, "firmly": ["from_the_future"]}'])
def test_what_is_not_known_is_passed_over(text: str | None) -> None:
    """A database of before has nothing, one of a later version too much."""
    assert SavedSettings.parse(text).restore_settings(RunSettings(), NONE_CHOSEN)[0] == RunSettings()


def test_a_library_call_chooses_what_is_no_default() -> None:
    """It has no command line."""
    assert find_chosen(THEN).firmly == FIRMLY.firmly
    assert {field.name for field in fields(RunSettings)} == SAVED_NAMES | {"budget"}


def test_the_differences_are_named_by_their_options() -> None:
    """As they are typed."""
    found = list_differences(RunSettings(), THEN)
    assert found["--when-in-doubt"] is Doubt.RESUBMIT
    assert found["--checks"] == "none"
    assert "--output" not in found
    assert list_differences(THEN, THEN) == {}
