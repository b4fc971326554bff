"""Programs that score clips: good ones, and those that print garbage, hang, die, or answer for others."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.core.errors import UsageError
from batchveo.core.gates import CheckPolicy
from batchveo.core.measures import CheckLevel, Measures
from batchveo.operations.score_clips import Scored, score_clips
from batchveo.operations.scoring_program import LONGEST_LINE, ProgramFailed, ScoringProgram
from tests.helpers.finished_jobs import Morning
from tests.helpers.store_rows import set_policy

POLICY = CheckPolicy(gates=("clip.score >= 0.5",)).to_json()
HEAD = "import json, os, sys, time\nclips = [json.loads(line) for line in sys.stdin]\n"


@pytest.fixture
def morning(tmp_path: Path) -> Morning:
    """Three finished jobs; notes in ``calls`` how many clips each start of the program got."""
    morning = Morning(tmp_path)
    for name in "abc":
        morning.make(name, meta={"n": name})
    return morning


def write_program(morning: Morning, body: str, name: str = "clip.py") -> str:
    path = morning.folder / name
    note = f"open({str(morning.folder / 'calls')!r}, 'a').write(str(len(clips)) + '\\n')\n"
    path.write_text(HEAD + note + textwrap.dedent(body), encoding="utf-8")
    return f"'{sys.executable}' '{path}'"


GOOD = """
for number, clip in enumerate(clips):
    print(json.dumps({"id": clip["id"], "score": len(clip["prompt"]) + 0.5}))
