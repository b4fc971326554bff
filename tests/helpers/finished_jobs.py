"""A state with videos that succeeded, made without a service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchveo.core.gates import Judgement, Verdict
from batchveo.core.job_row import canonical_json
from batchveo.core.links import ChainPlace, Link, ParentLink
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded, Outcome
from batchveo.core.state_machine import next_state
from batchveo.core.votes import Vote, VoteKind
from batchveo.dataset import Exported, ExportSettings, Format, export
from batchveo.dataset.splits import Splitting
from batchveo.sandbox.sample_clips import sample_video
from batchveo.store import Store
from batchveo.store.takes import NewTake
from tests.helpers.factories import make_spec

HOSTILE = [
    "=cmd|' /C calc'!A0",
    '<script>alert(1)</script> "quoted", with | pipes | and `ticks`',
    "two\nlines\tand a tab, a line\u2028separator",
    "---\nlicense: mit\n---\n# [x](javascript:alert(1))",
    "猫が窓の外を見る 🐈‍⬛ قطة",
    "x" * 5000,
]


@dataclass
class Morning:
    """A state and its videos, the morning after."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "b.db"

    @property
    def videos(self) -> Path:
        return self.folder / "videos"

    @property
    def dataset(self) -> Path:
        return self.folder / "dataset"

    @contextmanager
    def store(self, *, writing: bool = True) -> Iterator[Store]:
        with Store(self.state, writing=writing) as store:
            yield store

    def make(self, name: str, *, prompt: str | None = None, cost: float | None = 0.5, **changes: Any) -> Job:
        """A job that succeeded, with its video on disk."""
        model = changes.pop("model", "google/veo3")
        request = {"model": model, "prompt": prompt or name, **changes.pop("request", {})}
        clip = changes.pop("clip", "sea")
        with self.store() as store:
            if store.runs.find_latest() is None:
                run = store.runs.begin_run(command="run", service="https://s.example", now=1.0)
                store.runs.end_run(run, status=0, now=1.0)
            store.imports.add_jobs([make_spec(name, model=model, request=request, **changes)], run=1, now=1.0)
            return self._finish_next(store, name, cost, clip)

    def _finish_next(self, store: Store, name: str, cost: float | None, clip: str = "sea") -> Job:
        """The next pending job, done, with its video on disk."""
        content = sample_video(clip, label=name, seconds=4, portrait=False)
        job = store.transitions.claim_job(run=1, now=2.0)
        assert job is not None
        path = self.videos / f"{job.stem}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        assert job.name == name, "another pending job came first"
        job = _move(store, job, Accepted(generation_id=f"g-{name}"))
        job = _move(store, job, Completed(url="https://x/v", cost_usd=cost))
        digest = hashlib.sha256(content).hexdigest()
        stored = Downloaded(folder=str(self.videos), file=f"{job.stem}.mp4", bytes=len(content), sha256=digest)
        return _move(store, job, stored)

    def make_chain(self, name: str, length: int, *, made: int | None = None) -> list[Job]:
        """Jobs ``name-1`` and so on, each from the last frame of the one before; ``made`` of them are made, or all."""
        jobs = [self.make(f"{name}-1")]
        for number in range(2, length + 1):
            is_made = made is None or number <= made
            jobs.append(self.link(f"{name}-{number}", ("image_url", jobs[-1], "last"), is_made=is_made))
        return jobs

    def link(self, name: str, *takes: tuple[str, Job, str], is_made: bool = True, **changes: Any) -> Job:
        """A job whose parameters take parts of others' videos, each a parameter, a job and a part; made, or pending."""
        first = takes[0][1]
        chain = first if first.chain is None else self.read(first.chain)
        place = ChainPlace(
            chain=chain.id,
            link=max(self.read(parent.seq).link for _, parent, _ in takes) + 1,
            parents=tuple(ParentLink(part=part, parent=parent.id, takes_data=True) for _, parent, part in takes),
        )
        model, clip = "google/veo-3-1-lite-generate-preview", changes.pop("clip", "sea")
        links = {field: Link(part, parent.id).reference for field, parent, part in takes}
        request = {"model": model, "prompt": changes.pop("prompt", name), **links}
        with self.store() as store:
            store.imports.add_jobs(
                [make_spec(name, model=model, request=request, chain=place, **changes)], run=1, now=1.0
            )
            (job,) = store.queries.find_jobs(name)
            if not is_made:
                return job
            for record in store.links.list_links(job):
                source = store.links.find_source(record)
                assert source is not None
                store.links.fill_frame(record, source, f"{record.part} of {source.sha256}".encode(), run=1, now=1.0)
            return self._finish_next(store, name, 0.5, clip)

    def read(self, seq: int) -> Job:
        with self.store(writing=False) as store:
            return store.queries.read_job(seq)

    def judge(self, job: Job, gate: str = "") -> Job:
        """Accept the clip of ``job``, or reject it by ``gate``."""
        verdict = Verdict.REJECTED if gate else Verdict.ACCEPTED
        with self.store() as store:
            judgement = Judgement(verdict=verdict, gate=gate)
            return store.verdicts.record_verdict(job, judgement, run=1, now=20.0).job

    def make_again(self, job: Job, gate: str = "") -> Job:
        """Reject the clip of ``job``, and make another take of it, which succeeds; returns the take."""
        with self.store() as store:
            take = NewTake(request=canonical_json(job.request), tries=3)
            judgement = Judgement(verdict=Verdict.REJECTED, gate=gate)
            added = store.verdicts.record_verdict(job, judgement, run=1, now=20.0, take=take).added
            assert added is not None
            return self._finish_next(store, added.name, 0.5)

    def vote(self, kind: VoteKind, job: Job, other: Job | None = None, *, person: str = "ann", **changes: Any) -> None:
        """Record what a person says of ``job``."""
        seq = None if other is None else other.seq
        with self.store() as store:
            store.votes.record_vote(Vote(person=person, kind=kind, job=job.seq, other=seq, **changes))

    def export(self, *formats: Format, split: str = "auto", by: str = "prompt", **changes: Any) -> Exported:
        """Export into the dataset's folder."""
        settings = ExportSettings(
            formats=formats or (Format.VIDEOFOLDER,), splitting=Splitting(how=split, by=by), **changes
        )
        with self.store() as store:
            return export(store, self.dataset, settings)

    def metadata(self, split: str = "train") -> list[dict[str, Any]]:
        """The rows of a split's metadata.jsonl."""
        text = (self.dataset / split / "metadata.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def job(self, name: str) -> Job:
        with self.store(writing=False) as store:
            (job,) = store.queries.find_jobs(name)
            return job

    def jobs(self) -> list[Job]:
        with self.store(writing=False) as store:
            return list(store.jobs(JobState.SUCCEEDED))


def _move(store: Store, job: Job, outcome: Outcome) -> Job:
    step = next_state(job, outcome, now=10.0, jitter=0.0)
    assert step is not None
    return store.transitions.apply_move(job, step, run=1, now=10.0)
