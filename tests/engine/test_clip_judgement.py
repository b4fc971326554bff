"""Which measures still count, and what another take asks for."""

from __future__ import annotations

from batchveo.core.measures import CheckLevel, Measures
from batchveo.engine.clip_judgement import LARGEST_SEED, change_seed, is_current
from tests.helpers.factories import make_job


def test_the_next_seed_stays_within_what_the_model_takes() -> None:
    assert change_seed(make_job(request={"prompt": "a"})) == ('{"prompt":"a"}', None)
    assert change_seed(make_job(request={"seed": 7})) == ('{"seed":8}', 8)
    assert change_seed(make_job(model="own/model", request={"seed": LARGEST_SEED})) == ('{"seed":0}', 0)
    assert change_seed(make_job(request={"seed": True})) == ('{"seed":true}', None)


def test_measures_are_current_if_version_and_level_suffice() -> None:
    basic, everything = Measures(level=CheckLevel.BASIC), Measures(level=CheckLevel.ALL)
    assert is_current(everything, CheckLevel.BASIC)
    assert is_current(basic, CheckLevel.BASIC)
    assert not is_current(basic, CheckLevel.ALL)
    assert not is_current(Measures(level=CheckLevel.ALL, version=0), CheckLevel.BASIC)


def test_the_next_seed_is_one_that_no_other_has() -> None:
    assert change_seed(make_job(request={"seed": 1}), {1, 2, 4}) == ('{"seed":3}', 3)
    assert change_seed(make_job(model="own/model", request={"seed": LARGEST_SEED}), {0, 1}) == ('{"seed":2}', 2)