"""


def score(morning: Morning, command: str, *jobs: str, timeout: float = 60.0, **changes: Any) -> Scored:
    source = changes.pop("source", None)
    with morning.store() as store:

        async def work() -> Scored:
            program = ScoringProgram(command, source=source, timeout=timeout)
            return await score_clips(store, program, jobs, **changes)

        return anyio.run(work)


def read_scores(morning: Morning, name: str) -> dict[str, object]:
    with morning.store(writing=False) as store:
        return dict(store.facts.read_scores(morning.job(name)))


def read_calls(morning: Morning) -> list[int]:
    return [int(line) for line in (morning.folder / "calls").read_text().splitlines()]


def test_a_program_gets_clips_in_batches_and_only_once(morning: Morning) -> None:
    command = write_program(morning, GOOD)
    result = score(morning, command, batch=2)
    assert (result.sent, result.scored, result.problem_count) == (3, 3, 0)
    assert read_calls(morning) == [2, 1]
    assert read_scores(morning, "a") == {"clip.score": 1.5}
    assert score(morning, command).sent == 0
    assert score(morning, command, "a").sent == 0
    assert score(morning, command, "a", again=True).sent == 1
    assert score(morning, command, again=True, where='meta.n == "b"').sent == 1


def test_what_a_program_reads(morning: Morning) -> None:
    with morning.store() as store:
        job = morning.job("a")
        store.facts.record_measures(job, Measures(level=CheckLevel.BASIC, frames=9, motion=2.5), now=1.0)
    body = """
    for clip in clips:
        with open(clip["path"], "rb") as file:
            size = len(file.read())
        keys = ["AIMLAPI_API_KEY" in os.environ, sorted(clip)]
        print(json.dumps({"id": clip["id"], "size": size, "keys": json.dumps(keys), "of": clip["name"],
            "n": clip["meta"]["n"], "measures": {"motion": (clip["measures"] or {}).get("motion")}}))
    """
    score(morning, write_program(morning, body), source="mine")
    scores = read_scores(morning, "a")
    assert scores == {
        "mine.size": job.bytes,
        "mine.keys": json.dumps([False, ["id", "measures", "meta", "name", "path", "prompt", "request"]]),
        "mine.of": "a",
        "mine.n": "a",
        "measures.motion": 2.5,
    }
    assert read_scores(morning, "b").keys() == scores.keys() - {"measures.motion"}


@pytest.mark.usefixtures("monkeypatch")
def test_the_api_key_is_not_handed_on(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMLAPI_API_KEY", "secret")
    monkeypatch.setenv("MODEL_FOLDER", "weights")
    body = """
    found = "AIMLAPI_API_KEY" in os.environ
    for clip in clips:
        print(json.dumps({"id": clip["id"], "key": found, "folder": os.environ["MODEL_FOLDER"]}))
    """
    score(morning, write_program(morning, body))
    assert read_scores(morning, "a") == {"clip.key": False, "clip.folder": "weights"}


def test_names_with_dots_stay_and_such_clips_are_known_after_the_first_batch(morning: Morning) -> None:
    body = """
    for clip in clips:
        print(json.dumps({"id": clip["id"], "clip": {"score": 0.3}, "vbench.motion": 4, "nothing": None}))
    """
    command = write_program(morning, body, "all.py")
    assert score(morning, command, batch=1).sent == 3
    assert read_scores(morning, "a") == {"clip.score": 0.3, "vbench.motion": 4}
    assert score(morning, command, batch=1).sent == 1


BAD_LINES = """
print("loading the model ...")
print(json.dumps({"id": "0" * 20, "score": 1}))
print(json.dumps({"score": 1}))
print(json.dumps([1]))
print(json.dumps({"id": clips[0]["id"], "score": [1, 2]}))
print(json.dumps({"id": clips[0]["id"]}))
print(json.dumps({"id": clips[0]["id"], "score": float("nan")}))
print("[" * 100_000)
print("x" * %d)
sys.stdout.flush()
sys.stdout.buffer.write(b"\\xff\\xfe\\x00\\n\\n")
print(json.dumps({"id": clips[0]["id"], "score": 10 ** 30, "black_seconds.x": 1}))
print(json.dumps({"id": clips[1]["id"], "score": 10 ** 30}))
print(json.dumps({"id": clips[2]["id"], "score": "good \\ud800"}))
print(json.dumps({"id": clips[2]["id"], "score": "good"}), end="")
""" % (3 * LONGEST_LINE)  # noqa: UP031 - it has braces


def test_lines_that_cannot_be_used_are_told_and_the_others_count(morning: Morning) -> None:
    result = score(morning, write_program(morning, BAD_LINES))
    first = morning.job("a").id
    assert (result.sent, result.scored) == (3, 2)
    assert [problem.split(":")[0] for problem in result.problems[:2]] == [
        "line 1 of the answer",
        "line 2 of the answer",
    ]
    text = "\n".join(result.problems)
    for words in (
        "line 1 of the answer: it is not JSON: 'loading the model ...'",
        f"line 2 of the answer: the id '{'0' * 20}' is not one of the clips of this batch",
        "line 3 of the answer: the id 'None'",
        "line 4 of the answer: it is not a JSON object",
        f"line 5 of the answer: {first}: score is a list, neither a number nor a text",
        f"line 6 of the answer: {first}: it holds no scores",
        f"line 7 of the answer: {first}: score is nan, not a finite number",
        "line 8 of the answer: it is not JSON",
        "line 9 of the answer: it is longer than 1 MiB",
        "line 10 of the answer: it is not JSON",
        f"line 12 of the answer: {first}: black_seconds is the name of a field",
        "holds half a surrogate pair",
        "no scores for a",
    ):
        assert words in text, words
    assert read_scores(morning, "a") == {}
    assert read_scores(morning, "b") == {"clip.score": 1e30}
    assert read_scores(morning, "c") == {"clip.score": "good"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit('no weights')", "failed with exit status 1; its last lines of standard error:\n  no weights"),
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("", "answers nothing usable to 3 clips"),
        ("print('garbage')", "line 1 of the answer: it is not JSON: 'garbage'"),
        ("while True: print('garbage', flush=True)", "takes longer than 1 s for 3 clips"),
        ("time.sleep(60)", "takes longer than 1 s for 3 clips: give a larger --timeout or a smaller --batch"),
        ("if os.fork(): os._exit(0)\ntime.sleep(60)", "takes longer than 1 s"),
        ("sys.stderr.write('e' * 10_000_000); sys.exit(3)", "failed with exit status 3"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_program_that_fails_ends_the_command(morning: Morning, body: str, words: str) -> None:
    timeout = 1.0 if "longer" in words else 60.0
    with pytest.raises(ProgramFailed) as caught:
        score(morning, write_program(morning, body), timeout=timeout)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_what_came_before_a_failure_is_kept(morning: Morning) -> None:
    body = """
    print(json.dumps({"id": clips[0]["id"], "score": 1}), flush=True)
    sys.exit(7)
    """
    with pytest.raises(ProgramFailed, match="exit status 7"):
        score(morning, write_program(morning, body))
    assert read_scores(morning, "a") == {"clip.score": 1}
    assert score(morning, write_program(morning, GOOD)).sent == 2


def test_a_program_that_reads_nothing_is_not_waited_for(morning: Morning) -> None:
    """Also if the clips are more than a pipe holds."""
    for n in range(30):
        morning.make(f"long {n}", prompt="x" * 9000)
    path = morning.folder / "deaf.py"
    path.write_text("print('done')", encoding="utf-8")
    with pytest.raises(ProgramFailed, match="answers nothing usable to 33 clips"):
        score(morning, f"'{sys.executable}' '{path}'")


def test_open_verdicts_are_decided_and_takes_added(morning: Morning) -> None:
    with morning.store() as store:
        jobs = {job.name: job for job in store.jobs()}
        set_policy(store, jobs.values(), CheckPolicy(gates=("clip.score >= 0.5",)))
        for name in "ab":
            store.facts.record_measures(jobs[name], Measures(level=CheckLevel.BASIC, frames=9), now=1.0)
    body = """
    for clip in clips:
        print(json.dumps({"id": clip["id"], "score": {"a": 0.4, "b": 0.6, "c": 0.1}[clip["name"]]}))
    """
    result = score(morning, write_program(morning, body))
    assert (dict(result.judged.rejected), result.judged.accepted) == ({"clip.score >= 0.5": 1}, 1)
    assert [job.verdict for job in morning.jobs()] == ["rejected", "accepted", None]
    assert result.judged.still_rejected == [jobs["a"].seq]


def test_a_missing_file_is_told_and_the_others_are_scored(morning: Morning) -> None:
    (morning.videos / "b.mp4").unlink()
    result = score(morning, write_program(morning, GOOD))
    assert (result.sent, result.scored) == (2, 2)
    assert result.problems == [f"b: {morning.videos}/b.mp4 cannot be read: No such file or directory"]


def test_a_program_that_is_not_there(morning: Morning) -> None:
    with pytest.raises(UsageError, match=r"--with: \./nothing cannot be started: No such file"):
        score(morning, "./nothing")
