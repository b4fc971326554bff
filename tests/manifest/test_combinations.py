"""Which combinations a matrix makes."""

from __future__ import annotations

from collections.abc import Mapping
from time import process_time

import pytest

from batchveo.manifest.combinations import Combinations, make_combinations

AXES: Mapping[str, list[object]] = {"model": ["a", "b"], "size": [1, 2]}


def written(found: Combinations) -> list[dict[str, object]]:
    """The combinations with their values."""
    return [{name: found.values[name][at] for name, at in each.items()} for each in found.list_positions()]


def make(
    exclude: list[Mapping[str, object]] | None = None,
    include: list[Mapping[str, object]] | None = None,
    axes: Mapping[str, list[object]] = AXES,
) -> Combinations:
    """Combinations in which nothing is wrong."""
    found, faults = make_combinations(axes, exclude or [], include or [])
    assert not faults
    return found


def test_an_entry_without_a_matrix_is_one_combination() -> None:
    """Of nothing."""
    assert written(Combinations()) == [{}]


def test_the_first_axis_is_the_slowest() -> None:
    """In the order of the values."""
    assert [tuple(each.values()) for each in written(make())] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


def test_exclude_leaves_out_what_has_all_its_values() -> None:
    """One axis or several."""
    assert [tuple(each.values()) for each in written(make([{"model": "b", "size": 2}]))] == [
        ("a", 1), ("a", 2), ("b", 1),
    ]  # fmt: skip
    assert [tuple(each.values()) for each in written(make([{"size": 1}, {"model": "a", "size": 2}]))] == [("b", 2)]


def test_include_adds_values_or_a_combination() -> None:
    """It never overwrites a value of an axis."""
    found = written(make(include=[{"model": "b", "fps": 24}, {"model": "c", "size": 1}, {"style": "x"}]))
    assert found == [
        {"model": "a", "size": 1, "style": "x"},
        {"model": "a", "size": 2, "style": "x"},
        {"model": "b", "size": 1, "fps": 24, "style": "x"},
        {"model": "b", "size": 2, "fps": 24, "style": "x"},
        {"model": "c", "size": 1},
    ]


def test_includes_alone() -> None:
    """Each is a combination."""
    assert written(make(include=[{"model": "a"}, {"model": "b", "size": 1}], axes={})) == [
        {"model": "a"},
        {"model": "b", "size": 1},
    ]


def test_a_combination_that_is_excluded_may_be_included() -> None:
    """Includes come after excludes."""
    assert {"model": "a", "size": 1, "fps": 8} in written(make([{"model": "a"}], [{"model": "a", "size": 1, "fps": 8}]))


def test_values_of_one_model() -> None:
    """Only those that it is combined with."""
    found = make([{"model": "b", "size": 2}], [{"model": "b", "fps": 24}])
    assert {name: sorted(at) for name, at in found.list_used("a").items()} == {"model": [0], "size": [0, 1]}
    assert {name: sorted(at) for name, at in found.list_used("b").items()} == {"model": [1], "size": [0], "fps": [0]}
    assert found.list_models("z") == ["a", "b"]
    assert make(include=[{"model": "b"}], axes={"size": [1]}).list_models("z") == ["b"]
    assert make(include=[{"model": "b", "size": 2}], axes={"size": [1]}).list_models("z") == ["z", "b"]


@pytest.mark.parametrize(
    ("exclude", "include", "field", "message"),
    [
        ([{"sise": 1}], [], "exclude[0]", "no axis"),
        ([{"size": 3}], [], "exclude[0]", "no value of size"),
        ([{"size": True}], [], "exclude[0]", "no value of size"),
        ([{"size": 1}, {"size": 2}], [], "exclude", "leaves no combination"),
        ([], [{"size": 1}], "include[0]", "adds nothing"),
    ],
)
def test_what_changes_nothing_is_reported(
    exclude: list[Mapping[str, object]], include: list[Mapping[str, object]], field: str, message: str
) -> None:
    """It is most likely mistyped."""
    _, [(found, fault)] = make_combinations(AXES, exclude, include)
    assert found == field
    assert message in fault.message


def test_a_matrix_that_makes_too_many_jobs_is_not_walked() -> None:
    """It would take years; how many jobs it makes is said elsewhere."""
    axes: dict[str, list[object]] = {f"v{number}": list(range(1_000)) for number in range(6)}
    every: list[Mapping[str, object]] = [{"v0": number} for number in range(1_000)]
    found, faults = make_combinations(axes, every, [{"v5": 3, "more": 1}, {"v4": 3}])
    assert (found.most, faults) == (1_000**6, [])
    assert found.values["more"] == [1]  # its placeholder is not wrong as well


def test_thousands_of_items_are_looked_up_and_not_compared() -> None:
    """Each combination compared with each item takes a minute here."""
    axes: dict[str, list[object]] = {name: list(range(100)) for name in ("a", "b")}
    items: list[Mapping[str, object]] = [{"a": number % 100, "b": number // 100} for number in range(8_000)]
    began = process_time()
    found = make(exclude=items[:4_000], include=[{**item, "c": 1} for item in items], axes=axes)
    combinations = list(found.list_positions())
    assert (len(combinations), sum("c" in at for at in combinations)) == (10_000, 8_000)
    assert process_time() - began < 10
