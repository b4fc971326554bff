"""Runs against the look-alike, as a shell sees them: what they print, write and exit with."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import sqlite3
import sys
import tarfile
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from tests.contract.inside import PROGRAM_WITH_QUICK_PROGRESS, commands_by_name
from tests.contract.shell import Event, Finished, Shell
from tests.contract.snapshots import check_snapshot, describe_shape

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="sends signals as a POSIX shell does"),
    pytest.mark.slow,
    pytest.mark.xdist_group("contract"),  # so that the runs are made once
]

MANIFESTS = Path(__file__).with_name("manifests")
ALL_MANIFESTS = ("film.yaml", "table.csv", "lines.jsonl", "lines.txt", "--set", "model=google/veo-3.1-t2v-fast")
QUICK = ("--generation-time", "0.02", "--sigma", "0", "--log-lag", "0")
FAST_POLLS = ("--poll-interval", "0.02")
FORMATS = [word for name in ("videofolder", "webdataset", "jsonl", "csv", "parquet") for word in ("--format", name)]


@dataclass
class Observed:
    """What all runs left behind. ``printed``: by command what it printed with ``--json``, each value decoded."""

    folder: Path
    statuses: dict[str, int] = field(default_factory=dict)
    printed: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    events: list[Event] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def note(self, what: str, finished: Finished) -> Finished:
        """Keep the exit status."""
        self.statuses[what] = finished.status
        return finished

    def keep_json(self, shell: Shell, *arguments: str, what: str = "") -> None:
        """Run a command with ``--json``, and keep what it prints; its status too if ``what`` names it."""
        finished = shell.read(*arguments, "--json")
        whole = arguments[0] in ("plan", "models")
        self.printed[arguments[0]] += [json.loads(finished.out)] if whole else finished.rows
        if what:
            self.note(what, finished)
        else:
            assert finished.status == 0, finished.err


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """The runs, one after the other, each in the folder that the one before left."""
    folder = tmp_path_factory.mktemp("contract") / "shell"
    shutil.copytree(MANIFESTS, folder)
    observed, shell = Observed(folder), Shell(folder)
    _make_videos(observed, shell)
    _fail(observed, shell)
    _stop_within_downloads(observed, shell)
    _lose_the_answers(observed, shell)
    _run_out_of_credits(observed, shell)
    _find_a_video_missing(observed, shell)
    _misuse(observed, shell)
    return observed


def _apart(name: str) -> tuple[str, ...]:
    """Options for a run that shares neither jobs nor videos with others."""
    return "--state", f"{name}.db", "--output", name, "--new-state"


def _make_videos(observed: Observed, shell: Shell) -> None:
    with shell.sandbox(*QUICK) as service:
        limits = ("--budget", "50", "--rate", "1000/min")
        run = shell.run("run", "night.yaml", "--log-json", *limits, *service, *FAST_POLLS)
        observed.events += observed.note("run: every job succeeded", run).events
        observed.keep_json(shell, "status")
        observed.keep_json(shell, "jobs")
        observed.keep_json(shell, "show", "fox 1")  # before it is measured: the clips are drawn by chance
        observed.keep_json(shell, "audit", *service)
        observed.keep_json(shell, "verify")
        observed.keep_json(shell, "check")
        for place, row in enumerate(observed.printed["check"]):  # the clips are drawn by chance, and few may be alike
            row["near_copy_group"] = row["id"] if place else None
        (shell.folder / "clip.csv").write_text("name,score\ndragon,0.3\n", encoding="utf-8")
        observed.keep_json(shell, "annotate", "clip.csv", "--on", "name")
        shell.run("pick", "fox 1")
        observed.keep_json(shell, "pick")
        observed.keep_json(shell, "logs", "fox 1")
        observed.keep_json(shell, "compare")
        observed.keep_json(shell, "models", "veo-3.1")
        observed.keep_json(shell, "export", "dataset", *FORMATS, "--captions", "txt")
        observed.keep_json(shell, "plan", "night.yaml", *service)
        observed.keep_json(shell, "plan", "next.yaml", "--budget", "50", "--keys", "keys.yaml", *service)
        images = ("film.yaml", "--only", "ends", "--check-images")  # a local one: the others are on the internet
        observed.keep_json(shell, "plan", *images, *service, what="plan: an image will be refused")
        observed.note("run: a chain", shell.run("run", "shots.yaml", *_apart("shots"), *service, *FAST_POLLS))
        observed.keep_json(shell, "film", "--all", "--state", "shots.db", "--output", "shots/films")
        (shell.folder / "videos" / "fox 1.mp4").rename(shell.folder / "elsewhere.mp4")
        observed.keep_json(shell, "audit", *service, what="audit: not on disk")
        (shell.folder / "elsewhere.mp4").rename(shell.folder / "videos" / "fox 1.mp4")


def _fail(observed: Observed, shell: Shell) -> None:
    with shell.sandbox(*QUICK, "--fault", "generation-error=1") as service:
        options = (*_apart("failed"), "--keys", "keys.yaml", *service, *FAST_POLLS)
        run = shell.run("run", "night.yaml", "--log-json", *options)
        observed.events += observed.note("run: jobs failed", run).events
    observed.keep_json(shell, "jobs", "--state", "failed.db")
    observed.keep_json(shell, "status", "--state", "failed.db")


def _stop_within_downloads(observed: Observed, shell: Shell) -> None:
    with (
        shell.sandbox(*QUICK, "--fault", "reset-body=1", "--video-bytes", "4500000") as service,
        shell.watch("run", "next.yaml", *service, *FAST_POLLS, program=PROGRAM_WITH_QUICK_PROGRESS) as run,
    ):
        run.wait_for(
            lambda event: event["event"] == "progress",
            *(lambda event, job=job: _has_stumbled(event, job) for job in ("dragon", "boat")),
        )
        observed.note("run: another run holds the state", shell.run("run", "next.yaml", *service))
        observed.keep_json(shell, "status")
        observed.keep_json(shell, "jobs")
        observed.keep_json(shell, "audit", *service, what="audit: never charged")
        observed.keep_json(shell, "audit", "--state", "failed.db", *service, what="audit: unknown generations")
        observed.statuses["run: SIGHUP"] = run.end(signal.SIGHUP)
        observed.events += run.events
    observed.parts = sorted(path.name for path in (shell.folder / "videos").glob("*.part"))


def _has_stumbled(event: Event, name: str) -> bool:
    """Whether it is the event of a download that was cut off, and will be tried again."""
    return event.get("name") == name and event["from"] == event["to"] == "downloading"


def _lose_the_answers(observed: Observed, shell: Shell) -> None:
    with shell.sandbox("--key", "sk-contract", "--log-lag", "1000", "--fault", "lose-answer=1") as service:
        run = shell.run("run", "night.yaml", *_apart("doubt"), "--api-key-file", "third.key", *service)
        observed.note("run: the key is refused", run)
        with shell.watch("resume", "--state", "doubt.db", *service) as resumed:
            resumed.wait_for(lambda event: event["event"] == "waiting", lambda event: event.get("brake") == "pause")
            observed.statuses["resume: SIGTERM"] = resumed.end(signal.SIGTERM)
            observed.events += resumed.events
    observed.keep_json(shell, "status", "--state", "doubt.db")
    observed.keep_json(shell, "jobs", "--state", "doubt.db")


def _run_out_of_credits(observed: Observed, shell: Shell) -> None:
    with shell.sandbox("--balance", "0", "--fault", "throttle=0.5") as service:
        run = shell.run("run", *ALL_MANIFESTS, *_apart("ids"), "--log-json", *service)
        observed.events += observed.note("run: no credits", run).events
        with shell.watch("resume", "--state", "ids.db", "--wait-for-credits", *service) as resumed:
            resumed.wait_for(lambda event: event.get("brake") == "credits", lambda event: bool(event.get("lowered_at")))
            observed.statuses["resume: SIGINT"] = resumed.end(signal.SIGINT)
            observed.events += resumed.events


def _find_a_video_missing(observed: Observed, shell: Shell) -> None:
    (shell.folder / "videos" / "dragon.mp4").unlink()
    observed.keep_json(shell, "verify", what="verify: a video is missing")
    observed.keep_json(shell, "export", "second-dataset", what="export: a video is left out")


def _misuse(observed: Observed, shell: Shell) -> None:
    (shell.folder / "bad.yaml").write_text("jobs: [{model: veo2, promt: A fox}]\n", encoding="utf-8")
    (shell.folder / "bad.db").write_text("not a database at all\n" * 100, encoding="utf-8")
    observed.note("run: problems in the manifest", shell.run("run", "bad.yaml", "--sandbox"))
    observed.note("status: no database", shell.run("status", "--state", "none.db"))
    observed.note("status: not a database", shell.run("status", "--state", "bad.db"))
    observed.note("no such command", shell.run("frobnicate"))
    observed.note("models: no such model", shell.run("models", "no-such-model"))


def test_exit_statuses(observed: Observed) -> None:
    check_snapshot("exit_statuses", dict(sorted(observed.statuses.items())))


def test_events_and_their_fields(observed: Observed) -> None:
    """``run --log-json``: one object a line, its name in ``event``."""
    by_name = defaultdict[str, list[Event]](list)
    for event in observed.events:
        by_name[event["event"]].append(event)
    # on a slow machine a first progress comes before there is anything to estimate by
    by_name["progress"] = [event for event in by_name["progress"] if event["eta_seconds"] is not None]
    check_snapshot("events", {name: describe_shape(events) for name, events in sorted(by_name.items())})


def test_json_of_commands(observed: Observed) -> None:
    """Of every command that has ``--json``."""
    commands = commands_by_name().items()
    have_json = {name for name, command in commands if any("--json" in param.opts for param in command.params)}
    assert set(observed.printed) == have_json
    check_snapshot("json", {name: describe_shape(observed.printed[name]) for name in sorted(have_json)})


def test_kinds_of_findings(observed: Observed) -> None:
    """Those that can be had without buying twice."""
    kinds = {finding["kind"] for audit in observed.printed["audit"] for finding in audit["findings"]}
    check_snapshot("audit_kinds", sorted(kinds))


def test_jobs_and_their_ids(observed: Observed) -> None:
    """Whatever changes here would be bought again by a run over an old database."""
    with _database(observed, "ids.db") as db:
        rows = db.execute("SELECT name, id, stem, repeat_index, request, meta, source, line FROM jobs ORDER BY seq")
        fields = ("name", "id", "stem", "index", "request", "meta", "source", "line")
        jobs = [dict(zip(fields, row, strict=True)) for row in rows]
    decoded = [{**job, "request": json.loads(job["request"]), "meta": json.loads(job["meta"])} for job in jobs]
    check_snapshot("jobs", decoded)


def test_client_request_ids(observed: Observed) -> None:
    """Found again in the usage log, also by later versions."""
    forms = set()
    for job in observed.printed["jobs"]:
        if job["client_request_id"] is not None:
            mark, owner, attempt, nonce = job["client_request_id"].split(".")
            assert (owner, attempt) == (job["id"], str(job["attempts"]))
            forms.add(f"{mark}.<job>.<attempt>.{re.sub('[0-9a-f]', 'x', nonce)}")
    check_snapshot("client_request_id", sorted(forms))


def test_files_of_videos(observed: Observed) -> None:
    """A part is continued, and a video known as a job's own, by its name and its sidecar."""
    tokens = {}
    with _database(observed, "state/batchveo.db") as db:
        for job, generation in db.execute("SELECT id, generation_id FROM jobs"):
            tokens[hashlib.sha256(f"{job} {generation}".encode()).hexdigest()[:8]] = "<sha256 of job and generation>"
            tokens[job[:8]] = "<job>"
    parts = [re.sub("[0-9a-f]{8}", lambda found: tokens.get(found[0], found[0]), name) for name in observed.parts]
    sidecars = sorted((observed.folder / "videos").glob("*.json"))
    described = {
        "beside the database": sorted(path.name for path in (observed.folder / "state").iterdir()),
        "sidecars": [path.name for path in sidecars],
        "parts": parts,
        "sidecar": describe_shape(json.loads(path.read_text(encoding="utf-8")) for path in sidecars),
    }
    check_snapshot("files", described)


