"""Fields given for all jobs, columns renamed, columns that are no fields, and jobs chosen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError, UsageError
from batchveo.core.fields import parse_condition
from batchveo.core.job_row import Row
from batchveo.manifest import Extra, Manifests, ReadOptions, Summary, pairs_of
from tests.helpers.manifests import T2V, read, told

FAST = "google/veo-3.1-t2v-fast"
REAL = "video_id,text_prompt,dimension\nv1,A cat,motion\nv2,A dog,\n"
GIVEN = ReadOptions(
    sets={"model": FAST, "duration": "8"},
    renames={"prompt": "text_prompt", "name": "video_id"},
    extra=Extra.META,
)
MANIFEST = f"""
- model: {T2V}
  prompt: A {{pet}}
  name: "{{pet}}-{{index}}"
  repeat: 3
  matrix: {{pet: [cat, "cow[1]", dog]}}
- {{model: google/veo3, prompt: A fox}}
- {{model: google/veo3, prompt: A fox}}
"""


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json"])
def test_a_real_file_as_it_came(suffix: str, tmp_path: Path) -> None:
    """The same table in each format comes to the same jobs."""
    rows = [
        {"video_id": "v1", "text_prompt": "A cat", "dimension": "motion"},
        {"video_id": "v2", "text_prompt": "A dog"},
    ]
    contents = {
        "csv": REAL,
        "tsv": REAL.replace(",", "\t"),
        "jsonl": "\n".join(map(json.dumps, rows)),
        "json": json.dumps(rows, indent=1),
    }
    found = read(write(tmp_path, f"real.{suffix}", contents[suffix]), GIVEN)
    assert [job.name for job in found] == ["v1", "v2"]
    assert [job.request for job in found] == [
        {"model": FAST, "prompt": "A cat", "duration": 8},
        {"model": FAST, "prompt": "A dog", "duration": 8},
    ]
    assert [job.meta for job in found] == [{"dimension": "motion"}, {}]


def test_an_entry_wins_over_set_which_wins_over_defaults(tmp_path: Path) -> None:
    """A job's own word first, then the command line's, then the file's; null takes both away."""
    path = write(
        tmp_path,
        "a.yaml",
        f"defaults: {{model: {T2V}, duration: 4, seed: 1, meta: {{a: 1, b: 1}}}}\njobs:\n"
        "- {prompt: A, duration: 6}\n- {prompt: B, meta: {b: 3}}\n- {prompt: C, duration: null}\n",
    )
    found = read(path, ReadOptions(sets={"duration": "8", "meta.a": "2", "generate_audio": "no"}))
    assert [job.request.get("duration") for job in found] == [6, 8, None]
    assert {job.request["seed"] for job in found} == {1}
    assert {job.request["generate_audio"] for job in found} == {False}
    assert [job.meta for job in found] == [{"a": "2", "b": 1}, {"a": "2", "b": 3}, {"a": "2", "b": 1}]


def test_an_empty_cell_takes_what_is_set(tmp_path: Path) -> None:
    """It is unset, and only then; a name may be a template, and repeat a number in text."""
    path = write(tmp_path, "a.csv", f"model,prompt,duration\n{T2V},A cat,\n{T2V},A dog,4\n")
    found = read(
        path, ReadOptions(sets={"duration": "8", "name": "{prompt}-{index}", "repeat": "2", "seed": "{index}"})
    )
    assert [(job.name, job.request["duration"], job.request["seed"]) for job in found] == [
        ("A cat-0", 8, 0),
        ("A cat-1", 8, 1),
        ("A dog-0", 4, 0),
        ("A dog-1", 4, 1),
    ]


def test_a_null_in_a_line_takes_what_is_set(tmp_path: Path) -> None:
    """Programs write it where a CSV has an empty cell."""
    path = write(tmp_path, "a.jsonl", json.dumps({"prompt": "A", "duration": None, "seed": None}))
    [job] = read(path, ReadOptions(sets={"model": T2V, "duration": "8"}))
    assert job.request == {"model": T2V, "prompt": "A", "duration": 8}


def test_set_gives_the_same_id_as_a_column(tmp_path: Path) -> None:
    """A job is known by its request, however it came about."""
    column = read(write(tmp_path, "a.csv", f"model,prompt,duration\n{T2V},A cat,8\n"), ReadOptions())
    given = read(write(tmp_path, "b.csv", "prompt\nA cat\n"), ReadOptions(sets={"model": T2V, "duration": "8"}))
    assert column[0].id == given[0].id


