"""New jobs under another model: their requests, their ids, and what becomes of the old ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batchveo.core.destination import BucketUrl
from batchveo.core.errors import ManifestError, StateLocked, UsageError
from batchveo.core.job_row import canonical_json
from batchveo.core.models import INPUT_PREFIX, Job, JobState
from batchveo.core.settings import RunSettings
from batchveo.core.state_machine import Move
from batchveo.operations import manage
from batchveo.operations.fitted_requests import ChangedDefault
from batchveo.operations.further_takes import plan_takes
from batchveo.operations.remake import Remake, plan_remake, remake_jobs, replace_prompt
from batchveo.operations.run_setup import ManifestSources
from batchveo.operations.saved_settings import find_chosen, serialize_settings
from batchveo.provider.catalog import MODELS
from batchveo.store import Added, Store
from batchveo.store.manual import NO_TRY_LEFT
from batchveo.store.takes import NewTake
from tests.helpers.busy_database import moved_on
from tests.helpers.factories import make_spec
from tests.helpers.manifests import PNG

OLD, NEW = "google/veo-3.0-fast", "google/veo-3.1-t2v-fast"
S = JobState
DONE = (S.GENERATING, S.DOWNLOADING, S.SUCCEEDED)

FOXES = """
defaults: {model: MODEL, resolution: 720P, meta: {set: a}}
jobs:
  - {name: "fox {index}", prompt: " A fox ", repeat: 2, seed: "{index}", tries: 3}
  - {prompt: A dragon, duration: 4, negative_prompt: "fog"}
  - {name: same, prompt: A cat}
  - {name: same too, prompt: A cat}
  - {name: own, id: mine, prompt: A cat}
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        store.runs.begin_run(command="run", service="s", now=1.0)
        yield store


def add(store: Store, text: str, model: str = "") -> Added:
    """Add the jobs of a manifest in which ``MODEL`` is replaced."""
    path = store.path.parent / "m.yaml"
    path.write_text(text.replace("MODEL", model), encoding="utf-8")
    with ManifestSources(paths=[path]).stage() as staged:
        return staged.add_to(store, run=1, now=2.0)


def replace(store: Store, **options: Any) -> Remake:
    """Make new jobs of those of the old model."""
    made = plan_remake(store, **{"old": OLD, "new": NEW, **options})
    remake_jobs(store, made, now=9.0)
    return made


def of_model(store: Store, model: str) -> list[Job]:
    return [job for job in store.jobs() if job.model == model]


def test_a_manifest_edited_to_the_new_model_adds_nothing(store: Store) -> None:
    """Repeats, equal requests, blanks at the ends, spellings of each model, and jobs with an id of their own."""
    add(store, FOXES, OLD)
    old = list(store.jobs())
    made = replace(store)
    assert (made.added, made.known) == (6, 0)
    new = of_model(store, NEW)
    assert [job.state for job in new] == [S.PENDING] * 6
    assert [job.request["resolution"] for job in new] == ["720p"] * 6
    for before, after in zip(old, new, strict=True):
        same = ("name", "stem", "index", "meta", "manifest", "source", "line", "tries")
        assert [getattr(before, name) for name in same] == [getattr(after, name) for name in same]
    added = add(store, FOXES, NEW)
    assert (added.named, added.new) == (6, 0)
    assert add(store, FOXES, OLD).new == 0


def test_the_old_jobs_are_cancelled_and_name_their_successors(store: Store) -> None:
    """Also failed ones, so that no later retry buys both."""
    add(store, FOXES, OLD)
    moved_on(store, 1, S.FAILED, now=3.0, cost_usd=0.25)
    replace(store)
    new = {job.name: job for job in of_model(store, NEW)}
    for job in of_model(store, OLD):
        assert job.state is S.CANCELLED
        assert job.error == f"made again as {new[job.name].id} under {NEW}"
        assert job.finished_at == 9.0
        assert store.queries.list_moves(job)[-1]["detail"] == job.error
    assert store.spend()[0] == 0.25  # what the failed one cost still counts
    assert store.counts().by_state == {S.PENDING: 6, S.CANCELLED: 6}
    assert list(manage.choose_jobs(store, (), states=[S.CANCELLED])) == []
    one = of_model(store, OLD)[0]
    assert manage.choose_jobs(store, [one.id], states=[]) == [one]