def test_datasets(observed: Observed) -> None:
    """Names of the files, columns with their types, and the index by which the next export knows what is there."""
    folder = observed.folder / "dataset"
    index = defaultdict[str, list[Any]](list)
    for line in (folder / ".batchveo-export.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        index[next(iter(record))].append(record)
    job = next(job["id"] for job in observed.printed["jobs"] if job["name"] == "dragon")
    with tarfile.open(folder / "train-000000.tar") as shard:
        members = [member.name.replace(job, "<job>") for member in shard if job in member.name]
    columns = {field.name: str(field.type) for field in parquet.read_schema(folder / "clips.parquet")}
    assert list(json.loads(_first_line(folder / "clips.jsonl"))) == list(columns)
    metadata = json.loads(_first_line(folder / "train/metadata.jsonl"))
    table = parquet.read_table(folder / "clips.parquet")
    assert list(metadata) == [name for name in columns if name in metadata]
    assert all(table.column(name).null_count == table.num_rows for name in columns if name not in metadata)
    assert _first_line(folder / "clips.csv").split(",") == list(columns)
    described = {
        "files": sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()),
        "members of a shard": members,
        "index": {kind: describe_shape(records) for kind, records in index.items()},
        "columns": columns,
    }
    check_snapshot("dataset", described)


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig").splitlines()[0]


def test_database(observed: Observed) -> None:
    """Migrations are applied in this order to the databases that users have: new ones come at the end."""
    with _database(observed, "state/batchveo.db") as db:
        made = db.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
            " AND tbl_name NOT IN ('_sqlite_migrations', 'sqlite_stat1', 'sqlite_stat4') ORDER BY type, name"
        ).fetchall()
        described = {
            "application_id": db.execute("PRAGMA application_id").fetchone()[0],
            "user_version": db.execute("PRAGMA user_version").fetchone()[0],
            "migrations": [
                f"{group}: {name}"
                for group, name in db.execute("SELECT migration_set, name FROM _sqlite_migrations ORDER BY rowid")
            ],
            "columns": {
                name: [f"{column} {type_}" if kind == "table" else column for column, type_ in _columns(db, name)]
                for kind, name, _ in made
                if kind in ("table", "view")
            },
            **{
                kind: {name: " ".join(sql.split()) for other, name, sql in made if other == kind}
                for kind in ("table", "index", "trigger", "view")
            },
        }
    check_snapshot("database", described)


def _columns(db: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    return db.execute("SELECT name, type FROM pragma_table_info(?) ORDER BY cid", (table,)).fetchall()


def _database(observed: Observed, name: str) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(observed.folder / name))
