"""What is measured of a clip and what decides about it: ``checks``, ``gates`` and ``prefer`` at every place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from batchveo.core.errors import Problem
from batchveo.core.fields import find_in
from batchveo.core.gates import CheckPolicy, Verdict, judge_clip, parse_policy
from batchveo.core.measures import CheckLevel
from batchveo.core.models import JobSpec
from batchveo.manifest import Extra, Manifests, ReadOptions
from batchveo.manifest.check_keys import CheckKeys, make_policy
from tests.helpers.manifests import I2V, T2V, problems, read, told

NONE, BASIC, ALL = CheckLevel
NOTHING = CheckPolicy()


def write(folder: Path, content: str, name: str = "m.yaml") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def policies(path: Path, options: ReadOptions | None = None) -> list[CheckPolicy]:
    return [parse_policy(job.policy) for job in read(path, options or ReadOptions())]


def policy(*gates: str, level: CheckLevel = NONE, prefer: str = "") -> CheckPolicy:
    return CheckPolicy(level=level, gates=gates, prefer=prefer)


def at(found: Problem) -> tuple[int | None, str | None, str]:
    return found.line, found.field, found.message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.yaml", "checks: all", policy(level=ALL)),
        ("a.yaml", "checks: none", NOTHING),
        ("a.yaml", "gates: black_seconds < 0.5", policy("black_seconds < 0.5")),
        (
            "a.yaml",
            'checks: Basic, gates: [has_sound == true, codec == "h264"], prefer: -motion',
            policy("has_sound == true", 'codec == "h264"', level=BASIC, prefer="-motion"),
        ),
        ("a.yaml", 'gates: ["model in [\\"a\\", \\"b\\"]"]', policy('model in ["a", "b"]')),
        ("a.yaml", "gates: []", NOTHING),
        ("a.yaml", "checks: null, gates: null, prefer: null", NOTHING),
    ],
)
def test_forms_in_yaml(name: str, content: str, expected: CheckPolicy, tmp_path: Path) -> None:
    """One text or a list of them; the level in any case."""
    assert policies(write(tmp_path, f"- {{model: {T2V}, prompt: A, {content}}}\n", name)) == [expected]


def test_the_cells_of_a_table(tmp_path: Path) -> None:
    """One gate in a cell; an empty cell is no value, and so the value of --set counts."""
    path = write(
        tmp_path,
        f'model,prompt,Gates,checks\n{T2V},A,"has_sound and model in [""x"", ""y""]",\n{T2V},B,,ALL\n{T2V},C,,\n',
        "a.csv",
    )
    gate = 'has_sound and model in ["x", "y"]'
    assert policies(path) == [policy(gate), policy(level=ALL), NOTHING]
    given = ReadOptions(sets={"gates": "motion > 1", "prefer": "motion"})
    moves = policy("motion > 1", prefer="motion")
    assert policies(path, given) == [
        policy(gate, prefer="motion"),
        policy("motion > 1", level=ALL, prefer="motion"),
        moves,
    ]


def test_null_in_json_lines_is_no_value(tmp_path: Path) -> None:
    """As of any field that --set gives."""
    rows = [{"model": T2V, "prompt": "A", "gates": None}, {"model": T2V, "prompt": "B", "gates": ["has_sound"]}]
    path = write(tmp_path, "\n".join(map(json.dumps, rows)), "a.jsonl")
    assert policies(path, ReadOptions(sets={"gates": "cuts < 2"})) == [policy("cuts < 2"), policy("has_sound")]


DEFAULTS = f"""
defaults:
  model: {T2V}
  gates: [black_seconds < 0.5]
  prefer: -motion
  per_model: {{google/veo3: {{checks: all, gates: cuts < 2}}, veo2: {{checks: none}}}}
jobs:
"""
FOR_THREE = f"""
  prompt: A
  matrix: {{model: [{T2V}, google/veo3, veo2]}}
  gates: has_sound
  per_model: {{{T2V}: {{gates: fps > 20, prefer: null}}, google/veo3: {{checks: none}}}}