def test_a_second_time_finds_nothing_to_do(store: Store) -> None:
    add(store, FOXES, OLD)
    replace(store)
    again = replace(store)
    assert (again.added, again.known, again.left) == (0, 0, {})
    named = replace(store, keys=[of_model(store, OLD)[0].id])
    assert (named.added, named.known) == (0, 1)
    assert len(of_model(store, NEW)) == 6


def test_a_job_that_the_new_model_has_already_is_not_made_twice(store: Store) -> None:
    """As after a matrix over both models."""
    add(store, f"jobs:\n  - {{prompt: A fox, name: '{{model}}', matrix: {{model: [{OLD}, {NEW}]}}}}\n")
    made = replace(store)
    assert (made.added, made.known) == (0, 1)
    assert store.counts().by_state == {S.PENDING: 1, S.CANCELLED: 1}


def test_there_and_back_again_loses_no_job_and_makes_none_twice(store: Store) -> None:
    """The jobs of the first model are cancelled by then: they become pending, as often as it is done."""
    add(store, FOXES, OLD)
    replace(store)
    for old, new in ((NEW, OLD), (OLD, NEW), (NEW, OLD)):
        back = replace(store, old=old, new=new)
        assert (back.added, back.known) == (6, 0)
        assert store.counts().by_state[S.PENDING] == 6
        assert {job.model for job in store.jobs() if job.state is S.PENDING} == {new}
    assert add(store, FOXES, OLD).new == add(store, FOXES, NEW).new == 0


def test_a_successor_that_a_person_cancelled_is_made_after_all(store: Store) -> None:
    add(store, f"jobs:\n  - {{prompt: A fox, name: '{{model}}', matrix: {{model: [{OLD}, {NEW}]}}}}\n")
    (cancelled,) = of_model(store, NEW)
    store.manual.cancel_job(cancelled, now=3.0)
    assert replace(store).added == 1
    assert [job.state for job in of_model(store, NEW)] == [S.PENDING]


def test_a_cancelled_successor_that_moves_meanwhile_stops_it_all(store: Store) -> None:
    add(store, f"jobs:\n  - {{prompt: A fox, name: '{{model}}', matrix: {{model: [{OLD}, {NEW}]}}}}\n")
    (cancelled,) = of_model(store, NEW)
    store.manual.cancel_job(cancelled, now=3.0)
    made = plan_remake(store, old=OLD, new=NEW)
    store.manual.retry_job(store.queries.read_job(cancelled.seq), now=4.0)
    with pytest.raises(UsageError, match="has just changed its state"):
        remake_jobs(store, made, now=9.0)
    assert {job.state for job in store.jobs()} == {S.PENDING}


def test_jobs_that_differ_only_in_what_is_dropped_become_repeats(store: Store) -> None:
    text = "jobs:\n  - {model: MODEL, prompt: A fox, name: 'f{n}', seed: '{n}', matrix: {n: [1, 2, 3]}}\n"
    add(store, text, OLD)
    made = replace(store, drop=["seed"])
    assert made.added == len({successor.id for _, successor in made.successors}) == 3
    edited = text.replace(", seed: '{n}'", "")
    assert add(store, edited, NEW).new == 0


@pytest.mark.parametrize("state", [S.GENERATING, S.IN_DOUBT, S.SUBMITTING])
def test_what_is_in_flight_or_in_doubt_is_left_alone(store: Store, state: JobState) -> None:
    add(store, FOXES, OLD)
    busy = moved_on(store, 1, *([] if state is S.SUBMITTING else [state]), now=3.0)
    made = replace(store)
    assert (made.added, dict(made.left)) == (5, {state: 1})
    assert store.queries.read_job(busy.seq).state is state
    with pytest.raises(UsageError, match="only pending, failed and cancelled jobs are made again"):
        plan_remake(store, old=OLD, new=NEW, keys=[busy.id])


