"""Waiting and blocked jobs in the copy of the page."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress

import pytest

from batchveo.core.errors import BatchveoError
from batchveo.core.gates import Judgement, Verdict
from batchveo.core.job_row import canonical_json
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded, GenerationFailed
from batchveo.core.votes import Vote, VoteKind
from batchveo.operations.chain_remake import plan_chains, remake_chains
from batchveo.store import MoveLost, Store
from batchveo.store.job_search import Filter, Waits
from batchveo.store.page_index import PageIndex
from batchveo.store.takes import NewTake
from tests.helpers.chains import make_chain, make_link
from tests.helpers.factories import make_spec
from tests.store.steps import begun, move


def make_forest() -> list[JobSpec]:
    """Chains that branch, and jobs of two parents, among others of none."""
    specs = [make_link("a", {}), make_link("b", {}), make_spec("alone")]
    specs += make_chain(4)
    for number, parent in enumerate((0, 0, 5, 7, 7, 9)):
        specs.append(make_link(f"c{number}", {"last": specs[parent]}))
    specs.append(make_link("both", {"last": specs[0], "first": specs[6]}))
    specs.append(make_link("after both", {"last": specs[-1]}))
    return specs


class Filming:
    """Random steps of the jobs of a forest."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.random, self.run = store, random.Random(seed), begun(store, *make_forest())

    def step(self) -> None:
        """Something that changes what waits for what."""
        jobs = list(self.store.jobs())
        done = [job for job in jobs if job.state is JobState.SUCCEEDED]
        with suppress(MoveLost, BatchveoError, ValueError):
            match self.random.randrange(9):
                case 0 | 1:
                    self._make_next(succeeds=True)
                case 2:
                    self._make_next(succeeds=False)
                case 3:
                    self.store.manual.cancel_job(self.random.choice(jobs), now=8.0)
                case 4:
                    self.store.manual.retry_job(self.random.choice(jobs), now=9.0)
                case 5 if done:
                    self._judge(self.random.choice(done))
                case 6 if done:
                    kind = self.random.choice([VoteKind.PICK, VoteKind.REJECT])
                    self.store.votes.record_vote(Vote(person="ann", kind=kind, job=self.random.choice(done).seq))
                case 7 if self.random.random() < 0.2:
                    planned = plan_chains(self.store, [self.random.choice(jobs)])
                    remake_chains(self.store, planned, now=9.0)
                case _:
                    self._fill(self.random.choice(jobs))

    def _make_next(self, *, succeeds: bool) -> None:
        job = self.store.transitions.claim_job(run=self.run, now=1e9)
        if job is None:
            return
        job = move(self.store, job, Accepted(generation_id=f"g {job.client_request_id}"))
        if not succeeds:
            move(self.store, job, GenerationFailed(reason="refused"))
            return
        job = move(self.store, job, Completed(url="https://x/v", cost_usd=1.0))
        move(self.store, job, Downloaded(folder="/v", file="v.mp4", bytes=1, sha256=f"{job.seq}"))

    def _judge(self, job: Job) -> None:
        take = NewTake(request=canonical_json({**job.request, "seed": self.random.randrange(10**6)}), tries=3)
        verdict = self.random.choice([Verdict.ACCEPTED, Verdict.REJECTED])
        more = take if verdict is Verdict.REJECTED and self.random.random() < 0.5 else None
        self.store.verdicts.record_verdict(job, Judgement(verdict=verdict), run=self.run, now=20.0, take=more)

    def _fill(self, child: Job) -> None:
        for link in self.store.links.list_links(child):
            source = self.store.links.find_source(link)
            if source is not None and link.value is None:
                self.store.links.fill_text(link, source, "x", run=self.run, now=30.0)


@pytest.mark.parametrize("seed", range(4))
def test_waiting_and_blocked_jobs_are_those_of_a_look_at_every_link(store: Store, index: PageIndex, seed: int) -> None:
    """Whatever becomes of their parents, and of the parents of those; a search for them follows too."""
    filming = Filming(store, seed)
    met: Counter[Waits] = Counter()
    for _ in range(60):
        for _ in range(filming.random.randrange(1, 4)):
            filming.step()
        blocked = set(store.waiting.find_blocked())
        pending = [job for job in store.jobs(JobState.PENDING) if job.waits]
        expected = {
            Waits.BLOCKED: [job.seq for job in pending if job.seq in blocked],
            Waits.WAITING: [job.seq for job in pending if job.seq not in blocked],
        }
        for waits, seqs in expected.items():
            met[waits] += len(seqs)
            assert index.find_jobs(Filter(waits=waits), most=99).seqs == seqs
            shots = [seq for seq in seqs if "shot" in store.queries.read_job(seq).name]
            assert index.find_jobs(Filter.of("shot", waits=waits), most=99).seqs == shots
        counted = index.find_jobs(Filter(), most=1).counts["waits"]
        assert counted == {waits.value: len(seqs) for waits, seqs in expected.items() if seqs}
        waits_of = store.waiting.find_waits([job.seq for job in store.jobs()])
        assert {seq for seq, wait in waits_of.items() if wait.is_blocked} == blocked
        assert sorted(waits_of) == [job.seq for job in pending]
    assert min(met.values()) > 0
