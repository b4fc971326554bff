"""When a run will be done, from two sources."""

from __future__ import annotations

import pytest

from batchveo.core.eta import eta
from batchveo.core.forecast import Forecast

BELIEVED = Forecast(low=80.0, likely=100.0, high=125.0)


def test_either_source_alone_will_do() -> None:
    """The models' times before a video is finished, the run's own speed where nothing is known of them."""
    told = eta(BELIEVED, left=10, made=0, seconds=5.0)
    assert told is not None
    assert (told.low, told.likely, told.high) == pytest.approx((80.0, 100.0, 125.0), rel=0.01)
    shown = eta(None, left=100, made=50, seconds=600.0)
    assert shown is not None
    assert shown.likely == pytest.approx(1200.0)
    assert shown.low < 1050
    assert shown.high > 1350
    assert eta(None, left=100, made=2, seconds=600.0) is None
    assert eta(BELIEVED, left=0, made=50, seconds=600.0) is None


def test_the_more_a_run_has_shown_the_more_it_counts() -> None:
    """And the narrower the range."""
    few = eta(BELIEVED, left=100, made=4, seconds=12.0)
    many = eta(BELIEVED, left=100, made=400, seconds=1200.0)
    assert few is not None
    assert many is not None
    assert 100 < few.likely < many.likely < 300


def test_sources_that_disagree_make_the_range_wide() -> None:
    """Honest: nobody knows which is right."""
    agree = eta(BELIEVED, left=100, made=100, seconds=100.0)
    differ = eta(BELIEVED, left=100, made=100, seconds=400.0)
    assert agree is not None
    assert differ is not None
    assert differ.high / differ.low > 1.5 * agree.high / agree.low
    assert differ.low < differ.likely < differ.high
