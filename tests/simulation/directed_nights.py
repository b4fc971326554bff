"""Nights that look for the situations of one group of faults, until each of them was visited."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from batchveo.core.settings import Doubt
from batchveo.engine.cluster.protocol import Method
from batchveo.engine.cluster.remote_broker import PERMISSION_SECONDS
from batchveo.engine.recorder import GROUP_TURNS
from batchveo.sandbox import FAULTS, Settings
from tests.helpers.faulty_wire import NO_FAULTS, WireFaults
from tests.simulation.observer import RESUMED, Observer
from tests.simulation.remote_run import SILENT_SECONDS, Fate, Mishap, RemotePlan
from tests.simulation.situations import GIVEN_UP, GROUPS, LOCAL, NONE, REMOTES, Situation, select_group
from tests.simulation.world import Plan

MOST_NIGHTS = 24
"""Nights for one group and one kind of worker; one to ten suffice today."""
AT_ONCE = (3, 5, 8)
"""Faults of the service in one night."""
JOBS = (12, 20, 30)
FEW_JOBS = (8, 12, 16)
"""In nights of late faults whose worker is given up: with more jobs, one takes ten seconds and visits no more."""
LOG_LAG = 6.0
LATE_LOG_LAG = 20.0
"""Longer than the answer to a submit may take: else the log names the generation of a given-up worker before it does,
and nothing is left to record when its answer comes."""
MIXED_IN: Mapping[str, Mapping[str, float]] = {
    "nothing": {"lose-answer": 0.2, "generation-error": 0.2, "slow-body": 0.3},
    "downloads": {"reset-body": 0.2},
    "the log": {"lose-answer": 0.25, "generation-error": 0.2, "poll-403": 0.2},
    "the database": {"lose-answer": 0.2, "generation-error": 0.2},
    "the clock": {"lose-answer": 0.2, "generation-error": 0.4},
}
"""Faults that bring jobs into the states that a group needs, with their chances."""
FATAL = {"403-plan", "404-withdrawn"}
ALONE = {"refused models", "the log"}
"""Groups whose faults come alone, since they would hide each other."""


def direct_night(group: str, worker: str, seed: int, left: frozenset[Situation]) -> Plan:
    """A night that looks for the situations in ``left``."""
    seed += zlib.crc32(f"{group} {worker}".encode()) % 1_000_000 * 10_000  # each group has nights of its own
    rng = random.Random(seed)
    wanted = [fault for fault in GROUPS[group] if any(aim.fault == fault for aim in left)]
    named = [fault for fault in wanted if fault in FAULTS]
    at_once = rng.choice(AT_ONCE) if group not in ALONE else 1
    chosen = rng.sample(named, k=min(at_once, len(named)))
    others = set(wanted) - set(named)
    aims = frozenset(aim for aim in left if aim.fault in chosen or aim.fault in others)
    faults = {**MIXED_IN.get(group, {}), **{fault: 1.0 if fault in FATAL else 0.8 / len(chosen) for fault in chosen}}
    if group == "nothing" and {aim.state for aim in aims} == {"failed"}:
        faults["generation-error"] = 0.6  # few jobs are left to fail
    if group == "the log" and "401" in chosen:
        faults["401"] = 0.15  # a submit that gets it ends the run
    if worker == LOCAL and group in ("nothing", "the clock") and any(aim.state == "claimed" for aim in aims):
        # what a death after the intent leaves
        aims |= {Situation(NONE, "pending", "after-intent", LOCAL)}
    lag = LOG_LAG if group in ("the log", "the clock") or worker == GIVEN_UP else 1.0
    if worker == GIVEN_UP and "late-answer" in chosen:
        lag = LATE_LOG_LAG
    service: dict[str, Any] = {
        "generation_median": 3.0,
        "log_lag": lag,
        "latency": 2.0 if worker == GIVEN_UP else rng.choice([0.0, 0.2]),
        "late_by": 10.0,
        "concurrency": 2 if "limit-concurrency" in others else None,
        "rate_per_minute": 6 if "limit-rate" in others and "limit-concurrency" not in others else None,
        "log_calls_per_minute": 2 if "log-429" in others and rng.random() < 0.5 else 200,
        "url_ttl": None,
        "unknown_for": 100.0 if worker == GIVEN_UP else 2.0,
    }
    if "expiring-url" in chosen:
        faults |= {"expiring-url": 0.7, "slow-body": 0.2}
        service |= {"url_ttl": 1.5, "latency": 0.7}
    settle = 12 * lag + 5.0
    if RESUMED & set(chosen):
        faults |= {"reset-body": 0.4}
    remote = None if worker == LOCAL else _direct_workers(group, worker, rng, chosen or wanted)
    if remote is not None:
        settle += PERMISSION_SECONDS + remote.longest_freeze
        service["per_key"] = True
    return Plan(
        seed=seed,
        jobs=min(
            rng.choice(FEW_JOBS if worker == GIVEN_UP and group in ("endings", "downloads") else JOBS),
            max(FEW_JOBS[0], 2 * len(aims)),
        ),
        run={
            "concurrency": 8,
            "downloads": 1 if "expiring-url" in chosen else 2,
            "budget": None,
            "settle": settle,
            "patience": 1800.0,
            "when_in_doubt": Doubt.HOLD if group == "the clock" else Doubt.RESUBMIT,
            "poll_interval": None,
            "tries": 3,
        },
        service=Settings(**service, faults=faults, seed=seed),
        kills=(),
        crash_chance=0.03 if group in ("the clock", "nothing") else 0.0,
        remote=remote,
        loses_database=group == "a lost database",
        group_turns=rng.choice([0, 3, GROUP_TURNS]),
        aims=aims,
        chains=("frames", "joined") if any(aim.state == "waiting" for aim in aims) else (),
    )


def _direct_workers(group: str, worker: str, rng: random.Random, wanted: list[str]) -> RemotePlan:
    wire_faults, submits = NO_FAULTS, "sent" in {state for states in GROUPS[group].values() for state in states}
    if group == "the wire":
        wire_faults = WireFaults(lose_call=0.15, lose_answer=0.15, repeat=0.2, straggle=1.0, delay=0.2)
    elif worker == GIVEN_UP or group in ("nothing", "mishaps", "the clock"):
        wire_faults = WireFaults(delay=0.5)
    resumes = RESUMED.issuperset(wanted)
    workers = 3 if worker == REMOTES else 1 + (worker == GIVEN_UP)
    if worker == GIVEN_UP:
        # given up before the request leaves, or frozen until after that; both in the moment after a step
        fates = tuple(
            Fate(
                at=0.0 if submits or (nth % 4 == 1 and not resumes) else rng.uniform(0.3, 1.5),
                what=Mishap.ZOMBIE if submits or (nth % 4 == 1 and not resumes) else Mishap.FREEZE,
                slot=0,
                seconds=SILENT_SECONDS + 25.0,
                method=Method.MARK_SENT if submits else Method.RECORD,
                nth=nth,
            )
            for nth in range(1, 40, 2)
        )
    else:
        what = [Mishap[fault.upper()] for fault in wanted if fault.upper() in Mishap.__members__]
        fates = tuple(
            Fate(
                at=rng.choice([0.0, 0.3, 1.0]),
                what=rng.choice(what),
                slot=0,
                seconds=5.0,
                method=rng.choice([Method.CLAIM, Method.MARK_SENT, Method.RECORD]),
                nth=nth,
            )
            for nth in range(1, 13 if what else 1)
        )
    return RemotePlan(workers=workers, wire_faults=wire_faults, fates=fates, keys=(("a", 8),), latency=0.2)


@dataclass
class Visit:
    """What the nights for a group of faults and a kind of worker came to."""

    left: frozenset[Situation]
    """The situations that none of them has visited."""
    surprises: set[Situation] = field(default_factory=set)
    """Those that they visited though the rule calls them impossible."""


def visit_group(group: str, worker: str, live_plan: Callable[[Plan], Observer]) -> Visit:
    """Live through nights until they have visited the group: each looks for what those before it have not visited."""
    visit = Visit(select_group(group, worker))
    for seed in range(MOST_NIGHTS):
        if not visit.left:
            break
        observer = live_plan(direct_night(group, worker, seed, visit.left))
        visit.left -= observer.visited
        visit.surprises |= observer.surprises
    return visit
