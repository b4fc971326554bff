"""The list of jobs, at a terminal and in a pipe."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text

from batchveo.cli import status_of
from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.core.job_row import canonical_json
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import JobState
from batchveo.store import Store
from batchveo.store.takes import NewTake
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import make_chain
from tests.helpers.factories import make_spec
from tests.helpers.store_rows import set_policy

S = JobState
LONG = "a red fox in fresh snow, " * 12 + "at dawn"
ERROR = "the safety filter\twithheld\nthe video: " + "because " * 40 + "of the end"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store("b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(name) for name in (LONG, "狐" * 40, "third", "fourth")], run=run, now=1.0)
        moved_on(store, run, S.GENERATING, S.FAILED, now=2.0, error=ERROR)
        moved_on(store, run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=2.0)
        moved_on(store, run, S.GENERATING, now=2.0, error="set aside: no URL")
    monkeypatch.setenv("BATCHVEO_STATE", "b.db")


def test_in_a_pipe_values_are_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One job a line with tabs between its values, whatever the width is, as `grep` and `cut` like it."""
    monkeypatch.setenv("COLUMNS", "40")
    assert status_of(["jobs"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 4
    assert {len(row) for row in rows} == {17}
    with Store("b.db", writing=False) as store:
        assert [row[0] for row in rows] == [job.id for job in store.jobs()]
    assert rows[0][3] == LONG.strip()
    assert rows[0][7].startswith("the safety filter withheld the video: because")
    assert rows[0][7].endswith("of the end")
    assert [row[1] for row in rows] == ["failed", "succeeded", "generating", "pending"]
    assert "…" not in "".join(map("".join, rows))


def test_only_jobs_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    """With a state too; a model that no job has is an error, not an empty list."""
    with Store("b.db") as store:
        store.imports.add_jobs([make_spec("fifth", model="veo2")], run=1, now=3.0)

    def list_names(*arguments: str) -> list[str]:
        assert status_of(["jobs", *arguments]) == 0
        return [line.split("\t")[3] for line in capsys.readouterr().out.splitlines()]

    assert list_names("--model", "veo2") == ["fifth"]
    assert list_names("--model", "google/veo3", "--state-is", "pending") == ["fourth"]
    assert list_names("--model", "veo2", "--model", "google/veo3", "--state-is", "pending") == ["fourth", "fifth"]
    assert list_names("--model", "veo2", "--state-is", "failed") == []
    assert status_of(["jobs", "--model", "veo22"]) == 2
    assert "no job of the model 'veo22' (did you mean veo2" in capsys.readouterr().err


def test_verdict_gate_measures_and_scores(capsys: pytest.CaptureFixture[str]) -> None:
    """At the end of a line in a pipe, as objects in JSON; a take names the first one by its id."""
    gate = "black_seconds < 0.5"
    rejected = Judgement(verdict=Verdict.REJECTED, gate=gate, values={"black_seconds": 2.0})
    with Store("b.db") as store:
        (job,) = store.jobs(S.SUCCEEDED)
        store.facts.record_measures(job, Measures(level=CheckLevel.BASIC, frames=9, black_seconds=2.0), now=3.0)
        store.facts.record_scores(job, {"clip.score": 0.25}, now=3.0)
        take = NewTake(request=canonical_json(job.request), tries=1)
        added = store.verdicts.record_verdict(job, rejected, run=None, now=3.0, take=take).added
    assert added is not None
    assert status_of(["jobs", "--where", "black_seconds > 1 and clip.score < 0.3"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split("\t")[8:10] == ["rejected", gate]
    assert status_of(["jobs", "--json", "--where", "take_of_nobody.x == null"]) == 0
    rows = {row["id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    first, second = rows[job.id], rows[added.id]
    assert (first["verdict"], first["gate"], first["take"], first["take_of"]) == ("rejected", gate, 1, None)
    assert (first["checks"]["black_seconds"], first["scores"]) == (2.0, {"clip.score": 0.25})
    assert (second["verdict"], second["take"], second["take_of"], second["checks"]) == (None, 2, job.id, None)
    assert status_of(["status", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert (counted["verdicts"]["rejected"], counted["rejected_by"], counted["takes"]) == (0, {}, 0)  # no policy yet
    with Store("b.db") as store:
        set_policy(store, [job], CheckPolicy(gates=(gate,)))
        store.verdicts.record_verdict(job, rejected, run=None, now=4.0)
    assert status_of(["status", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert counted["verdicts"] == {"accepted": 0, "rejected": 1, "open": 0}
    assert (counted["rejected_by"], counted["takes"]) == ({gate: 1}, 1)
    assert status_of(["status"]) == 0
    out = capsys.readouterr().out
    assert "  rejected             1  Clips that fail a gate.\n  rejected by black_seconds < 0.5: 1\n" in out
    assert "1 take added for rejected clips" in out


def show(monkeypatch: pytest.MonkeyPatch, width: int, *arguments: str) -> list[str]:
    """The lines of ``jobs`` at a terminal of this width."""
    screen = Screen()
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", screen)
        patched.setenv("COLUMNS", str(width))
        patched.setenv("TERM", "dumb")
        patched.setenv("LINES", "50")  # rich takes COLUMNS of a dumb terminal only with it
        assert status_of(["jobs", *arguments]) == 0
    return screen.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (60, "id name state cost"),
        (80, "id name state cost time"),
        (100, "id name state model cost time"),
        (120, "id name state model seed duration cost time"),
        (200, "id name state model seed duration cost time"),
    ],
)
def test_at_a_terminal_each_job_has_a_line(width: int, columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a header, names cut in the middle, and errors below; no line is wider than the terminal."""
    lines = show(monkeypatch, width)
    assert max(map(cell_len, lines)) <= width
    assert lines[0].split() == columns.split()
    rows = [line for line in lines[1:] if not line.startswith("  ")]
    assert len(rows) == 4
    assert rows[0].split()[1:3] == ["a", "red"]
    assert "…" in rows[0]
    assert "at dawn  failed" in rows[0]
    assert rows[3].split()[1:3] == ["fourth", "pending"]
    notes = " ".join(line.strip() for line in lines if line.startswith("  "))
    assert notes == " ".join(f"{ERROR} set aside: no URL".split())


def test_below_a_clip_is_the_gate_that_rejects_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rejected = Judgement(verdict=Verdict.REJECTED, gate="black_seconds < 0.5", values={"black_seconds": 2.0})
    with Store("b.db") as store:
        (job,) = store.jobs(S.SUCCEEDED)
        store.verdicts.record_verdict(job, rejected, run=None, now=3.0)
    assert show(monkeypatch, 80, "--state-is", "succeeded")[-1] == "  rejected by black_seconds < 0.5"


def list_first(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The names of the jobs that are listed, as far as they tell them apart."""
    assert status_of(["jobs", *arguments]) == 0
    return [line.split("\t")[3][:5] for line in capsys.readouterr().out.splitlines()]


def test_jobs_are_sorted_by_any_field_and_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs without the field come last, whichever way; jobs that are equal in it keep their order."""
    red, kitsune, third, fourth = "a red", "狐" * 5, "third", "fourt"
    with Store("b.db") as store:
        spec = make_spec("fifth", model="veo2", meta={"rank": 2}, request={"model": "veo2", "prompt": "p", "seed": 9})
        store.imports.add_jobs([spec], run=1, now=90.0)
    for order, names in (
        ("name", [red, "fifth", fourth, third, kitsune]),
        ("-name", [kitsune, third, fourth, "fifth", red]),
        ("-model", ["fifth", red, kitsune, third, fourth]),
        ("cost", [kitsune, red, third, fourth, "fifth"]),
        ("-cost", [kitsune, red, third, fourth, "fifth"]),
        ("-time", ["fifth", kitsune, red, third, fourth]),
        ("-created", ["fifth", red, kitsune, third, fourth]),
        ("finished_at", [red, kitsune, third, fourth, "fifth"]),
        ("-meta.rank", ["fifth", red, kitsune, third, fourth]),
        ("seed", ["fifth", red, kitsune, third, fourth]),
    ):
        assert list_first(capsys, "--sort", order) == names, order
        assert list_first(capsys, "--sort", order, "--limit", "2") == names[:2], order
    assert list_first(capsys, "--limit", "1") == [red]
    for order, words in (("colour", "colour is not a field"), ("bytes or take", "one field"), ("-", "--sort -")):
        assert status_of(["jobs", "--sort", order]) == 2
        assert words in capsys.readouterr().err


def test_named_jobs_are_listed_and_narrowed(capsys: pytest.CaptureFixture[str]) -> None:
    with Store("b.db") as store:
        ids = [job.id for job in store.jobs()]
        twins = [make_spec(f"twin {n}", id=f"abcdef{n:014}") for n in range(7)]
        store.imports.add_jobs(twins, run=1, now=1.0)
    assert list_first(capsys, "fourth", "third") == ["third", "fourt"]
    assert list_first(capsys, "fourth", ids[0][:6], "--sort", "-state") == ["fourt", "a red"]
    assert list_first(capsys, "fourth", "third", "--state-is", "pending") == ["fourt"]
    assert status_of(["jobs", "abcdef"]) == 2
    error = capsys.readouterr().err
    assert "'abcdef' may be abcdef00000000000000 (twin 0, pending), " in error
    assert error.count("twin") == 5
    assert ", and others: use an id. `batchveo jobs` lists all" in error


def test_csv_has_a_header_and_all_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of JSON, in its order; the header also if there is no job."""
    assert status_of(["jobs", "--json"]) == 0
    rows = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert status_of(["jobs", "--csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [list(row) for row in table] == [list(row) for row in rows]
    assert [row["error"] for row in table] == [ERROR, "", "set aside: no URL", ""]
    assert (table[1]["held"], table[1]["unchecked"], table[1]["cost_usd"]) == ("false", "[]", "0.5")
    assert table[1]["finished_at"] == "1970-01-01T00:00:32.000+00:00"
    assert status_of(["jobs", "--csv", "--state-is", "cancelled"]) == 0
    assert capsys.readouterr().out.split(",") == [*list(rows[0])[:-1], f"{list(rows[0])[-1]}\n"]
    assert status_of(["jobs", "--csv", "--json"]) == 2


def test_a_job_that_moves_while_the_list_is_read_is_left_out() -> None:
    with Store("b.db") as store:
        listed = store.listing.iter_jobs(states=[S.PENDING, S.FAILED])
        assert next(listed).state is S.FAILED
        assert [job.name for job in listed] == ["fourth"]
        listed = store.listing.iter_jobs(states=[S.PENDING])
        moved_on(store, 1, S.IN_DOUBT, now=5.0)
        assert list(listed) == []


@pytest.mark.parametrize("command", [["plan", "m.yaml", "--sandbox"], ["status"]])
def test_other_listings_are_whole_too(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A plan's names and prompts, the names of doubts."""
    prompt = "A fox " * 60 + "at dawn"
    Path("m.yaml").write_text(f"jobs:\n  - {{model: veo2, name: {'x' * 150}, prompt: '{prompt}'}}\n")
    with Store("b.db") as store:
        moved_on(store, 1, S.IN_DOUBT, now=2.0)
    assert status_of(command) == 0
    out = capsys.readouterr().out
    assert "…" not in out
    assert command[0] != "plan" or prompt in out


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_text_of_the_csv_is_a_formula(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A spreadsheet would run it; JSON has the text as it is."""
    with Store("b.db") as store:
        store.imports.add_jobs([make_spec(name, id="f" * 20)], run=1, now=90.0)
    assert status_of(["jobs", "f" * 20, "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["name"] == f"'{name}"
    assert status_of(["jobs", "f" * 20, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


@pytest.fixture
def _chains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chains in turns, as a matrix makes them: one begins, the first job of the other has failed."""
    fox, ship = make_chain(3, "fox"), make_chain(2, "ship")
    with Store("c.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([fox[0], ship[0], fox[1], make_spec("alone"), ship[1], fox[2]], run=run, now=1.0)
        moved_on(store, run, S.GENERATING, now=2.0)
        moved_on(store, run, S.FAILED, now=2.0, error="refused")
    monkeypatch.setenv("BATCHVEO_STATE", "c.db")


def read_lines(screen: Screen) -> list[str]:
    """What is to be read there, without colours."""
    return [line.rstrip() for line in Text.from_ansi(screen.getvalue()).plain.splitlines()]


@pytest.mark.usefixtures("_chains")
def test_chains_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together, with their place; below a job what it waits for, unless that is the row above."""
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setattr("sys.stdout", screen := Screen())
    assert status_of(["jobs"]) == 0
    rows = [line.split()[1:] if line[0] != " " else [line.strip()] for line in read_lines(screen)]
    assert rows[1:] == [
        ["fox", "0", "1/3", "generating"],
        ["fox", "1", "2/3", "waiting"],
        ["fox", "2", "3/3", "waiting"],
        ["ship", "0", "1/2", "failed"],
        ["refused"],
        ["ship", "1", "2/2", "blocked"],
        ["ship 0 failed"],
        ["alone", "pending"],
    ]
    monkeypatch.setattr("sys.stdout", screen := Screen())
    assert status_of(["jobs", "--where", "link == 2", "--state-is", "waiting"]) == 0
    assert read_lines(screen)[2:] == ["  for fox 0 is generating"]


@pytest.mark.usefixtures("_chains")
def test_chains_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    """A blocked job stays pending there; what it waits for is in columns of its own."""

    def list_rows(*options: str) -> list[list[str]]:
        capsys.readouterr()
        assert status_of(["jobs", *options]) == 0
        return [line.split("\t") for line in capsys.readouterr().out.splitlines()]

    rows = {row[3]: [row[1], *row[15:]] for row in list_rows()}
    assert rows["fox 2"] == ["pending", "3", "waiting: fox 1 is pending"]
    assert rows["ship 1"] == ["pending", "2", "blocked: ship 0 failed"]
    assert rows["alone"] == ["pending", "", ""]
    assert [row[3] for row in list_rows("--state-is", "blocked", "--state-is", "failed")] == ["ship 0", "ship 1"]
    assert [row[3] for row in list_rows("--state-is", "pending")] == ["fox 1", "fox 2", "ship 1", "alone"]
    (row,) = list_rows("--json", "--state-is", "blocked")
    found = json.loads(row[0])
    with Store("c.db", writing=False) as store:
        (ship,) = store.queries.find_jobs("ship 0")
    assert (found["state"], found["blocked_by"], found["parents"]) == ("pending", ship.id, [ship.id])
