"""What a run can be told."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.settings import RunSettings


def test_the_output_may_be_text() -> None:
    """As a state may: a notebook writes what the command line takes."""
    assert RunSettings(output=cast("Path", "videos")).output == Path("videos")


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"rate": 0.0}, {"budget": -1.0}, {"settle": float("nan")}])
def test_numbers_out_of_range_are_told(wrong: dict[str, float]) -> None:
    """By the option that they are given with."""
    with pytest.raises(UsageError, match=f"--{next(iter(wrong))} .* is out of range"):
        RunSettings(**wrong)  # type: ignore[arg-type]  # a mapping of one
