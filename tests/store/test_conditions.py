"""Conditions in SQL mean what they mean in Python, and no value from outside becomes SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchveo.core.expressions import evaluate
from batchveo.core.fields import FIELDS, format_utc, parse_condition, read_field
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job
from batchveo.core.outcomes import Accepted, Completed, Downloaded, Refused
from batchveo.core.votes import Vote, VoteKind
from batchveo.store import Store
from batchveo.store.conditions import compile_where
from tests.helpers.factories import make_spec
from tests.store.steps import begun, claimed, move

NUMBERS = {"large": 2**64 + 1, "larger": 10**400, "nan": float("nan")}
JOBS: list[dict[str, Any]] = [
    {"meta": {"split": "train", "score": "0.5", "a.b": 1}, "request": {"prompt": "A Fox", "seed": 1, "duration": 8}},
    {"meta": {"split": "test", "score": 0.75, "flag": True}, "request": {"prompt": "a wolf", "duration": "8"}},
    {"meta": {"split": None, "list": [1]}, "request": {"prompt": "", "resolution": "720p"}, "model": "kling/v2"},
    {
        "meta": {"a": {"b": 2}, "large": 2**64 + 1, "larger": 10**400, "nan": float("nan")},
        "request": {"multi_prompt": [{"prompt": "first"}, {"prompt": "fox again"}]},
    },
    {
        "meta": {'quo"te': 3, "split": 'tr"ain; DROP TABLE jobs'},
        "request": {"prompt": "雪", "seed": 2**60},
        "model": "x/" + "y" * 30,
    },
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("conditions") / "b.db"
    with Store(path) as store:
        specs = [make_spec(f"job {number}", **fields) for number, fields in enumerate(JOBS)]
        run = begun(store, *specs)
        for number in range(4):
            job = claimed(store, run)
            job = move(store, job, Accepted(generation_id=f"g{number}"))
            job = move(store, job, Completed(url="https://x/v", cost_usd=0.5 * number or None), now=20.0 + number)
            job = move(store, job, Downloaded(folder="/v", file=f"{number}.mp4", bytes=10**number, sha256=f"{number}"))
            if number:
                store.facts.record_measures(job, MEASURES[number], now=30.0)
            if number == 2:
                store.facts.record_scores(job, {"clip.score": 0.25, "clip.label": "odd"}, now=31.0)
        store.facts.record_scores(job, {"clip.score": "0.5"}, now=31.0)
        for person, kind, about in (("ann", "pick", 1), ("bob", "reject", 1), ("bob", "pick", 1), ("ann", "reject", 2)):
            store.votes.record_vote(Vote(person=person, kind=VoteKind(kind), job=about))
        store.votes.record_vote(Vote(person="ann", kind=VoteKind.RATE, job=3, rating=4))
        yield store


MEASURES = {
    1: Measures(level=CheckLevel.ALL, frames=48, width=1280, height=720, black_seconds=0.0, has_sound=True, motion=2.5),
    2: Measures(level=CheckLevel.BASIC, frames=10, width=640, height=360, black_seconds=3.5, has_sound=False),
    3: Measures(level=CheckLevel.BASIC, problems=("the file ends early",)),
}
NAMES = [
    *FIELDS,
    "meta.split",
    "meta.score",
    "meta.a.b",
    "meta.flag",
    "meta.large",
    "meta.larger",
    "meta.nan",
    "meta.list",
    'meta."a.b"',
    'meta."quo\\"te"',
    "request.seed",
    "request.multi_prompt",
    "clip.score",
    "clip.label",
]
VALUES = [
    "1",
    "0.5",
    "720",
    "-3e2",
    '"train"',
    "'0.5'",
    '"fox"',
    "'8'",
    "'true'",
    "9007199254740993",
    "1e999",
    "true",
    "false",
    "null",
    '"\';--"',
    '"succeeded"',
    '"1970-01-01T00:00:22"',
    '"1970-01-01T00:00:22.000000"',
    '"1970-01-01T00:00:2"',
    '"1970-01"',
    '"1970-13"',
]
OPERATORS = ["==", "!=", "<", "<=", ">", ">="]

comparisons = st.builds(
    lambda name, operator, value: f"{name} {operator} {value}",
    st.sampled_from(NAMES),
    st.sampled_from(OPERATORS),
    st.one_of(st.sampled_from(VALUES), st.sampled_from(NAMES)),
)
others = st.one_of(
    st.sampled_from(NAMES),
    st.builds(lambda name, a, b: f"{name} in [{a}, {b}]", st.sampled_from(NAMES), *[st.sampled_from(VALUES[:8])] * 2),
    st.builds(lambda value, name: f"{value} in {name}", st.sampled_from(VALUES[4:8]), st.sampled_from(NAMES)),
)
expressions = st.recursive(
    st.one_of(comparisons, others),
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) and ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) or ({pair[1]})"),
    ),
    max_leaves=4,
)


def choose_in_python(store: Store, text: str) -> list[str]:
    condition = parse_condition(text)

    def is_true(job: Job) -> bool:
        standing = store.votes.read_standing(job.seq)
        measures, scores = store.facts.read_measures(job), store.facts.read_scores(job)
        get = lambda name: read_field(  # noqa: E731
            name, job, measures, scores, verdict=job.verdict, picked=standing.is_picked, rating=standing.rating
        )
        return evaluate(condition.expression, get) is True

    return [job.name for job in store.jobs() if is_true(job)]


@example(text="name < prompt")
@given(text=expressions)
def test_sql_chooses_the_jobs_that_python_chooses(store: Store, text: str) -> None:
    try:
        condition = parse_condition(text)
    except ValueError:
        return
    assert [job.name for job in store.queries.list_jobs(where=condition)] == choose_in_python(store, text), text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("black_seconds < 0.5", ["job 1"]),
        ("not black_seconds < 0.5", ["job 2"]),
        ("black_seconds == null", ["job 0", "job 3", "job 4"]),
        ("meta.score >= 0.5", ["job 0", "job 1"]),
        ("seed == 1 or model == 'kling/v2'", ["job 0", "job 2"]),
        ('"FOX" in prompt', ["job 0", "job 3"]),
        ('meta.split == "tr\\"ain; DROP TABLE jobs"', ["job 4"]),
        ("clip.score == 0.25", ["job 2"]),
        ("clip.score in [0.25, 0.5]", ["job 2", "job 3"]),
        ("picked", ["job 0"]),
        ("rating > 3 and cost_usd >= 1", ["job 2"]),
        ("duration == 8", ["job 0", "job 1"]),
        ("state == 'pending'", ["job 4"]),
        ('completed_at >= "1970-01-01T00:00:21" and completed_at < "1970-01-01T00:00:23"', ["job 1", "job 2"]),
        ('completed_at <= "1970-01-01T00:00:21"', ["job 0"]),
        ('completed_at == "1970-01-01T00:00:21.000000"', ["job 1"]),
        ('"1970-01-01" in completed_at and finished_at != null', ["job 0", "job 1", "job 2", "job 3"]),
        ("completed_at == null", ["job 4"]),
        ('"1970-01-01T00:00:22" > completed_at', ["job 0", "job 1"]),
        ('completed_at > "1970-01-01T00:00:22.000000"', ["job 3"]),
        ('completed_at <= "1970-01-01T00:00:22.000000"', ["job 0", "job 1", "job 2"]),
        ('completed_at > "1970-01-01T00:00:22"', ["job 2", "job 3"]),
        ('completed_at == "1970-01-01T00:00:22"', []),
        ('completed_at != "1970-01-01T00:00:22.000000"', ["job 0", "job 1", "job 3"]),
        ('completed_at < "1970-13" and completed_at > "0000"', ["job 0", "job 1", "job 2", "job 3"]),
        ("meta.large >= 18446744073709551616", ["job 3"]),
        ("meta.larger > 1e300", ["job 3"]),
        ("not meta.nan > 0", []),
        ("meta.nan == null and meta.large != null", ["job 3"]),
        ("'TRAIN' in meta.split", ["job 0"]),
        ("'true' in meta.flag", []),
        (f"seed in [{'7, ' * 1300}1]", ["job 0"]),
        (f"bytes in [{'7, ' * 1300}1]", ["job 0"]),
        (f"{'bytes == 7 or ' * 250}seed == 1", ["job 0"]),
        (f"{'not (bytes == 7 or (bytes == 7 or ' * 6}bytes == 1{'))' * 6}", ["job 0"]),
    ],
)
def test_known_choices(store: Store, text: str, names: list[str]) -> None:
    assert [job.name for job in store.queries.list_jobs(where=parse_condition(text))] == names
    assert choose_in_python(store, text) == names


@given(
    first=st.integers(0, 4 * 10**15),
    apart=st.integers(-2, 2),
    length=st.sampled_from([4, 7, 10, 13, 16, 19, 21, 26]),
    operator=st.sampled_from(OPERATORS),
)
def test_times_are_compared_to_the_millionth(first: int, apart: int, length: int, operator: str) -> None:
    """As numbers in SQL, as texts in Python."""
    time, other = first / 1e6, max(0, first + apart) / 1e6
    condition = parse_condition(f'finished_at {operator} "{(format_utc(other) or "")[:length]}"')
    with closing(sqlite3.connect(":memory:")) as db:
        sql, params = compile_where(db, condition)
        (found,) = db.execute(f"SELECT {sql} FROM (SELECT :time AS finished_at) AS jobs", {**params, "time": time})
    assert bool(found[0]) is evaluate(condition.expression, lambda _: format_utc(time)), condition


def test_failures_are_chosen_by_their_cause(tmp_path: Path) -> None:
    """What differs from job to job is left out; a failure without a reason has a cause too."""
    with Store(tmp_path / "b.db") as store:
        run = begun(store, *(make_spec(f"job {number}") for number in range(4)))
        for reason in ("code 17", "code 18", ""):
            move(store, claimed(store, run), Refused(reason=reason))
        for text, names in (
            ('cause == "code N"', ["job 0", "job 1"]),
            ('cause == "no reason was given"', ["job 2"]),
            ("cause == null", ["job 3"]),
        ):
            assert [job.name for job in store.queries.list_jobs(where=parse_condition(text))] == names
            assert choose_in_python(store, text) == names