def test_videos_are_left_alone_and_cancelled_jobs_need_to_be_asked_for(store: Store) -> None:
    add(store, FOXES, OLD)
    moved_on(store, 1, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=3.0)
    dragon = next(job for job in store.jobs() if job.prompt == "A dragon")
    manage.cancel_jobs(store, [dragon], now=4.0)
    made = replace(store)
    assert (made.added, dict(made.left)) == (4, {S.CANCELLED: 1})
    assert replace(store, states=[S.CANCELLED]).added == 1
    assert [job.state for job in of_model(store, OLD)] == [S.SUCCEEDED, *[S.CANCELLED] * 5]


def test_a_failed_job_that_may_be_charged_is_made_again_only_by_name(store: Store) -> None:
    """It was in doubt, and a person gave it up: its price stays reserved."""
    add(store, FOXES, OLD)
    moved_on(store, 1, S.IN_DOUBT, S.FAILED, now=3.0, tried=NO_TRY_LEFT)
    made = replace(store)
    assert (made.added, made.charged) == (5, 1)
    assert replace(store, keys=["fox 0"]).added == 1


def test_all_that_does_not_fit_is_said_at_once_and_nothing_is_written(store: Store) -> None:
    """With the name of the job, the field, and the option that leaves it out."""
    add(
        store,
        "jobs:\n"
        "  - {name: a, model: veo2, prompt: A fox, duration: 5, enhance_prompt: false}\n"
        "  - {name: b, model: veo2, prompt: A cat, duration: 8, seed: 1}\n",
    )
    with pytest.raises(ManifestError) as raised:
        plan_remake(store, old="veo2", new="alibaba/wan2.2-vace-fun-a14b-depth")
    found = {(each.field, each.message.partition(":")[0]): each for each in raised.value.problems}
    assert {("duration", "job a"), ("duration", "job b"), ("enhance_prompt", "job a")} <= found.keys()
    assert found["enhance_prompt", "job a"].suggestion == "--drop enhance_prompt leaves it out"
    assert ("video_url", "job a") in found  # what the new model needs
    assert store.counts().by_state == {S.PENDING: 2}
    with pytest.raises(ManifestError, match="4, 6, 8"):
        plan_remake(store, old="veo2", new=NEW)
    made = replace(store, old="veo2", drop=["duration"])
    assert made.added == 2


def test_rules_between_fields_are_checked_as_in_a_manifest(store: Store) -> None:
    add(store, "jobs:\n  - {name: a, model: google/veo3, prompt: A fox, resolution: 1080P, duration: 4}\n")
    with_image = "google/veo-3.1-i2v"
    with pytest.raises(ManifestError) as raised:
        plan_remake(store, old="google/veo3", new=with_image)
    assert [(each.field, each.message) for each in raised.value.problems] == [
        ("image_url", f"job a: is missing; {with_image} needs it")
    ]


def test_a_drop_that_no_job_gives_and_an_unknown_model_are_slips(store: Store) -> None:
    add(store, FOXES, OLD)
    with pytest.raises(UsageError, match=r"--drop sed: none of these jobs gives it; did you mean seed\?"):
        plan_remake(store, old=OLD, new=NEW, drop=["sed"])
    with pytest.raises(UsageError, match="--drop model"):
        plan_remake(store, old=OLD, new=NEW, drop=["model"])
    with pytest.raises(UsageError, match=f"did you mean {NEW}"):
        plan_remake(store, old=OLD, new=f"{NEW}r")
    with pytest.raises(UsageError, match="has no job of the model"):
        plan_remake(store, old="veo2", new=NEW)
    with pytest.raises(UsageError, match="that is the model of these jobs already"):
        plan_remake(store, old=OLD, new=OLD)


