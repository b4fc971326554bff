"""The situations of a simulated run: a fault × the state of the job that it strikes × the next death × the worker.

- **fault**: what goes wrong. The service's are the sandbox's own (``batchveo.sandbox.settings``) and its limits; the
  world's are the disk, the database and the clock; the wire's are lost and repeated calls between a worker and its
  coordinator; mishaps are a worker's. ``none``: all goes well.
- **state**: the state of the job in the hands of whoever acts for it. ``submitting`` is two: ``claimed`` (the intent is
  recorded, and no byte may have left) and ``sent`` (marked: the request may have arrived). A ``waiting`` job is a
  pending one that waits for the video of another job.
- **crash**: where the process dies next, before anything else befalls that job. Each durable step has three points:
  ``before-X`` (it is not written), ``X-not-flushed`` (it is written, and lost), ``after-X`` (it is on disk, and nobody
  has acted on it), for the link, the intent, the mark and the outcome; a video's file has ``before-rename`` and
  ``after-rename``.
  ``between-steps``: it dies while it waits. ``none``: it lives.
- **worker**: ``local`` (in the coordinator's process), ``remote`` (in another process, the only one), ``remotes`` (one
  of several), ``given-up`` (in another process, and the coordinator counts it as dead).

``explain_impossible`` is the rule that says which of the combinations cannot occur, and why; all others are in
``POSSIBLE``, two of them also in ``BY_CHANCE``. The nights record which of them they visit; a visited one that the rule
excludes fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

from batchveo.sandbox.settings import (
    AFTER_ACCEPTING,
    BEFORE_ACCEPTING,
    DOWNLOAD,
    ENDINGS,
    MODEL,
    POLL,
    URL,
)

NONE = "none"
BETWEEN = "between-steps"
STATES = ("waiting", "pending", "claimed", "sent", "in_doubt", "generating", "downloading", "succeeded", "failed")
WORKERS = LOCAL, REMOTE, REMOTES, GIVEN_UP = "local", "remote", "remotes", "given-up"
POINTS: Mapping[str, tuple[str, ...]] = {
    **{
        step: (f"before-{step}", f"{step}-not-flushed", f"after-{step}")
        for step in ("link", "intent", "mark", "outcome")
    },
    "rename": ("before-rename", "after-rename"),
}
"""The points of each durable step at which a process may die."""
CRASHES = (NONE, *(point for points in POINTS.values() for point in points), BETWEEN)

HEAVY = frozenset({"endless-body"})
"""Faults that move so many bytes that a night would take minutes; ``test_downloader.py`` has them."""
SUBMIT_REFUSED = (*BEFORE_ACCEPTING, "401", "limit-concurrency", "limit-rate")
ACCEPTED = ("late-answer", "generation-id", "priced-answer")
"""Faults whose answer has the id of the generation all the same."""
RENAMED = (NONE, "slow-body", "ignore-range", "changed-etag", "name-refused")
"""Faults of a download that end with a file nevertheless."""
ENDS_RUN = frozenset({"disk-full", "folder-gone", "database-full", "database-locked"})
LOG = ("401", "log-429", "late-log")
WRITTEN = ("waiting", "pending", "claimed", "sent", "in_doubt", "generating", "downloading", "failed")
"""The states that a step of a run leaves."""
WIRE = {
    "call-lost": ("claimed", "sent", "generating", "downloading"),
    "answer-lost": ("pending", "claimed", "sent", "generating", "downloading"),
    "call-repeated": ("pending", "claimed", "sent", "generating", "downloading"),
}
MISHAPS = ("death", "zombie", "freeze")

GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "nothing": {NONE: STATES},
    "refused submits": dict.fromkeys(SUBMIT_REFUSED, ("sent",)),
    "refused models": dict.fromkeys(MODEL, ("sent",)),
    "accepted submits": dict.fromkeys(AFTER_ACCEPTING, ("sent",)),
    "polls": dict.fromkeys((*POLL, "poll-404", "401"), ("generating",)),
    "endings": dict.fromkeys(ENDINGS, ("generating",)),
    "downloads": dict.fromkeys((*(name for name in DOWNLOAD if name not in HEAVY), *URL), ("downloading",)),
    "the log": {"401": ("in_doubt", "failed"), **dict.fromkeys(LOG[1:], ("in_doubt", "generating", "failed"))},
    "the disk": dict.fromkeys(("disk-full", "folder-gone", "name-refused", "file-refused"), ("downloading",)),
    "the database": dict.fromkeys(("database-full", "database-locked"), WRITTEN),
    "the clock": dict.fromkeys(("clock-back", "clock-ahead"), WRITTEN),
    "chains": {"input-gone": ("waiting",)},
    "a lost database": {"database-lost": ("succeeded",)},
    "the wire": WIRE,
    "mishaps": dict.fromkeys(MISHAPS, ("claimed", "sent", "generating", "downloading")),
}
"""The faults that are alike, with the states that each can strike: a fault of a submit strikes a job whose request is
marked as sent, and so on."""


class Situation(NamedTuple):
    """One cell."""

    fault: str
    state: str
    crash: str
    worker: str

    def __str__(self) -> str:
        after = "" if self.crash == NONE else f", then death at {self.crash}"
        return f"{self.fault} on a {self.state} job of a {self.worker} worker{after}"


def list_steps(fault: str, state: str) -> tuple[str, ...]:
    """The durable steps that may be the next one of a job in ``state`` that ``fault`` has struck."""
    match state:
        case "waiting":
            return ("link",)
        case "pending":
            return ("intent",) if fault == NONE else ()
        case "claimed":
            steps = ("mark", "outcome") if fault == NONE else ("mark",)
            return ("outcome",) if fault in MISHAPS or fault.startswith("clock") else steps
        case "downloading":
            return ("rename", "outcome") if fault in RENAMED else ("outcome",)
        case "succeeded":
            return ()
    return ("outcome",)


def explain_impossible(fault: str, state: str, crash: str, worker: str) -> str | None:
    """Why this situation cannot occur; ``None`` if it can."""
    states = {each for group in GROUPS.values() for each in group.get(fault, ())}
    if state not in states:
        return "this fault strikes another step of a job's life"
    if fault in (*WIRE, *MISHAPS) and worker == LOCAL:
        return "a worker in the coordinator's process has no wire, and dies with it"
    if fault == "database-lost" and worker != LOCAL:
        return "the videos of a lost database are found before any worker begins"
    if worker == GIVEN_UP:
        return _explain_given_up(fault, state, crash)
    if crash == NONE:
        return None if fault != NONE else "nothing happens"
    if crash == BETWEEN:
        return None if fault == NONE else "a death before the outcome of the fault is before-outcome"
    if fault in ENDS_RUN:
        return "the run ends without a further step"
    if fault in ("answer-lost", "call-repeated", "freeze"):
        return "the step is done, or delayed only, when this strikes"
    steps = list_steps(fault, state)
    if not any(crash in POINTS[step] for step in steps):
        return "the next step of this job is another one" if steps else "nothing about this job is written next"
    return None


def _explain_given_up(fault: str, state: str, crash: str) -> str | None:
    service = ("sent", "generating", "downloading")
    if fault != NONE and (state not in service or fault in (*LOG[1:], *GROUPS["the disk"], *GROUPS["the database"])):
        return "what a given-up worker does beyond the service's answers is refused"
    if fault in (*WIRE, *MISHAPS, "clock-back", "clock-ahead"):
        return "it was given up by this"
    if crash == NONE:
        return None if fault != NONE else "nothing happens"
    if state != "sent" or fault not in (NONE, *ACCEPTED):
        return "only a generation id is still recorded for a worker that was given up"
    return None if crash in POINTS["outcome"] else "the next step of this job is another one"


FAULTS = tuple(dict.fromkeys(fault for group in GROUPS.values() for fault in group))
POSSIBLE = frozenset(
    Situation(*cell) for cell in product(FAULTS, STATES, CRASHES, WORKERS) if explain_impossible(*cell) is None
)
"""Every situation that can occur."""
BY_CHANCE = frozenset(Situation(fault, "downloading", NONE, GIVEN_UP) for fault in ("ignore-range", "changed-etag"))
"""Those that only a moment decides: a second try of a download, begun just before its worker is given up. Nights may
visit them, and are not made to."""


def select_group(group: str, worker: str) -> frozenset[Situation]:
    """The possible situations of a group of faults and a kind of worker, without those of ``BY_CHANCE``."""
    struck, aimed_at = GROUPS[group], POSSIBLE - BY_CHANCE
    return frozenset(each for each in aimed_at if each.worker == worker and each.state in struck.get(each.fault, ()))
