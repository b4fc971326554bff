"""How long a dataset of many small clips takes: made, made again, with new clips, in shards."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from batchveo.sandbox.sample_clips import sample_video
from benchmarks.processes import Finished, batchveo, run
from benchmarks.rows import Row, at_most
from benchmarks.spaces import workspace
from benchmarks.states import state_of

MOST_SECONDS, MOST_SECONDS_SHARDS = 20.0, 60.0
MOST_MEGABYTES = 100.0
FORMATS = ("videofolder", "jsonl", "csv", "parquet")

# the states of a benchmark have all their jobs' columns; a clip of its own makes each job one that succeeded
_PLACE = """UPDATE jobs SET folder = :folder, bytes = :bytes, sha256 = :sha256, file = 'take ' || seq || '.mp4'
    WHERE seq = :seq"""
_SUCCEED = """UPDATE jobs SET state = 'succeeded', generation_id = 'gen-' || id, completed_at = created_at + 90,
    submitted_at = created_at, finished_at = created_at + 95, error = NULL WHERE file IS NOT NULL AND seq <= :last"""
_WAIT = "UPDATE jobs SET state = 'pending' WHERE seq > :first"


def measure(*, quick: bool) -> list[Row]:
    """Each step in one folder after the other; the shards in a folder of their own."""
    clips, new = (1_000, 100) if quick else (100_000, 10_000)
    with workspace() as folder:
        state = _make_state(folder, clips, new)
        first = _export(state, folder / "dataset")
        again = _export(state, folder / "dataset")
        _add_clips(state, clips + new)
        more = _export(state, folder / "dataset")
        shards = _export(state, folder / "shards", "webdataset")
        tables = _export(state, folder / "tables", *FORMATS)
    return [
        _row(f"export of {clips:,} clips", first),
        *_bounded(f"export of {clips:,} clips again", again),
        *_bounded(f"export of {clips:,} clips with {new:,} new", more),
        _row(f"export of {clips + new:,} clips as webdataset", shards, MOST_SECONDS_SHARDS),
        _row(f"export of {clips + new:,} clips as {', '.join(FORMATS)}", tables),
    ]


def _make_state(folder: Path, clips: int, new: int) -> Path:
    """A state with ``clips`` succeeded jobs, and the files of ``new`` more, whose jobs are pending."""
    state = Path(shutil.copyfile(state_of(clips + new), folder / "batchveo.db"))
    videos = folder / "videos"
    videos.mkdir()
    with closing(sqlite3.connect(state)) as db, db:
        db.execute(_WAIT, {"first": clips})
        for seq in range(1, clips + new + 1):
            content = sample_video("small", label=str(seq), seconds=1, portrait=False)
            (videos / f"take {seq}.mp4").write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            place = {"folder": str(videos), "bytes": len(content), "sha256": digest, "seq": seq}
            db.execute(_PLACE, place)
        db.execute(_SUCCEED, {"last": clips})
    return state


def _add_clips(state: Path, last: int) -> None:
    with closing(sqlite3.connect(state)) as db, db:
        db.execute(_SUCCEED, {"last": last})


def _export(state: Path, folder: Path, *formats: str) -> Finished:
    chosen = [word for name in formats for word in ("--format", name)]
    return run(batchveo("export", folder, "--state", state, "--split", "0.9/0.05/0.05", *chosen))


def _row(name: str, took: Finished, most: float | None = None) -> Row:
    target = None if most is None else at_most(most)
    details = f"{took.cpu:.1f} s of processor, {took.rss / 1e6:.0f} MB"
    return Row(name=name, figure=took.wall, unit="s", target=target, details=details)


def _bounded(name: str, took: Finished) -> list[Row]:
    memory = Row(name=f"{name}: memory", figure=took.rss / 1e6, unit="MB", target=at_most(MOST_MEGABYTES))
    return [_row(name, took, MOST_SECONDS), memory]