def test_defaults_that_change_are_named(store: Store) -> None:
    add(store, "jobs:\n  - {name: a, model: veo2, prompt: A fox}\n  - {name: b, model: veo2, prompt: B, duration: 8}\n")
    made = plan_remake(store, old="veo2", new=NEW)
    assert made.defaults == [
        ChangedDefault(name="duration", before=5, after=8, jobs=1),
        ChangedDefault(name="resolution", before=None, after="1080p", jobs=2),
        ChangedDefault(name="generate_audio", before=None, after=True, jobs=2),
    ]


def test_local_files_are_kept_and_refused_by_models_that_take_only_urls(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    add(store, "jobs:\n  - {name: a, model: alibaba/wan2.5-i2v-preview, prompt: A fox, image_url: a.png}\n")
    (job,) = store.jobs()
    made = replace(store, old=job.model, new="bytedance/seedance-1-0-lite-i2v")
    assert made.added == 1
    (new,) = of_model(store, made.new)
    assert new.request["image_url"] == job.request["image_url"]
    assert store.imports.find_input_file(str(new.request["image_url"]).partition(":")[2]) == ("image/png", PNG)
    with pytest.raises(ManifestError, match="only URLs are taken here"):
        plan_remake(store, old=made.new, new="google/veo-3.1-i2v")


def test_a_run_that_holds_the_database_refuses_it(store: Store) -> None:
    add(store, FOXES, OLD)
    made = plan_remake(store, old=OLD, new=NEW)
    with Store(store.path) as other:
        other.runs.acquire_lock()
        with pytest.raises(StateLocked):
            remake_jobs(store, made, now=9.0)
        other.runs.release_lock()
    remake_jobs(store, made, now=9.0)
    with Store(store.path) as other:
        other.runs.acquire_lock()


@pytest.mark.parametrize("written", range(1, 25))
def test_it_happens_whole_or_not_at_all(store: Store, written: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk ends at the n-th statement; after that the same command makes it whole."""
    add(store, FOXES, OLD)
    made = plan_remake(store, old=OLD, new=NEW)
    statements = 0

    class Breaking:
        """The connection of the store, which fails at one statement that writes."""

        def __init__(self, db: sqlite3.Connection) -> None:
            self._db = db

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            nonlocal statements
            statements += sql.lstrip().startswith(("INSERT", "UPDATE"))
            if statements == written:
                raise sqlite3.OperationalError("disk I/O error")
            return self._db.execute(sql, *values)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._db, name)

    with monkeypatch.context() as patched:
        for part in (store.manual, store.transitions):
            patched.setattr(part, "_db", Breaking(part._db))
        with pytest.raises(sqlite3.OperationalError):
            remake_jobs(store, made, now=9.0)
    assert store.counts().by_state == {S.PENDING: 6}
    assert not of_model(store, NEW)
    assert replace(store).added == 6
    assert store.counts().by_state == {S.PENDING: 6, S.CANCELLED: 6}


def test_a_job_that_moves_meanwhile_stops_it_all(store: Store) -> None:
    add(store, FOXES, OLD)
    made = plan_remake(store, old=OLD, new=NEW)
    last = made.successors[-1][0]
    store.transitions.apply_move(last, Move(to=S.CANCELLED, detail="x"), run=None, now=5.0)
    with pytest.raises(UsageError, match="has just changed its state"):
        remake_jobs(store, made, now=9.0)
    assert not of_model(store, NEW)


def test_the_catalogue_and_the_unchecked_fields_are_kept(store: Store) -> None:
    """A field that the manifest leaves unchecked is sent to the new model as it is, too."""
    request = {"model": "veo2", "prompt": "A fox", "duration": 5}
    spec = make_spec("a", model="veo2", request=request, unchecked=("duration",))
    store.imports.add_jobs([spec], run=1, now=2.0)
    replace(store, old="veo2")
    (new,) = of_model(store, NEW)
    assert new.request["duration"] == 5
    assert new.unchecked == ("duration",)
    assert new.catalog == MODELS.digest


# -- another prompt


def fail_first(store: Store) -> Job:
    return moved_on(store, 1, S.FAILED, now=3.0, error="the prompt was refused")


def test_a_job_with_another_prompt_takes_the_place_of_a_failed_one(store: Store) -> None:
    add(store, FOXES, OLD)
    old = fail_first(store)
    new = replace_prompt(store, old, "A polite fox", now=9.0)
    assert new.request == {**old.request, "prompt": "A polite fox"}
    same = ("name", "stem", "index", "meta", "manifest", "source", "line", "tries", "model")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    gone = store.queries.read_job(old.seq)
    assert (gone.state, gone.error) == (S.CANCELLED, f"made again as {new.id} with another prompt")
    assert (new.state, new.catalog) == (S.PENDING, MODELS.digest)
    assert store.queries.find_jobs("fox 0") == [new]
    assert manage.choose_jobs(store, (), states=[S.CANCELLED]) == []


def test_neither_the_manifest_nor_its_edited_form_buys_it_twice(store: Store) -> None:
    add(store, FOXES, OLD)
    for name, prompt in (("fox 1", "A wolf"), ("same", "A lion"), ("own", "A bear")):
        (job,) = store.queries.find_jobs(name)
        replace_prompt(store, job, prompt, now=9.0)
    assert add(store, FOXES, OLD).new == 0
    edited = FOXES.replace("{name: same, prompt: A cat}", "{name: same, prompt: A lion}")
    edited = edited.replace("id: mine, prompt: A cat", "id: mine, prompt: A bear")
    assert add(store, edited, OLD).new == 0
    assert store.counts().by_state == {S.PENDING: 6, S.CANCELLED: 3}


def test_the_prompt_before_may_come_back(store: Store) -> None:
    add(store, FOXES, OLD)
    old = fail_first(store)
    new = replace_prompt(store, old, "A wolf", now=9.0)
    back = replace_prompt(store, new, " A fox ", now=10.0)
    assert (back.id, back.state, back.error) == (old.id, S.PENDING, None)
    assert store.queries.read_job(new.seq).state is S.CANCELLED
    assert store.queries.find_jobs("fox 0") == [back]


@pytest.mark.parametrize(
    "prompt", ["", "  ", "long" * 1000, f"{INPUT_PREFIX}00"], ids=["empty", "blank", "long", "input"]
)
def test_a_prompt_that_the_model_does_not_take_writes_nothing(store: Store, prompt: str) -> None:
    add(store, "jobs: [{name: a, model: MODEL, prompt: A fox}]", "minimax/hailuo-02")
    old = fail_first(store)
    with pytest.raises(ManifestError) as raised:
        replace_prompt(store, old, prompt, now=9.0)
    assert [(each.file, each.line, each.field) for each in raised.value.problems] == [("--prompt", None, "prompt")]
    assert list(store.jobs()) == [old]


def test_what_the_model_no_longer_takes_can_be_dropped(store: Store) -> None:
    request = {"model": OLD, "prompt": "A fox", "colour": "red"}
    store.imports.add_jobs([make_spec("a", model=OLD, request=request)], run=1, now=2.0)
    (job,) = store.jobs()
    with pytest.raises(ManifestError, match="--drop colour leaves it out"):
        replace_prompt(store, job, "A wolf", now=9.0)
    assert replace_prompt(store, job, "A wolf", drop=["colour"], now=9.0).request == {"model": OLD, "prompt": "A wolf"}


def test_a_hint_names_a_job_by_its_id_if_another_one_has_its_name(store: Store) -> None:
    """By the name it would be refused, as it may be either."""
    for prompt in ("A fox", "An owl"):
        add(store, f"jobs: [{{name: twin, model: MODEL, prompt: {prompt}}}]", OLD)
    done = moved_on(store, 1, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=3.0)
    (other,) = store.jobs(S.PENDING)
    with pytest.raises(UsageError, match=f"`batchveo retry {done.id} --takes 1 "):
        replace_prompt(store, done, "x", now=9.0)
    manage.cancel_jobs(store, [other], now=9.0)
    other = store.queries.read_job(other.seq)
    with pytest.raises(UsageError, match=f"make it pending first by `batchveo retry {other.id} "):
        plan_takes(store, [other], 1)


def test_a_replaced_job_is_named_by_its_id(store: Store) -> None:
    """Its name selects the job that replaces it."""
    add(store, "jobs: [{name: fox, model: MODEL, prompt: A fox}]", OLD)
    old = fail_first(store)
    new = replace_prompt(store, old, "A wolf", now=9.0)
    assert manage.name_job(store, new) == "fox"
    assert manage.name_job(store, store.queries.read_job(old.seq)) == old.id


def test_jobs_that_keep_their_prompt(store: Store) -> None:
    """Those with a video, in flight, replaced already, with that prompt, or with a twin that has it."""
    add(store, FOXES, OLD)
    done = moved_on(store, 1, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=3.0)
    busy = moved_on(store, 1, S.GENERATING, now=3.0)
    dragon, same, *_ = store.jobs(S.PENDING)
    for job, prompt, words in (
        (done, "x", "'fox 0' is succeeded: .*--takes 1 --state .*` makes another clip by the same prompt"),
        (busy, "x", "'fox 1' is generating: only pending, failed and cancelled jobs"),
        (dragon, " A dragon", "that is the prompt of 'a-dragon-.*' already$"),
    ):
        with pytest.raises(UsageError, match=words):
            replace_prompt(store, job, prompt, now=9.0)
    replace_prompt(store, same, "A lion", now=9.0)
    with pytest.raises(UsageError, match=r"'same' .* is cancelled: made again as"):
        replace_prompt(store, store.queries.read_job(same.seq), "A tiger", now=9.0)
    add(store, "jobs: [{name: p, model: MODEL, prompt: A puma}, {name: q, model: MODEL, prompt: A lynx}]", OLD)
    puma, lynx = store.queries.find_jobs("p")[0], store.queries.find_jobs("q")[0]
    with pytest.raises(UsageError, match=f"'q' \\({lynx.id}\\) asks for that already, and is pending"):
        replace_prompt(store, puma, "A lynx", now=9.0)
    assert store.counts().by_state[S.CANCELLED] == 1


def test_a_prompt_is_replaced_while_a_run_is_active_and_not_if_the_job_moves(store: Store) -> None:
    add(store, FOXES, OLD)
    old = fail_first(store)
    with Store(store.path) as other:
        other.runs.acquire_lock()
        replace_prompt(store, old, "A wolf", now=9.0)
        other.runs.release_lock()
    job = next(iter(store.jobs(S.PENDING)))
    failed = moved_on(store, 1, S.FAILED, now=3.0, error="no")
    with pytest.raises(UsageError, match=r"is the prompt of 'fox 1' already; `batchveo retry .*` makes it again"):
        replace_prompt(store, failed, "A fox", now=9.0)
    with pytest.raises(UsageError, match="has just changed its state"):
        replace_prompt(store, job, "A goat", now=9.0)


LITE, LITE_TOO = "google/veo-3-1-lite-generate-preview", "veo-3.1-lite-generate-001"
CHAINS = {
    "short": """
        - model: MODEL
          name: "{animal}"
          matrix: {animal: [fox, cat]}
          chain: ["A {animal} SLEEPS", It runs, It rests]
    """,
    "short with an id": """
        - {model: MODEL, id: fox, chain: [A fox SLEEPS, It runs, It rests]}
    """,
    "by ids": """
        - {model: MODEL, id: b, prompt: It runs, image_url: {frame: last, of: a}}
        - {model: MODEL, id: c, prompt: It rests, image_url: {frame: last, of: b}, last_image_url: {frame: 1.5, of: a}}
        - {model: MODEL, id: a, prompt: A fox SLEEPS}
        - {model: MODEL, id: other, prompt: A cat SLEEPS}
    """,
    "the same twice": """
        - {model: MODEL, repeat: 2, chain: [A fox SLEEPS, It runs, It rests]}
    """,
}


def read_chain(store: Store) -> list[tuple[str, str, int, int, list[str]]]:
    """What a chain consists of: the prompt of each job, its state, its link, what it waits for, and its parents."""
    jobs = {job.id: job for job in store.jobs()}
    return [
        (
            job.prompt,
            job.state.value,
            job.link,
            job.waits,
            [f"{link.part} of {jobs[link.parent].prompt}" for link in store.links.list_parent_links(job)],
        )
        for job in jobs.values()
        if job.chain is not None
    ]


@pytest.mark.parametrize("form", CHAINS)
def test_what_waits_for_a_job_waits_for_the_one_that_replaces_it(store: Store, form: str) -> None:
    """With the ids that the manifest gives, edited in the same way: it adds nothing, and links nothing otherwise."""
    text = CHAINS[form]
    add(store, text, LITE)
    before = read_chain(store)
    for job in list(store.jobs()):
        if "SLEEPS" in job.prompt:
            replace_prompt(store, job, job.prompt.replace("SLEEPS", "wakes"), now=9.0)
    after = read_chain(store)
    assert sorted(after) == sorted(
        (prompt.replace("SLEEPS", "wakes"), state, link, waits, [each.replace("SLEEPS", "wakes") for each in parents])
        for prompt, state, link, waits, parents in before
    )
    assert all(str(job.request["image_url"]).startswith("batchveo-link:last:") for job in store.jobs() if job.waits)
    edited = text.replace("SLEEPS", "wakes")
    added = add(store, edited, LITE)
    assert (added.new, added.named) == (0, added.by_state[S.PENDING])
    assert read_chain(store) == after
    # a link that is added to the edited manifest follows the ones that are known
    if form == "by ids":
        longer = f"{edited}    - {{model: MODEL, prompt: At last, image_url: {{frame: last, of: c}}}}\n"
        assert add(store, longer, LITE).new == 1
        assert read_chain(store)[-1] == ("At last", "pending", 4, 1, ["last of It rests"])
        assert add(store, longer, LITE).new == 0


@pytest.mark.parametrize("form", CHAINS)
def test_a_chain_goes_to_another_model(store: Store, form: str) -> None:
    add(store, CHAINS[form], LITE)
    before = read_chain(store)
    made = replace(store, old=LITE, new=LITE_TOO)
    assert (made.added, len(made.followers)) == (len(list(store.jobs(S.PENDING))), 0)
    assert sorted(read_chain(store)) == sorted(before)
    assert {job.model for job in store.jobs(S.PENDING)} == {LITE_TOO}
    assert add(store, CHAINS[form], LITE_TOO).new == 0


def test_only_a_parent_goes_to_another_model(store: Store) -> None:
    """Those that are made from its video are asked for anew, under their own model."""
    add(store, CHAINS["by ids"], LITE)
    replace(store, old=LITE, new=LITE_TOO, keys=[job.id for job in store.jobs() if job.link == 1])
    assert {job.prompt: job.model for job in store.jobs(S.PENDING)} == {
        "A fox SLEEPS": LITE_TOO,
        "A cat SLEEPS": LITE_TOO,
        "It runs": LITE,
        "It rests": LITE,
    }
    edited = (
        CHAINS["by ids"].replace("MODEL, id: a", f"{LITE_TOO}, id: a").replace("MODEL, id: o", f"{LITE_TOO}, id: o")
    )
    assert add(store, edited, LITE).new == 0


def test_a_model_that_does_not_take_the_link_is_a_problem(store: Store) -> None:
    add(store, CHAINS["by ids"], LITE)
    with pytest.raises(ManifestError) as raised:
        replace(store, old=LITE, new="google/veo-3.1-t2v-fast")
    assert {problem.field for problem in raised.value.problems} == {"image_url", "last_image_url"}
    # this one takes images by their addresses only, for which the next run needs a bucket, as the last one had
    with pytest.raises(ManifestError, match="takes only an address"):
        replace(store, old=LITE, new="x-ai/grok-imagine-video", drop=["last_image_url"])
    settings = RunSettings(inputs=BucketUrl("s3://bucket/inputs"))
    run = store.runs.begin_run(command="run", service="s", now=2.0)
    store.runs.set_options(run, serialize_settings(settings, find_chosen(settings)))
    replace(store, old=LITE, new="x-ai/grok-imagine-video", drop=["last_image_url"])
    pending = store.jobs(S.PENDING)
    assert [link.takes_data for job in pending for link in store.links.list_parent_links(job)] == [False, False]


def test_cancelled_jobs_below_stay_cancelled(store: Store) -> None:
    """Under their new ids too; further takes of those that are replaced are not made."""
    add(store, CHAINS["by ids"], LITE)
    parent, child, last = (next(job for job in store.jobs() if word in job.prompt) for word in ("fox", "runs", "rests"))
    moved_on(store, 1, S.GENERATING, S.FAILED, now=3.0)
    manage.cancel_jobs(store, [store.queries.read_job(last.seq)], now=4.0)
    store.takes.add_takes(child, [NewTake(request=canonical_json(child.request), tries=1, asked=True)], now=5.0)
    replace_prompt(store, store.queries.read_job(parent.seq), "A fox wakes", now=9.0)
    ids = {job.prompt: job.id for job in store.jobs()}
    assert sorted((job.prompt, job.take, job.state.value, job.error or "") for job in store.jobs()) == sorted(
        [
            ("A fox SLEEPS", 1, "cancelled", f"made again as {ids['A fox wakes']} with another prompt"),
            ("A fox wakes", 1, "pending", ""),
            ("A cat SLEEPS", 1, "pending", ""),
            ("It runs", 1, "cancelled", f"made again as {ids['It runs']} with another prompt"),
            ("It runs", 2, "cancelled", f"made again as {ids['It runs']} with another prompt"),
            ("It runs", 1, "pending", ""),
            ("It rests", 1, "cancelled", f"made again as {ids['It rests']} with another prompt"),
            ("It rests", 1, "cancelled", ""),
        ]
    )
    assert add(store, CHAINS["by ids"].replace("fox SLEEPS", "fox wakes"), LITE).new == 0


def test_bought_jobs_below_stay_as_they_are(store: Store) -> None:
    """With what waits for them, as after a parent whose video was lost; what follows the parent itself moves."""
    add(store, CHAINS["by ids"], LITE)
    made = moved_on(store, 1, *DONE, now=3.0)
    child = next(job for job in store.jobs() if job.prompt == "It runs")
    (link,) = store.links.list_links(child)
    store.links.fill_text(link, made, "https://x", run=1, now=4.0)
    moved_on(store, 1, *DONE, now=5.0)
    lost = store.transitions.apply_move(store.queries.read_job(made.seq), Move(to=S.GENERATING), run=1, now=6.0)
    store.manual.give_up_job(lost, now=7.0)
    replace_prompt(store, store.queries.read_job(made.seq), "A fox wakes", now=9.0)
    new = next(job for job in store.jobs() if job.prompt == "A fox wakes")
    assert {(job.prompt, job.state.value) for job in store.jobs()} == {
        ("A fox SLEEPS", "cancelled"),
        ("A fox wakes", "pending"),
        ("A cat SLEEPS", "pending"),
        ("It runs", "succeeded"),
        ("It rests", "cancelled"),
        ("It rests", "pending"),
    }
    last = next(job for job in store.jobs(S.PENDING) if job.prompt == "It rests")
    parents = {(link.part, link.parent) for link in store.links.list_parent_links(last)}
    assert parents == {("last", child.id), ("1.5", new.id)}


def test_a_prompt_is_no_link(store: Store) -> None:
    add(store, CHAINS["by ids"], LITE)
    with pytest.raises(ManifestError, match="stands for another job"):
        replace_prompt(store, next(iter(store.jobs())), "batchveo-link:last:0123", now=9.0)
