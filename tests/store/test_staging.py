"""Jobs that an earlier version knew by another id are not bought again."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import unicodedata
from pathlib import Path

import pytest
from sqlite_utils import Database

from batchveo.core.job_row import JobRow, canonical_json
from batchveo.core.models import JobState
from batchveo.manifest import Manifests
from batchveo.store import StagingTable, Store, preview_jobs
from batchveo.store.database import APPLICATION_ID
from batchveo.store.migrations import list_migrations
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import make_chain
from tests.helpers.factories import make_spec

MODEL = "google/veo-3.1-t2v"
NFD = unicodedata.normalize("NFD", "A café")


def old_id(prompt: str, occurrence: int = 0, index: int = 0) -> str:
    """The id by the rule of the earlier version: the hash of what was written, as it was written."""
    again = {"occurrence": occurrence} if occurrence else {}
    identity = {"index": index, **again, "request": {"model": MODEL, "prompt": prompt}}
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def old_state(path: Path, *jobs: tuple[str, str]) -> None:
    """A state as the earlier version left it, with these ids and prompts bought."""
    db = Database(path)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    list_migrations().apply(db, stop_before="normal_keys")
    with db.conn:
        db.execute(
            "INSERT INTO runs (id, command, service, version, host, pid, started_at)"
            " VALUES (1, 'run', '', '', '', 1, 0)"
        )
        for seq, (job_id, prompt) in enumerate(jobs, 1):
            request = canonical_json({"model": MODEL, "prompt": prompt})
            db.execute(
                "INSERT INTO jobs (seq, id, name, stem, fold, state, model, request, run, generation_id, file,"
                " sha256, created_at) VALUES (?, ?, ?, ?, ?, 'succeeded', ?, ?, 1, ?, 'x', 'x', 0)",
                (seq, job_id, job_id, job_id, job_id, MODEL, request, f"g{seq}"),
            )
        db.execute("UPDATE tallies SET jobs = ? WHERE state = 'pending'", (0,))
        db.execute("INSERT OR REPLACE INTO tallies VALUES ('succeeded', 0, ?)", (len(jobs),))
    db.close()


def named(path: Path, *prompts: str) -> StagingTable:
    """What a manifest of these prompts names."""
    manifest = path / "m.jsonl"
    manifest.write_text("".join(json.dumps({"model": MODEL, "prompt": prompt}) + "\n" for prompt in prompts))
    scratch = StagingTable()
    with Manifests([manifest]) as manifests:
        manifests.read(scratch.add_rows)
    return scratch


def run(path: Path, *prompts: str) -> tuple[int, int, int]:
    """Named, new and no longer named jobs when such a manifest is run; the plan has to say the same before."""
    state = path / "batchveo.db"
    with named(path, *prompts) as scratch:
        new = sum(job.state is None for job in preview_jobs(scratch, state))
    with Store(state) as store, named(path, *prompts) as scratch:
        added = store.imports.add_jobs(scratch, run=1, now=0.0)
    assert added.new == new
    return added.named, added.new, sum(added.no_longer_named.values())


def test_the_rule_of_the_earlier_version(tmp_path: Path) -> None:
    """Written out here once more; of texts in normal form the ids are the same today."""
    with named(tmp_path, "A cat", "A cat") as scratch:
        assert [row[0] for row in scratch.connection.execute("SELECT id FROM named")] == [
            old_id("A cat"),
            old_id("A cat", 1),
        ]


@pytest.mark.parametrize(
    ("bought", "asked"),
    [
        ("A cat ", "A cat "),
        ("A cat ", "A cat"),
        ("A cat", "A cat "),
        ("A cat", "\ufeffA cat\u200b"),
        (" A cat", "A cat\n"),
        (NFD, NFD),
        (NFD, "A café"),
        ("A café", NFD),
        (NFD, "A café "),
    ],
)
def test_a_blank_or_an_accent_is_not_bought_again(bought: str, asked: str, tmp_path: Path) -> None:
    """Whichever of the two versions has it, in the state or in the manifest."""
    old_state(tmp_path / "batchveo.db", (old_id(bought), bought))
    assert run(tmp_path, asked) == (1, 0, 0)
    assert run(tmp_path, asked) == (1, 0, 0)
    with Store(tmp_path / "batchveo.db") as store:
        assert store.counts()[JobState.SUCCEEDED] == 1


def test_several_that_differ_in_a_blank(tmp_path: Path) -> None:
    """Two were bought as two; the same manifest names the same two, and a shorter one leaves one out."""
    old_state(
        tmp_path / "batchveo.db",
        (old_id("A cat"), "A cat"),
        (old_id("A cat "), "A cat "),
        (old_id("A cat", 1), "A cat"),
    )
    assert run(tmp_path, "A cat", "A cat ", "A cat") == (3, 0, 0)
    assert run(tmp_path, "A cat ", "A cat", "A cat") == (3, 0, 0)
    assert run(tmp_path, "A cat") == (1, 0, 0)
    assert run(tmp_path, "A cat", "A cat", "A cat") == (3, 0, 0)
    assert run(tmp_path, "A cat", "A cat", "A cat", "A cat") == (4, 1, 0)
    assert run(tmp_path, "A cat ", "A cat ", "A cat ", "A cat ") == (4, 0, 0)


def test_what_is_new_is_bought(tmp_path: Path) -> None:
    """Another text, another index, or one more of the same."""
    old_state(tmp_path / "batchveo.db", (old_id("A cat "), "A cat "))
    assert run(tmp_path, "A dog", "A cat", "A cat") == (3, 2, 0)


def test_only_those_have_a_key(tmp_path: Path) -> None:
    """Ids that are the same by both rules need none, and most states have no other."""
    old_state(tmp_path / "batchveo.db", (old_id("A cat"), "A cat"), (old_id("A dog "), "A dog "))
    Store(tmp_path / "batchveo.db").close()
    with sqlite3.connect(tmp_path / "batchveo.db") as db:
        assert db.execute("SELECT id FROM jobs WHERE normal_key IS NOT NULL").fetchall() == [(old_id("A dog "),)]
    db.close()


def test_a_job_of_today_differs_in_a_blank(tmp_path: Path) -> None:
    """With a state of today nothing has to be recognised: the id says it."""
    Store(tmp_path / "batchveo.db").close()
    old = tmp_path / "old"
    old.mkdir()
    old_state(tmp_path / "old" / "batchveo.db")
    assert run(old, "A cat ") == (1, 1, 0)
    assert run(old, "A cat") == (1, 0, 0)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [(0, []), (1, [0]), (2, [0, 1]), (5, [0, 1, 2, 3, 4]), (9, [0, 3, 4, 7, 8]), (101, [0, 26, 50, 76, 100])],
)
def test_a_sample_is_spread_over_all_jobs(jobs: int, expected: list[int]) -> None:
    """The first and the last are in it, and each job once."""
    specs = [make_spec(f"job {number}", request={"model": "veo2", "prompt": str(number)}) for number in range(jobs)]
    with StagingTable() as table:
        table.add_rows(map(JobRow.from_spec, specs))
        assert table.pick_sample(5) == [specs[number] for number in expected]
        assert len(table.pick_sample(4)) == min(jobs, 4)


def test_how_many_jobs_of_a_chain_follow_each_other(tmp_path: Path) -> None:
    """Two children of one parent are made at the same time; what was submitted already is not made."""
    chain, state = make_chain(4), tmp_path / "batchveo.db"
    twin = make_spec("twin", request={**chain[3].request, "prompt": "other"}, chain=chain[3].chain)
    with StagingTable() as table, Store(state) as store:
        assert table.measure_row(None) == 1
        table.add_rows(map(JobRow.from_spec, [*chain, twin, *make_chain(2, "short"), make_spec("single")]))
        assert table.measure_row(None) == 4
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs(chain, run=run, now=1.0)
        assert table.measure_row(state) == 4
        moved_on(store, run, JobState.GENERATING, now=2.0)
        assert table.measure_row(state) == 3