def test_a_fault_of_what_is_set_is_told_once(tmp_path: Path) -> None:
    """With the option, not with a line that does not say it."""
    path = write(tmp_path, "a.csv", "prompt\n" + "A cat\n" * 50)
    [problem] = told(path, ReadOptions(sets={"model": T2V, "duration": "5"}))
    assert (problem.line, problem.field) == (None, "--set duration")
    assert "5 is not among 4, 6, 8" in problem.message


@pytest.mark.parametrize("content", [REAL, '{"video_id": "v", "text_prompt": "A"}\n'])
def test_a_column_that_is_not_there(content: str, tmp_path: Path) -> None:
    """The problem names the columns that are."""
    path = write(tmp_path, "a.jsonl" if content.startswith("{") else "a.csv", content)
    options = ReadOptions(sets={"model": FAST}, renames={"prompt": "caption"}, extra=Extra.IGNORE)
    problem = next(problem for problem in told(path, options) if "--map" in problem.message)
    assert "--map prompt=caption" in problem.message
    assert "video_id, text_prompt" in (problem.suggestion or "")


def test_one_column_may_fill_two_fields(tmp_path: Path) -> None:
    """And the column that has the field's own name is an extra one then."""
    path = write(tmp_path, "a.csv", "title,prompt\nA cat,old\n")
    renames = {"prompt": "title", "name": "title"}
    [job] = read(path, ReadOptions(sets={"model": FAST}, renames=renames, extra=Extra.META))
    assert (job.name, job.request["prompt"], job.meta) == ("A cat", "A cat", {"prompt": "old"})
    [problem] = told(path, ReadOptions(sets={"model": FAST}, renames=renames))
    assert (problem.line, problem.field) == (1, "prompt")
    assert "--extra meta" in (problem.suggestion or "")


@pytest.mark.parametrize(
    ("extra", "meta"),
    [(Extra.META, {"views": "9", "category name": "x"}), (Extra.IGNORE, {}), (Extra.ERROR, None)],
)
def test_extra_columns(extra: Extra, meta: dict[str, str] | None, tmp_path: Path) -> None:
    """Carried along, left out, or an error each."""
    path = write(tmp_path, "a.csv", f"model,prompt,views,category name\n{T2V},A cat,9,x\n")
    if meta is None:
        assert [problem.field for problem in told(path, ReadOptions(extra=extra))] == ["views", "category name"]
    else:
        assert [job.meta for job in read(path, ReadOptions(extra=extra))] == [meta]


def test_extra_keys_keep_their_types(tmp_path: Path) -> None:
    """Lists and objects too; what meta has already is not overwritten."""
    line = {"model": T2V, "prompt": "A", "dimension": ["a", "b"], "info": {"k": 1}, "n": None, "meta": {"x": 1}}
    path = write(tmp_path, "a.jsonl", json.dumps(line))
    [job] = read(path, ReadOptions(extra=Extra.META))
    assert job.meta == {"x": 1, "dimension": ["a", "b"], "info": {"k": 1}}
    path = write(tmp_path, "b.jsonl", json.dumps({**line, "x": 2}))
    [problem] = told(path, ReadOptions(extra=Extra.META))
    assert "in meta and beside it" in problem.message


def test_a_cut_text_is_never_an_extra_key(tmp_path: Path) -> None:
    """In YAML a key without a value is the rest of a prompt with a comma, whatever is asked for."""
    path = write(tmp_path, "a.yaml", f"- {{model: {T2V}, prompt: A cat, a dog and a mouse}}\n")
    for extra in Extra:
        [problem] = told(path, ReadOptions(extra=extra))
        assert problem.field == "a dog and a mouse"
    path = write(tmp_path, "b.yaml", f"- {{model: {T2V}, prompt: A cat, shot: 7}}\n")
    assert read(path, ReadOptions(extra=Extra.META))[0].meta == {"shot": 7}


