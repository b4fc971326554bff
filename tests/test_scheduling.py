"""How the tests themselves are spread over workers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.scheduling import UNITS, rank, unit

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("begin", UNITS)
def test_what_is_to_begin_first_is_there(begin: str) -> None:
    """A file that has moved would be sent like any other, and nobody would know why all takes longer."""
    file, _, test = begin.partition("::")
    assert re.search(rf"^def {test or 'test_'}", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_what_shares_a_start_is_one_unit() -> None:
    """Whatever its parameters are called; the rest goes test by test."""
    ray = "tests/engine/cluster/test_ray.py::test_a_node_is_lost"
    assert unit(ray) == unit(f"{ray}[a::b]@x") == "ray"
    night = "tests/simulation/test_nights.py::test_nights[20]"
    assert unit(night) == night
    assert unit("tests/core/test_state_machine.py::test_x[tests/engine/cluster/test_ray.py]") != "ray"


def test_the_longest_begin_first() -> None:
    """In the order of the list; the quick ones keep theirs."""
    nodes = [
        "tests/provider/test_aiohttp_transport.py::test_a",
        "tests/core/test_state_machine.py::test_b",
        *reversed(UNITS),
    ]
    assert sorted(nodes, key=rank) == [*UNITS, *nodes[:2]]