"""
USUAL = policy("black_seconds < 0.5", prefer="-motion")


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("{prompt: A}", [USUAL]),
        ("{prompt: A, prefer: null}", [policy("black_seconds < 0.5")]),
        ("{prompt: A, gates: null}", [NOTHING]),
        ("{prompt: A, checks: none}", [NOTHING]),
        ("{prompt: A, checks: all}", [policy("black_seconds < 0.5", level=ALL, prefer="-motion")]),
        ("{prompt: A, gates: has_sound, prefer: blur}", [policy("has_sound", prefer="blur")]),
        ("{prompt: A, model: google/veo3}", [policy("cuts < 2", level=ALL, prefer="-motion")]),
        ("{prompt: A, model: google/veo3, gates: has_sound}", [policy("has_sound", level=ALL, prefer="-motion")]),
        ("{prompt: A, model: veo2}", [NOTHING]),
        ("{prompt: A, model: veo2, gates: has_sound}", [policy("has_sound")]),
        (FOR_THREE, [policy("fps > 20"), NOTHING, policy("has_sound")]),
    ],
)
def test_the_strongest_place_wins(job: str, expected: list[CheckPolicy], tmp_path: Path) -> None:
    """A block of the job, the job, a block of the defaults, the defaults; ``checks: none`` silences weaker places."""
    assert policies(write(tmp_path, f"{DEFAULTS}- {job}\n")) == expected


def test_a_preference_for_the_models_that_have_gates(tmp_path: Path) -> None:
    """Nothing comes of it for the others."""
    entry = (
        f"- {{prompt: A, prefer: motion, matrix: {{model: [{T2V}, veo2]}}, per_model: {{veo2: {{gates: fps > 1}}}}}}"
    )
    assert policies(write(tmp_path, entry)) == [NOTHING, policy("fps > 1", prefer="motion")]


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ({"gates": "fps > 20"}, [policy("fps > 20", prefer="-motion"), policy("has_sound", prefer="-motion")]),
        ({"checks": "none"}, [NOTHING, policy("has_sound")]),
        ({"checks": "none", "tries": "3"}, [NOTHING, policy("has_sound")]),
        ({"checks": "all"}, [policy(*USUAL.gates, level=ALL, prefer="-motion"),
                             policy("has_sound", level=ALL, prefer="-motion")]),
    ],
)  # fmt: skip
def test_set_wins_over_the_defaults(sets: Mapping[str, str], expected: list[CheckPolicy], tmp_path: Path) -> None:
    """And not over what the job says itself."""
    path = write(tmp_path, f"{DEFAULTS}- {{prompt: A}}\n- {{prompt: B, gates: has_sound}}\n")
    assert policies(path, ReadOptions(sets=sets)) == expected


def test_set_wins_over_a_block_of_the_defaults(tmp_path: Path) -> None:
    """As for parameters."""
    path = write(tmp_path, f"{DEFAULTS}- {{prompt: A, model: google/veo3}}\n")
    assert policies(path, ReadOptions(sets={"gates": "fps > 20"})) == [policy("fps > 20", level=ALL, prefer="-motion")]


@pytest.mark.parametrize("least", CheckLevel)
def test_the_least_level_is_that_of_every_job(least: CheckLevel, tmp_path: Path) -> None:
    """Also of those whose checks are none; gates stay as they are."""
    path = write(tmp_path, f"{DEFAULTS}- {{prompt: A}}\n- {{prompt: B, checks: none}}\n- {{prompt: C, checks: all}}\n")
    found = policies(path, ReadOptions(checks=least))
    assert [each.level for each in found] == [least, least, ALL]
    assert [each.gates for each in found] == [USUAL.gates, (), USUAL.gates]


def test_they_are_not_sent_and_make_no_other_job(tmp_path: Path) -> None:
    """Nothing that is bought depends on them."""
    found: list[JobSpec] = []
    for keys in ("", ", checks: all", ", gates: has_sound, prefer: motion"):
        found += read(write(tmp_path, f"- {{model: {T2V}, prompt: A{keys}}}\n"), ReadOptions())
    assert len({job.id for job in found}) == 1
    assert [dict(job.request) for job in found] == 3 * [{"model": T2V, "prompt": "A"}]
    assert len({job.policy for job in found}) == 3


def test_a_family_shares_its_policy(tmp_path: Path) -> None:
    """Every repeat, combination and row."""
    write(tmp_path, "a\nb\n", "p.txt")
    write(tmp_path, "who,gates\ncat,no gate\n", "t.csv")
    path = write(
        tmp_path,
        f"defaults: {{model: {T2V}, gates: has_sound}}\njobs:\n- {{prompts_file: p.txt, repeat: 2}}\n"
        '- {rows_file: t.csv, prompt: "A {who}, {gates}"}\n',
    )
    assert policies(path) == 5 * [policy("has_sound")]


def test_a_limit_for_each_row_is_a_value_of_meta(tmp_path: Path) -> None:
    """Gates are no templates, and compare fields with each other."""
    write(tmp_path, "who,least\ncat,3\ndog,5.5\n", "t.csv")
    path = write(
        tmp_path,
        f"- {{model: {T2V}, rows_file: t.csv, prompt: 'A {{who}}', meta: {{least: '{{least}}'}}, "
        "gates: motion >= meta.least}\n",
    )
    verdicts = []
    for job in read(path, ReadOptions()):
        values = {"motion": 4, "meta.least": find_in(job.meta, ("least",))}
        verdicts.append(judge_clip(parse_policy(job.policy).gates, values.__getitem__).verdict)
    assert verdicts == [Verdict.ACCEPTED, Verdict.REJECTED]


def test_a_column_of_that_name_can_be_carried_along(tmp_path: Path) -> None:
    """Under ``meta``, or as it is if --map fills the field from another column."""
    path = write(tmp_path, f"model,prompt,meta.gates,checks,level\n{T2V},A,north,7,all\n", "a.csv")
    [job] = read(path, ReadOptions(renames={"checks": "level"}, extra=Extra.META))
    assert dict(job.meta) == {"gates": "north", "checks": "7"}
    assert parse_policy(job.policy) == policy(level=ALL)


@pytest.mark.parametrize(
    ("keys", "field", "message"),
    [
        ("checks: some", "checks", "'some' is not among none, basic, all"),
        ("checks: true", "checks", "True is not among none, basic, all"),
        ("gates: 7", "gates", "must be a list of conditions, not 7"),
        ("gates: {black_seconds: 1}", "gates", "must be a list of conditions"),
        ("gates: [has_sound, 7]", "gates[1]", "must be text, not 7"),
        ("gates: ['']", "gates[0]", "is empty"),
        (
            "gates: [not black_secnds < 1]",
            "gates[0]",
            "character 5 of 'not black_secnds < 1': black_secnds is not a field; did you mean black_seconds",
        ),
        ("gates: has_sound = true", "gates", "character 11 of 'has_sound = true': = is not known here: write =="),
        ("gates: 'motion >'", "gates", "the end of 'motion >': a field, a number or a text is missing"),
        ("gates: verdict == 1", "gates", "a gate cannot name verdict: it is not known before the clip is judged"),
        ("gates: codec < 3", "gates", "character 9 of 'codec < 3': codec is a text"),
        ("gates: 'cuts < {meta.n}'", "gates", "character 8 of 'cuts < {meta.n}': '{' is not known here"),
        (f"gates: '{'has_sound and ' * 9}moton > 1'", "gates", "character 127 of '…"),
        ("checks: none, gates: has_sound", "gates", "needs checks, which are none here"),
        ("checks: none, prefer: motion", "prefer", "needs checks, which are none here"),
        ("prefer: motion", "prefer", "needs gates: it chooses among the takes that rejected clips get"),
        ("prefer: codec, gates: has_sound", "prefer", "codec is not a number"),
        ("prefer: '-', gates: has_sound", "prefer", "'-' is not the name of a field"),
        ("prefer: [motion], gates: has_sound", "prefer", "must be text"),
        (f"per_model: {{{T2V}: {{gates: [has_sound, x]}}}}", f"per_model.{T2V}.gates[1]", "x is not a field"),
        (f"per_model: {{{T2V}: {{checks: some}}}}", f"per_model.{T2V}.checks", "'some' is not among"),
        (f"per_model: {{{T2V}: {{checks: none, gates: cuts < 1}}}}", f"per_model.{T2V}.gates", "needs checks"),
    ],
)
def test_what_is_wrong(keys: str, field: str, message: str, tmp_path: Path) -> None:
    """The place in the file, the field, and the place in the gate."""
    found = problems(write(tmp_path, f"- prompt: A\n  model: {T2V}\n- {{model: {T2V}, prompt: B, {keys}}}\n"))
    assert [(each.line, each.field) for each in found if message in each.message] == [(3, field)]


def test_a_template_is_answered_by_what_takes_its_place(tmp_path: Path) -> None:
    """Gates name values of the job; nothing is filled in."""
    [found] = problems(write(tmp_path, f"- {{model: {T2V}, prompt: A, gates: 'cuts < {{x}}'}}\n"))
    assert found.suggestion == "nothing is filled in here; meta.KEY and request.KEY are values of the job"


@pytest.mark.parametrize("gates", ["[cuts < 1, has_sound]", "cuts < 1; has_sound"])
def test_several_conditions_in_one_text_are_joined_by_and(gates: str, tmp_path: Path) -> None:
    """As in a cell or after ``--set``."""
    [found] = problems(write(tmp_path, json.dumps([{"model": T2V, "prompt": "A", "gates": gates}])))
    assert str(found.suggestion).endswith("join conditions by and")


def test_a_field_that_no_gate_can_name_is_not_suggested(tmp_path: Path) -> None:
    """``verdict`` would be the nearest."""
    [found] = problems(write(tmp_path, f"- {{model: {T2V}, prompt: A, gates: verdct == 1}}\n"))
    assert "did you mean" not in found.message


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """Those of the defaults once, however many jobs they reach."""
    path = write(
        tmp_path,
        f"defaults:\n  model: {T2V}\n  gates: [x, has_sound = 1]\n  prefer: codec\n"
        "  per_model: {google/veo3: {checks: some}}\njobs:\n" + "- prompt: A\n" * 9 + "- {prompt: B, gates: 1}\n",
    )
    assert [at(each)[:2] for each in problems(path)] == [
        (3, "defaults.gates[0]"),
        (3, "defaults.gates[1]"),
        (4, "defaults.prefer"),
        (5, "defaults.per_model.google/veo3.checks"),
        (16, "gates"),
    ]


def test_set_is_reported_as_such(tmp_path: Path) -> None:
    """It is in the command, not in the file."""
    path = write(tmp_path, f"model,prompt\n{T2V},A\n{T2V},B\n", "a.csv")
    found = told(path, ReadOptions(sets={"gates": "x", "checks": "some"}))
    assert {at(each)[:2] for each in found} == {(None, "--set gates"), (None, "--set checks")}
    found = told(path, ReadOptions(sets={"gates": "cuts < 1", "checks": "none"}))
    assert [at(each) for each in found] == [(None, "--set gates", "needs checks, which are none here")]


@pytest.mark.parametrize("key", ["checks", "gates", "prefer"])
def test_they_are_no_variables_of_a_matrix_and_no_parameters(key: str, tmp_path: Path) -> None:
    """No two jobs would differ by them."""
    [found] = problems(write(tmp_path, f"- {{model: {T2V}, prompt: A, matrix: {{{key}: [a, b]}}}}\n"))
    assert (found.field, found.message) == (f"matrix.{key}", "cannot be the name of a variable")
    [found] = problems(write(tmp_path, f"defaults_where_taken: {{{key}: a}}\njobs: [{{model: {T2V}, prompt: A}}]\n"))
    assert (found.field, found.message) == (f"defaults_where_taken.{key}", "is no parameter")


@pytest.mark.parametrize(("written", "key"), [("gate", "gates"), ("check", "checks"), ("preference", "prefer")])
def test_other_words_are_answered(written: str, key: str, tmp_path: Path) -> None:
    """Never assumed."""
    [found] = problems(write(tmp_path, f"- {{model: {T2V}, prompt: A, {written}: x}}\n"))
    assert str(found.suggestion).startswith(f"did you mean {key}?")


def test_the_first_of_two_manifests_counts(tmp_path: Path) -> None:
    """As for ``meta``."""
    paths = [write(tmp_path, f"- {{model: {I2V}, image_url: https://a.b/c.png, prompt: A, gates: {gate}}}\n", name)
             for name, gate in (("a.yaml", "has_sound"), ("b.yaml", "cuts < 1"))]  # fmt: skip
    with Manifests(paths) as manifests:
        assert [parse_policy(job.policy) for job in manifests.specs()] == [policy("has_sound")]


def test_what_silences_weaker_places() -> None:
    """Stronger places may say more."""
    weak = CheckKeys(gates=("cuts < 1",), prefer="motion")
    assert make_policy([weak, {"checks": NONE}]) == NOTHING
    assert make_policy([weak, {"checks": NONE}, {"checks": ALL}]) == policy(level=ALL)
    assert make_policy([{"checks": NONE}, weak]) == policy("cuts < 1", prefer="motion")
    assert make_policy([{"checks": ALL}, {"checks": None}]) == NOTHING


def priorities(path: Path, options: ReadOptions | None = None) -> list[int]:
    return [job.priority for job in read(path, options or ReadOptions())]


def test_a_priority_may_be_written_at_every_place(tmp_path: Path) -> None:
    """The strongest wins, as for parameters; ``null`` unsets it; it is no part of what a job is."""
    text = f"""