def test_nested_keys(tmp_path: Path) -> None:
    """By their path; what is left beside them is not lost either."""
    line = {"custom_id": "a", "body": {"prompt": "A cat", "seconds": 8, "messages": [{"content": "hello"}]}}
    path = write(tmp_path, "a.jsonl", json.dumps(line))
    renames = {"name": "custom_id", "prompt": "body.prompt"}
    [problem] = told(path, ReadOptions(sets={"model": T2V}, renames=renames))
    assert problem.field == "body"
    assert "body.seconds" in problem.message
    [job] = read(
        path, ReadOptions(sets={"model": T2V}, renames={**renames, "duration": "body.seconds"}, extra=Extra.META)
    )
    assert (job.request["duration"], job.meta) == (8, {"body": {"messages": [{"content": "hello"}]}})
    chat = {"name": "custom_id", "prompt": "body.messages.0.content"}
    [job] = read(path, ReadOptions(sets={"model": T2V}, renames=chat, extra=Extra.IGNORE))
    assert (job.name, job.request["prompt"], job.meta) == ("a", "hello", {})


def test_a_number_may_be_a_name(tmp_path: Path) -> None:
    """Data sets count their items."""
    path = write(tmp_path, "a.json", json.dumps([{"image_id": 42, "caption": "A cat"}]))
    [job] = read(path, ReadOptions(sets={"model": T2V}, renames={"name": "image_id", "prompt": "caption"}))
    assert job.name == "42"


def test_unknown_models_keep_their_parameters(tmp_path: Path) -> None:
    """Without --extra every column is one; with it those that are no known field are carried along."""
    path = write(tmp_path, "a.csv", "model,prompt,motion,views\nkling/v9,A cat,0.5,9\n")
    [job] = read(path, ReadOptions(), any_model=True)
    assert job.request == {"model": "kling/v9", "prompt": "A cat", "motion": 0.5, "views": 9}
    options = ReadOptions(renames={"motion": "motion"}, extra=Extra.META)
    [job] = read(path, options, any_model=True)
    assert (job.request, job.meta) == ({"model": "kling/v9", "prompt": "A cat", "motion": 0.5}, {"views": "9"})


def test_a_missing_prompt_is_never_made_up(tmp_path: Path) -> None:
    """Though the column that is ignored sounds like one."""
    path = write(tmp_path, "a.csv", f"model,caption\n{T2V},A cat\n")
    [problem] = told(path, ReadOptions(extra=Extra.IGNORE))
    assert (problem.line, problem.field) == (1, "prompt")


def test_map_is_for_tables(tmp_path: Path) -> None:
    """YAML has keys of its own writing."""
    path = write(tmp_path, "a.yaml", f"- {{model: {T2V}, prompt: A}}\n")
    [problem] = told(path, ReadOptions(renames={"prompt": "caption"}))
    assert "CSV, TSV and JSON" in (problem.suggestion or "")


@pytest.mark.parametrize(
    "options",
    [
        ReadOptions(sets={"durtion": "8"}),
        ReadOptions(sets={"id": "8"}),
        ReadOptions(sets={"matrix": "8"}),
        ReadOptions(sets={"prompts_file": "a"}),
        ReadOptions(sets={"duration": " "}),
        ReadOptions(renames={"caption": "prompt"}),
        ReadOptions(renames={"meta": "x"}),
        ReadOptions(limit=0),
    ],
)
def test_bad_options(options: ReadOptions) -> None:
    """What no job can have, before anything is read."""
    with pytest.raises(UsageError):
        Manifests(["none.csv"], options=options)


@pytest.mark.parametrize("text", ["duration", "=8", " =x"])
def test_pairs_have_two_sides(text: str) -> None:
    """The message says how they are written."""
    with pytest.raises(UsageError, match="FIELD=VALUE"):
        pairs_of("--set", [text], "FIELD=VALUE")
    with pytest.raises(UsageError, match="twice"):
        pairs_of("--set", ["a=1", "a=2"], "FIELD=VALUE")
    assert pairs_of("--set", ["prompt=a=b, c"], "FIELD=VALUE") == {"prompt": "a=b, c"}


def test_nothing_changes_without_options(tmp_path: Path) -> None:
    """The columns of others stay errors."""
    with Manifests([write(tmp_path, "real.csv", REAL)]) as manifests, pytest.raises(ManifestError) as raised:
        manifests.check()
    assert "--map prompt=text_prompt" in str(raised.value)
    assert "--set model=" in str(raised.value)


def chosen(folder: Path, options: ReadOptions) -> tuple[Summary, list[str]]:
    (folder / "m.yaml").write_text(MANIFEST)
    taken: list[Row] = []
    with Manifests([folder / "m.yaml"], options=options) as manifests:
        summary = manifests.read(taken.extend)
    return summary, [str(job[1]) for job in taken]


