"""Three hundred jobs of sixty models, two of them withdrawn: prices, budget, retirement and the way out of it."""

from __future__ import annotations

import pytest

from batchveo.core.models import JobState
from batchveo.display.summary import describe_account, describe_outcome
from tests.simulation.many_models import DEPRECATED, EACH, REPLACED, is_listed, live_through, open_night

S = JobState
GUESS = 0.01
"""US dollars; less than any video costs."""


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_night_of_sixty_models() -> None:
    """What is withdrawn is put aside and made under another model; all is within the budget, and nothing paid twice."""
    with open_night(seed=1) as many:
        night = many.night
        made_of = {job.model for job in many.jobs}
        assert (len(many.jobs), len(made_of)) == (300, 60)
        unlisted = {model for model in made_of if not is_listed(model)}
        assert len(unlisted) > 5
        living = sum(many.costs[job.id] for job in many.jobs if job.model not in REPLACED)
        budget = round(0.97 * living, 2)

        # one video of each model without a listed price teaches what it costs
        assert (await many.teach_prices(budget)).exit_status == 0
        assert len(night.service.generations) == len(unlisted)

        # the budget suffices for most; what a video has cost counts more than an assumption that is lower, and without
        # any the withdrawn models, which are in no list of prices, would not even be tried
        result = await many.run(many.jobs, budget, assume_price=GUESS)
        assert result.exit_status == 3
        states = many.count_states()
        done = sum(counted[S.SUCCEEDED] for counted in states.values())
        assert 290 * 0.9 < done < 290
        assert all(set(counted) <= {S.SUCCEEDED, S.PENDING} for counted in states.values())

        # and then for all that live
        budget = living + 0.01
        result = await many.run(many.jobs, budget, assume_price=GUESS)
        assert result.exit_status == 3
        assert many.count_states() == {
            model: {S.PENDING if model in REPLACED else S.SUCCEEDED: EACH} for model in made_of
        }
        assert DEPRECATED in made_of
        assert many.count_spent() == pytest.approx(living)
        with night.store() as store:
            assert store.spend() == (pytest.approx(living), 0)
            said = "\n".join([*describe_outcome(result, night.folder), *describe_account(result, store)])
        assert f"10 pending, {result.counts.by_state[S.SUCCEEDED]} succeeded" in said
        for old, new in REPLACED.items():
            (words,) = {job.error for job in night.jobs() if job.model == old}
            assert words is not None
            assert f"{old} was withdrawn on 2026-06-30; use {new} instead" in words
            assert f"`batchveo retry --model {old} --to {new} --state {night.state}`" in words
            assert f"5 jobs put aside: {words[:60]}" in said

        # under other models
        bought = len(night.service.generations)
        for old in REPLACED:
            assert many.replace_model(old, drop=["negative_prompt"] if old == "google/veo-3.0-fast" else []) == EACH
        result = await many.run(None, 2 * living)
        assert result.exit_status == 0
        states = many.count_states()
        for old, new in REPLACED.items():
            assert (states[old], states[new]) == ({S.CANCELLED: EACH}, {S.SUCCEEDED: EACH})
        assert len(night.service.generations) == bought + EACH * len(REPLACED) == 300
        with night.store() as store:
            assert store.spend() == (pytest.approx(many.count_spent()), 0)

        # the same manifest once more
        assert (await many.run(many.jobs, 2 * living)).exit_status == 0
        assert len(night.service.generations) == 300
        assert many.count_states() == states


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(4))
def test_nights_with_faults(seed: int) -> None:
    """Other models each time; ``python -m tests.simulation.many_models 100`` lives through more of them."""
    live_through(seed)
