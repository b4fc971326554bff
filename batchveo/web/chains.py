"""The chain of a job as the page shows it: a strip of its links in order, and the branches beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from batchveo.core.links import LAST, VIDEO, find_beginning
from batchveo.core.models import Job
from batchveo.store import Store
from batchveo.web import serializers
from batchveo.web.file_presence import VideoPresence


def make_strip(store: Store, job: Job, presence: VideoPresence) -> dict[str, object]:
    """``strip``: the cards of the ``links`` of the chain through ``job``, and its ``branches``; ``None`` without one.

    ``begins_with`` of a link: ``last``, the last frame of the link before, ``video``, all of it (if the model returns
    it), or ``None``.
    """
    line = store.chains.read_line(job)
    if len(line.links) < 2:
        return {"strip": None}
    cards = serializers.make_cards(store, store.search.read_cards(line.links), presence)
    links = [{**card, "begins_with": name_beginning(store.queries.read_job(int(str(card["seq"]))))} for card in cards]
    return {"strip": {"links": links, "branches": [asdict(branch) for branch in line.branches]}}


def make_lines(store: Store, jobs: Sequence[Job]) -> tuple[list[dict[str, object]], dict[str, int]]:
    """The lines of the chains of ``jobs``: ids of ``links``, ``branches``; by id of a job the number of its line."""
    lines: list[dict[str, object]] = []
    line_of: dict[str, int] = {}
    ids = {job.seq: job.id for job in jobs}
    known = set(ids.values())
    for job in jobs:
        if job.id in line_of:
            continue
        line = store.chains.read_line(job)
        if len(line.links) < 2:
            continue
        links = [ids[seq] for seq in line.links if seq in ids]
        for key in (job.id, *links):
            line_of.setdefault(key, len(lines))
        branches = [asdict(branch) for branch in line.branches if branch.id in known]
        lines.append({"links": links, "branches": branches})
    return lines, line_of


def name_beginning(job: Job) -> str | None:
    """The part of another video that the clip of ``job`` begins with: ``last`` or ``video``; ``None`` if with none."""
    beginning = find_beginning(job.request)
    return beginning.part if beginning is not None and beginning.part in (LAST, VIDEO) else None