def test_the_first_jobs(tmp_path: Path) -> None:
    """In the order of the manifest; the whole of it is counted."""
    summary, names = chosen(tmp_path, ReadOptions(limit=4))
    assert names == ["cat-0", "cat-1", "cat-2", "cow[1]-0"]
    assert (summary.jobs, summary.chosen, summary.repeated) == (11, 4, 0)
    assert summary.choice_note == "4 of 11 chosen by --limit"
    assert chosen(tmp_path, ReadOptions(limit=100))[0].repeated == 1


def test_jobs_by_name_id_and_glob(tmp_path: Path) -> None:
    """Each pattern for itself, names with brackets literally too; the limit counts what they chose."""
    everything = chosen(tmp_path, ReadOptions())[1]
    with Manifests([tmp_path / "m.yaml"]) as manifests:
        fox = [job for job in manifests.specs() if job.request["prompt"] == "A fox"]
    only = ("cow[1]-2", "dog-*", fox[1].id)
    summary, names = chosen(tmp_path, ReadOptions(only=only))
    assert names == ["cow[1]-2", "dog-0", "dog-1", "dog-2", fox[1].name]
    assert summary.repeated == 1
    assert chosen(tmp_path, ReadOptions(only=("*-1", "cat-*"), limit=3))[1] == ["cat-0", "cat-1", "cat-2"]
    assert chosen(tmp_path, ReadOptions(only=("*",)))[1] == everything


def test_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    """Is bad usage, though another one matches."""
    with pytest.raises(UsageError, match="Cat-0"):
        chosen(tmp_path, ReadOptions(only=("cat-0", "Cat-0")))


def test_problems_of_jobs_that_are_not_chosen_count(tmp_path: Path) -> None:
    """A manifest is good or it is not."""
    (tmp_path / "m.yaml").write_text(MANIFEST + "- {prompt: A}\n")
    with Manifests([tmp_path / "m.yaml"], options=ReadOptions(limit=1)) as manifests, pytest.raises(ManifestError):
        manifests.check()


def test_ids_do_not_depend_on_the_choice(tmp_path: Path) -> None:
    """What is chosen today is the same job tomorrow."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    taken: list[Row] = []
    with Manifests([tmp_path / "m.yaml"], options=ReadOptions(only=("dog-*",))) as manifests:
        manifests.read(taken.extend)
        ids = [job.id for job in manifests.specs() if job.name.startswith("dog")]
    assert [job[0] for job in taken] == ids


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ('"DOG" in prompt and repeat >= 1', ["dog-1", "dog-2"]),
        ('request.model != "google/veo3" and "cat" in name and seed == null', ["cat-0", "cat-1", "cat-2"]),
        (f'model == "{T2V}" and name in ["cow[1]-0", "cow"] and meta.split == "test"', ["cow[1]-0"]),
    ],
)
def test_a_condition_chooses_jobs(where: str, names: list[str], tmp_path: Path) -> None:
    options = ReadOptions(where=parse_condition(where), sets={"meta.split": "test"})
    summary, found = chosen(tmp_path, options)
    assert found == names
    assert summary.choice_note == f"{len(names)} of 11 chosen by --where"


def test_a_condition_knows_priorities(tmp_path: Path) -> None:
    """Those that ``--set`` gives, too."""
    options = ReadOptions(where=parse_condition("priority > 4"), sets={"priority": "5"}, limit=2)
    assert len(chosen(tmp_path, options)[1]) == 2


def test_conditions_join_the_other_choices(tmp_path: Path) -> None:
    options = ReadOptions(only=("dog-*", "cat-*"), where=parse_condition("repeat != 1"), limit=3)
    summary, names = chosen(tmp_path, options)
    assert names == ["cat-0", "cat-2", "dog-0"]
    assert summary.choice_note == "3 of 11 chosen by --only and --where and --limit"


def test_a_condition_that_is_never_true_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--where repeat > 7: true for none of 11 jobs"):
        chosen(tmp_path, ReadOptions(where=parse_condition("repeat > 7")))


@pytest.mark.parametrize("where", ["black_seconds > 1", "verdict == 'rejected'", "clip.score > 1", "take == 1"])
def test_what_is_not_known_before_the_clip_is_made_is_an_error(where: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not known before the clip is made\n  .*\n  \^"):
        chosen(tmp_path, ReadOptions(where=parse_condition(where)))
