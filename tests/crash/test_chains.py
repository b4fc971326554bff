"""Runs of chains that really die: each link is bought once, of the verified video of the one before."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from batchveo.core.models import Job, JobState
from batchveo.sandbox import Service, Settings, running
from tests.crash.child import OF_CHAINS, PLAIN_FRAMES
from tests.crash.test_crashes import child, finished, jobs_of, wait_for
from tests.helpers.chains import assert_frames_sent
from tests.helpers.process_server import ServedProcess, start_process
from tests.helpers.samples import sample_cases
from tests.simulation.chains import check_sent

pytestmark = pytest.mark.slow
MANIFEST = """
- model: google/veo-3-1-lite-generate-preview
  name: "shot-{index}"
  repeat: CHAINS
  chain: [LINKS]
"""
SETTINGS = Settings(generation_median=0.2, log_lag=0.3, balance=1e6)


def write_chains(folder: Path, chains: int, links: int) -> None:
    prompts = ", ".join(f'"link {number} of {{index}}"' for number in range(links))
    manifest = MANIFEST.replace("CHAINS", str(chains)).replace("LINKS", prompts)
    (folder / "m.yaml").write_text(manifest)


def assert_bought_once(service: Service, jobs: Sequence[Job]) -> None:
    bought = [str(generation.client_request_id).split(".")[1] for generation in service.generations]
    assert len(bought) == len(set(bought)) == len(service.charges())
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * len(jobs)
    assert set(bought) == {job.id for job in jobs}


def has_bought(service: Service, generations: float) -> bool:
    return len(service.generations) >= generations


@pytest.mark.parametrize("point", sample_cases(OF_CHAINS, size=1))
def test_death_while_a_link_is_filled(tmp_path: Path, point: str) -> None:
    """Then a run to the end."""
    pytest.importorskip("av", reason="frames need the extra media")
    write_chains(tmp_path, chains=2, links=3)
    service = Service(SETTINGS)
    with running(service) as url:
        assert finished(child(tmp_path, point, 2, url)) == 77
        assert finished(child(tmp_path, "none", 0, url)) == 0
    jobs = jobs_of(tmp_path)
    assert_bought_once(service, jobs)
    assert_frames_sent(service, jobs)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("chains", "kills"), [(12, 4), (1000, 10)], ids=("few", "thousand"))
def test_sigkill_of_chains_of_five(tmp_path: Path, chains: int, kills: int) -> None:
    """Kills spread over the run, then a run to the end: nothing is bought twice, and no link is lost."""
    write_chains(tmp_path, chains, links=5)
    rng = random.Random(chains)
    service = Service(SETTINGS)
    concurrency = 4 if chains < 100 else 40

    def start() -> ServedProcess:
        # a request that was about to leave when its process died is sent again once the log is silent about it
        arguments = ["tests.crash.child", PLAIN_FRAMES, "0", "m.yaml", url, str(concurrency), "resubmit"]
        return start_process(*arguments, folder=tmp_path, environment=os.environ, seconds=3600)

    with running(service) as url:
        for number in range(kills):
            enough = chains * 5 * (number + rng.random()) / kills
            process = start()
            wait_for(process, partial(has_bought, service, enough))
            process.send_signal(signal.SIGKILL)
            finished(process)
        status = finished(start())
    jobs = jobs_of(tmp_path)
    assert (len(jobs), status) == (chains * 5, 0)
    assert_bought_once(service, jobs)
    verified = {job.id: job.finished_at or 0.0 for job in jobs}
    requests = {job.id: job.request for job in jobs}
    check_sent(requests, jobs, service.generations, good_at=verified, is_good=lambda job: True)
