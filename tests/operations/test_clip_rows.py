"""What scripts read of a clip: nothing that is not known, and the gate only if it is against the clip."""

from __future__ import annotations

from pathlib import Path

from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.core.measures import CheckLevel, Measures
from batchveo.operations.clip_rows import ClipRows, make_verdict_row, read_gate
from tests.helpers.finished_jobs import Morning

GATE = "black_seconds < 0.5"


def test_a_clip_of_which_nothing_is_known(tmp_path: Path) -> None:
    morning = Morning(tmp_path)
    job = morning.make("a")
    with morning.store() as store:
        row = ClipRows(store).make_row(job)
        assert row == {"verdict": None, "gate": None, "take": 1, "take_of": None, "checks": None, "scores": {}}
        assert make_verdict_row(store) == {
            "verdicts": {"accepted": 0, "rejected": 0, "open": 0},
            "rejected_by": {},
            "takes": 0,
        }


def test_an_accepted_clip_has_no_gate_any_more(tmp_path: Path) -> None:
    morning = Morning(tmp_path)
    job = morning.make("a", policy=CheckPolicy(gates=(GATE,)).to_json())
    with morning.store() as store:
        rejected = Judgement(verdict=Verdict.REJECTED, gate=GATE, values={"black_seconds": 1.0})
        judged = store.verdicts.record_verdict(job, rejected, run=None, now=1.0).job
        assert read_gate(store, judged) == GATE
        assert make_verdict_row(store)["rejected_by"] == {GATE: 1}
        store.facts.record_measures(job, Measures(level=CheckLevel.BASIC, frames=1, motion=2.5), now=2.0)
        accepted = store.verdicts.record_verdict(job, Judgement(verdict=Verdict.ACCEPTED), run=None, now=2.0).job
        row = ClipRows(store).make_row(accepted)
        assert (row["verdict"], row["gate"]) == ("accepted", None)
        assert row["checks"] == {"level": "basic", "frames": 1, "motion": 2.5, "mismatches": [], "problems": []}
        assert make_verdict_row(store)["rejected_by"] == {}