defaults: {{model: {T2V}, priority: 1, per_model: {{{I2V}: {{priority: 2}}}}}}
jobs:
  - {{prompt: default}}
  - {{prompt: own, priority: -3}}
  - {{prompt: unset, priority: null}}
  - {{prompt: block of defaults, model: {I2V}, image_url: "https://a.example/1.png"}}
  - {{prompt: own block, per_model: {{{T2V}: {{priority: 7}}}}}}
  - {{prompt: "each {{n}}", matrix: {{n: [1, 2]}}, priority: 5}}
"""
    path = write(tmp_path, text)
    assert priorities(path) == [1, -3, 0, 2, 7, 5, 5]
    assert priorities(path, ReadOptions(sets={"priority": "9"})) == [9, -3, 0, 9, 7, 5, 5]
    plain = write(tmp_path, text.replace("priority: 5", "repeat: 1").replace("priority: -3", "repeat: 1"), "b.yaml")
    assert [job.id for job in read(path, ReadOptions())] == [job.id for job in read(plain, ReadOptions())]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f"model,prompt,priority\n{T2V},A,5\n{T2V},B,\n{T2V},C,-1\n"),
        (
            "a.jsonl",
            "".join(
                json.dumps({"model": T2V, "prompt": prompt, "priority": priority}) + "\n"
                for prompt, priority in (("A", 5), ("B", None), ("C", -1))
            ),
        ),
    ],
)
def test_a_column_may_hold_priorities(name: str, content: str, tmp_path: Path) -> None:
    """An empty cell is the default."""
    assert priorities(write(tmp_path, content, name)) == [5, 0, -1]


@pytest.mark.parametrize("value", ["high", "1.5", "1000001", "[1]", "true"])
def test_what_is_no_priority(value: str, tmp_path: Path) -> None:
    """With the place and the limits."""
    good, bad = (
        f"  - {{model: {T2V}, prompt: {prompt}, priority: {each}}}\n" for prompt, each in (("A", 1), ("B", value))
    )
    (found,) = told(write(tmp_path, f"jobs:\n{good}{bad}"))
    assert at(found)[:2] == (3, "priority")
    assert found.message.startswith("must be a whole number from -1000000 to 1000000, not ")
