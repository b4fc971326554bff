"""Ids of jobs, and the tables that find equal ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

from batchveo.core.job_row import canonical_json
from batchveo.manifest.job_ids import FirstPlaces, JobIds, Place
from tests.helpers.manifests import T2V, jobs


def test_ids_are_pinned() -> None:
    """The id of a job must never change: it is what keeps a job from being bought again."""
    request = canonical_json({"prompt": "A café", "model": "google/veo3", "seed": 1})
    canonical = rb'{"index":2,"request":{"model":"google/veo3","prompt":"A caf\u00e9","seed":1}}'
    again = canonical.replace(b'"request"', b'"occurrence":1,"request"')
    ids, first = JobIds(), Place("a.csv", 2)
    assert ids.assign_id(request, 2, None, first) == (hashlib.sha256(canonical).hexdigest()[:20], None)
    assert ids.assign_id(request, 2, None, Place("b.csv", 7)) == (hashlib.sha256(again).hexdigest()[:20], first)


def test_ids_of_whole_jobs_are_pinned(tmp_path: Path) -> None:
    """As they have been from the first version: an id that changes is a video paid twice."""
    fox = f"- {{model: {T2V}, prompt: A fox, seed: 7, duration: 8}}\n"
    mine = f"""- {{model: {T2V}, prompt: 'Füchse, 狐 and 🦊: "quoted" \\ back', repeat: 2, id: mine}}\n"""
    pets = f"- {{model: {T2V}, prompt: 'A {{pet}}', matrix: {{pet: [cat, dog]}}}}\n"
    assert [job.id for job in jobs(tmp_path, fox * 3 + mine + pets)] == [
        "0ca8685ffc1d2f631112",
        "d31847a6e3c8254a1a37",
        "a33c91affdcd83036735",
        "6c21d2718ff45850dc9e",
        "0bc94dfe5aab99afd3ff",
        "7df1a3368ba09d86f9f9",
        "72814ebacea714ffcf94",
    ]


def test_the_first_place_of_each_of_many_keys() -> None:
    """Also of keys that meet in one slot, and at both ends of the table; files take turns."""
    places = FirstPlaces()
    keys = [
        *range(1, 1000),
        *(number << 20 for number in range(1, 1000)),
        *(2**60 - number for number in range(1, 1000)),
    ]
    first = [Place("ab"[number // 100 % 2], number + 1) for number in range(len(keys))]
    assert [places.take_key(key, place) for key, place in zip(keys, first, strict=True)] == [None] * len(keys)
    assert [places.take_key(key, Place("c", 1)) for key in keys] == first
