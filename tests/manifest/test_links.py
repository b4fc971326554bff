"""Links by id: their forms in each format, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.core.errors import Problem
from batchveo.core.links import find_links
from batchveo.core.models import JobSpec
from batchveo.manifest import Manifests, ReadOptions
from batchveo.manifest.media import ALL_WAYS
from tests.helpers.manifests import T2V, jobs, problems, read

LITE = "google/veo-3-1-lite-generate-preview"
REFERENCES = "bytedance/seedance-2-0"


def _list_parents(found: list[JobSpec]) -> dict[str, list[str]]:
    """For each job with links, by its prompt, what it takes of which job."""
    prompts = {job.id: job.request["prompt"] for job in found}
    return {
        str(job.request["prompt"]): [f"{link.part} of {prompts[link.parent]}" for link in find_links(job.request)]
        for job in found
        if job.chain is not None
    }


def _place(found: tuple[Problem, ...]) -> list[tuple[int | None, str | None]]:
    return [(problem.line, problem.field) for problem in found]


CSV = f"""id,model,prompt,image_url,last_image_url
b,{LITE},B,last of a,
a,{LITE},A,,
7,{LITE},C,"{{""frame"": 2.5, ""of"": ""b""}}",first frame of a
d,{LITE},D,last of 7,
"""


def test_links_in_a_table(tmp_path: Path) -> None:
    """As short texts, or as JSON; in any order."""
    assert _list_parents(jobs(tmp_path, CSV, "a.csv")) == {
        "B": ["last of A"],
        "C": ["2.5 of B", "first of A"],
        "D": ["last of C"],
    }


def test_links_in_json_lines(tmp_path: Path) -> None:
    """As objects; chains too."""
    rows: list[dict[str, object]] = [
        {"id": "a", "prompt": "A"},
        {"id": 2, "prompt": "B", "image_url": {"frame": "last", "of": "a"}},
        {"prompt": "C", "image_url": {"frame": "first", "of": 2}},
        {"chain": ["x", "y"]},
    ]
    lines = "".join(json.dumps({"model": LITE, **row}) + "\n" for row in rows)
    assert _list_parents(jobs(tmp_path, lines, "a.jsonl")) == {
        "B": ["last of A"],
        "C": ["first of B"],
        "y": ["last of x"],
    }


def test_a_column_names_the_job_before(tmp_path: Path) -> None:
    """An empty cell in it leaves the link out."""
    (tmp_path / "rows.csv").write_text("sku,what,prev\na1,cup,\nb2,pot,a1\nc3,vase,b2\n")
    found = jobs(
        tmp_path,
        f'- {{model: {LITE}, rows_file: rows.csv, id: "{{sku}}", prompt: "{{what}}", '
        'image_url: {frame: last, of: "{prev}"}}',
    )
    assert _list_parents(found) == {"pot": ["last of cup"], "vase": ["last of pot"]}


def test_a_placeholder_names_a_job(tmp_path: Path) -> None:
    """Also in the short text, and in a list of links."""
    found = jobs(
        tmp_path,
        f"- {{id: cat, model: {LITE}, prompt: C}}\n- {{id: fox, model: {LITE}, prompt: F}}\n"
        f'- {{model: {REFERENCES}, prompt: "{{x}}", matrix: {{x: [cat, fox]}}, '
        'image_urls: ["last of {x}", first of fox]}\n'
        f'- {{model: {LITE}, prompt: "one {{x}}", matrix: {{x: [cat, fox]}}, '
        'image_url: {frame: last, of: "{x}"}}\n',
        ways=ALL_WAYS,
    )
    assert _list_parents(found) == {
        "cat": ["last of C", "first of F"],
        "fox": ["last of F", "first of F"],
        "one cat": ["last of C"],
        "one fox": ["last of F"],
    }


def test_one_frame_for_two_fields_travels_as_both_take_it(tmp_path: Path) -> None:
    """One of the two takes addresses only."""
    found = jobs(
        tmp_path,
        f"- {{id: a, model: {LITE}, prompt: A}}\n- {{model: google/veo-3.1-first-last-image-to-video, prompt: B, "
        "image_url: last of a, last_image_url: last of a}\n",
        ways=ALL_WAYS,
    )
    chain = found[1].chain
    assert chain is not None
    assert [parent.takes_data for parent in chain.parents] == [False]


def test_a_default_may_be_a_link(tmp_path: Path) -> None:
    """It is a problem of the defaults, and once, if the job that it names has it as well."""
    text = (
        f"defaults: {{model: {LITE}, image_url: last of a}}\njobs:\n"
        "- {id: a, prompt: A%s}\n- {prompt: B}\n- {prompt: C}\n"
    )
    assert _list_parents(jobs(tmp_path, text % ", image_url: null")) == {"B": ["last of A"], "C": ["last of A"]}
    (tmp_path / "a.yaml").write_text(text % "")
    [problem] = problems(tmp_path / "a.yaml")
    assert (problem.line, problem.field) == (1, "defaults.image_url")
    assert (problem.message, problem.suggestion) == (
        "'a' is this job itself",
        "image_url: null in this job takes away a default",
    )
    options = ReadOptions(sets={"image_url": "last of a", "model": LITE})
    (tmp_path / "b.csv").write_text("id,prompt,image_url\na,A,https://a.org/a.png\nb,B,\n")
    assert _list_parents(read(tmp_path / "b.csv", options)) == {"B": ["last of A"]}


def test_ids_are_those_of_all_manifests_of_a_call(tmp_path: Path) -> None:
    """A job may name one of a later manifest; alone, it has no parent."""
    (tmp_path / "a.yaml").write_text(f"- {{model: {LITE}, prompt: B, image_url: last of a}}")
    (tmp_path / "b.yaml").write_text(f"- {{id: a, model: {LITE}, prompt: A}}")
    with Manifests([tmp_path / "a.yaml", tmp_path / "b.yaml"]) as manifests:
        manifests.check()
        assert _list_parents(list(manifests.specs())) == {"B": ["last of A"]}
    assert _place(problems(tmp_path / "a.yaml")) == [(1, "image_url")]


def test_links_of_a_model_that_nobody_knows(tmp_path: Path) -> None:
    """By the names of its parameters."""
    found = jobs(
        tmp_path,
        f"- {{id: a, model: {LITE}, prompt: A}}\n- {{model: x/y, prompt: B, start_url: {{frame: 2, of: a}}, "
        "some_urls: [{of: a}], earlier_id: {id_of: a}, own: {of: a}}\n",
        any_model=True,
    )
    assert _list_parents(found) == {"B": ["id of A", "video of A", "2 of A"]}
    assert found[1].request["own"] == {"of": "a"}


BAD = {
    "image_url: {frame: last, of: nope}": "there is no job with the id 'nope'",
    "image_url: {frame: lst, of: a}": "'lst' is no frame of a video",
    "image_url: {frame: -1, of: a}": "-1 is no frame of a video",
    "image_url: {of: a}": "takes an image, not a video",
    "image_url: {frame: last, of: }": "of must be the id of a job, not None",
    "image_url: {frame: last, of: a, at: 3}": "'at' says nothing of another job",
    "image_url: {frame: last, of: many}": "'many' is 2 jobs",
    "image_url: {id_of: a}": "takes no generation id",
    "duration: {id_of: a}": "must be a whole number",
    "negative_prompt: {id_of: a}": "takes no generation id",
    "image_url: 'batchveo-link:last:a'": "scheme",
    "image_url: {frame: 4.5, of: a}": "4.5 s is after the end of 'a', whose video has 4 s",
    "image_url: {frame: last, of: 1.5}": "of must be the id of a job, not 1.5",
    "image_url: last of nope": "there is no job with the id 'nope'",
    "image_url: video of a": "takes an image, not a video",
    "image_url: last of us.png": "there is no job with the id 'us.png'",
    "image_url: id of a": "does not exist",
    "chain: [a, b]": "each link has a prompt of its own",
    "extend: 0": "must be a whole number from 1 to 1000",
    "extend: 2": f"{LITE} does not extend videos",
    "then: {duration: 4}": "then is for the links of a chain",
}


@pytest.mark.parametrize(("field", "message"), BAD.items())
def test_what_is_wrong_with_a_link(tmp_path: Path, field: str, message: str) -> None:
    """Each has its file and line, and is the only problem."""
    path = tmp_path / "a.yaml"
    model = T2V if "negative" in field else LITE
    path.write_text(
        f"- {{id: a, model: {LITE}, prompt: A, duration: 4}}\n"
        f"- {{id: many, model: {LITE}, prompt: 'A {{x}}', matrix: {{x: [1, 2]}}}}\n"
        f"- {{model: {model}, prompt: C, {field}}}\n"
    )
    [problem] = problems(path)
    assert (problem.line, problem.field) == (3, field.partition(":")[0])
    assert message in problem.message


@pytest.mark.parametrize("form", ["image_url: last of a", "chain: [x, y]"])
def test_a_frame_needs_a_way_to_the_service(tmp_path: Path, form: str) -> None:
    """A model that takes only addresses gets it from a bucket; in a chain too."""
    text = f"- {{id: a, model: {LITE}, prompt: A}}\n- {{model: google/veo-3.1-i2v, {form}}}\n"
    text = text.replace(", image_url: last", ", prompt: B, image_url: last").replace(
        "y]", "y], image_url: 'https://a.org/a.png'"
    )
    (tmp_path / "a.yaml").write_text(text)
    [problem] = problems(tmp_path / "a.yaml")
    assert problem.line == 2
    assert "takes only an address" in problem.message
    assert "--inputs s3://bucket/prefix" in (problem.suggestion or "")
    assert "or a model that takes the image itself, such as google/veo-3" in (problem.suggestion or "")
    assert len(_list_parents(jobs(tmp_path, text, ways=ALL_WAYS))) == 1


def test_all_problems_of_links_are_reported_at_once(tmp_path: Path) -> None:
    """Each at its own line; a job is not to blame for what is wrong with its parent."""
    path = tmp_path / "a.yaml"
    path.write_text(
        f"defaults: {{model: {LITE}}}\njobs:\n"
        "- {id: shot-1, prompt: A}\n"
        "- {id: story, chain: [a, b, c]}\n"
        "- prompt: two\n  image_url:\n    frame: last\n    of: shoot-1\n  last_image_url: first of nope\n"
        "- {prompt: x, image_url: last of story}\n"
        "- {id: broken, prompt: x, durtion: 4}\n"
        "- {id: child, prompt: x, image_url: last of broken}\n"
        "- {prompt: x, image_url: last of child}\n"
        f"- {{model: {REFERENCES}, prompt: x, image_urls: [last of shot-1, first of story.1, first of story.2]}}\n"
        f"- {{model: {REFERENCES}, prompt: x, image_urls: {{frame: last, of: shot-1}}}}\n"
    )
    found = problems(path, ways=ALL_WAYS)
    assert _place(found) == [
        (6, "image_url"),
        (9, "last_image_url"),
        (10, "image_url"),
        (11, "durtion"),
        (14, "image_urls[2]"),
        (15, "image_urls"),
    ]
    assert [problem.suggestion for problem in found if problem.line in {6, 10, 15}] == [
        "did you mean shot-1?",
        "name one link of it: story.1 to story.3",
        "write [{frame: last, of: ID}]",
    ]


def test_a_job_that_is_wrong_anyway_may_name_an_unknown_job_too(tmp_path: Path) -> None:
    """All faults of a job are reported: also if no way leads to the service, or if a value is filled by a row."""
    (tmp_path / "rows.csv").write_text("sku,prev,seconds\na1,,4\nb2,a9,5\n")
    path = tmp_path / "a.yaml"
    path.write_text(
        f"defaults: {{model: {LITE}}}\njobs:\n"
        "- {id: a, prompt: A}\n"
        "- prompt: B\n  model: google/veo-3.1-i2v\n  image_url:\n    frame: last\n    of: nobody\n"
        "- prompt: C\n  duration: 99\n  image_url: last of a\n  last_image_url: last of no-one\n"
        '- {rows_file: rows.csv, id: "{sku}", prompt: "{sku}", duration: "{seconds}", '
        'image_url: {frame: last, of: "{prev}"}}\n'
    )
    found = problems(path)
    assert [(problem.line, problem.field, problem.message.split(" (")[0]) for problem in found] == [
        (6, "image_url", "takes only an address, and a frame of a video has none"),
        (6, "image_url", "there is no job with the id 'nobody'"),
        (10, "duration", "99 is not among 4, 6, 8"),
        (12, "last_image_url", "there is no job with the id 'no-one'"),
        (3, "duration", "5 is not among 4, 6, 8"),
        (3, "image_url", "there is no job with the id 'a9' for the entry in " + f"{path}:13"),
    ]


def test_nobody_is_to_blame_for_a_link_that_is_wrong_itself(tmp_path: Path) -> None:
    """A job that names a link of a chain with a mistake in it, or one after that."""
    path = tmp_path / "a.yaml"
    path.write_text(
        f"defaults: {{model: {LITE}}}\njobs:\n- id: c\n  chain: [a, {{prompt: b, image_url: x.png}}, c]\n"
        "- {prompt: x, image_url: last of c.2}\n- {prompt: y, image_url: last of c.3}\n"
    )
    assert _place(problems(path)) == [(4, "chain[1].image_url")]


def test_a_row_is_the_place_of_its_link(tmp_path: Path) -> None:
    """Of a table that an entry reads."""
    (tmp_path / "rows.csv").write_text("sku,prev\na1,\nb2,a9\n")
    path = tmp_path / "a.yaml"
    path.write_text(
        f'- {{model: {LITE}, rows_file: rows.csv, id: "{{sku}}", prompt: "{{sku}}", '
        'image_url: {frame: last, of: "{prev}"}}'
    )
    [problem] = problems(path)
    assert (problem.file, problem.line, problem.field) == (str(tmp_path / "rows.csv"), 3, "image_url")
    assert "no job with the id 'a9'" in problem.message


def test_no_manifest_can_name_a_chain_without_an_id(tmp_path: Path) -> None:
    """Its links have names that begin with a control character."""
    path = tmp_path / "a.jsonl"
    path.write_text(
        json.dumps({"model": LITE, "chain": ["x", "y"]})
        + "\n"
        + json.dumps({"model": LITE, "prompt": "z", "image_url": {"frame": "last", "of": f"\0{path}:1.1"}})
    )
    [problem] = problems(path)
    assert (problem.line, problem.field) == (2, "image_url")
    assert "must be the id of a job" in problem.message


def _write_ring(path: Path, rows: dict[str, str]) -> None:
    path.write_text(
        "".join(
            f"- {{id: {child}, model: {LITE}, prompt: x, image_url: {{frame: last, of: {parent}}}}}\n"
            for child, parent in rows.items()
        )
    )


def test_circles_have_no_beginning(tmp_path: Path) -> None:
    """Each is reported once, with the places of its jobs; what waits for a job of one is not reported."""
    path = tmp_path / "a.yaml"
    _write_ring(path, {"a": "b", "b": "c", "c": "a", "d": "d", "e": "c", "f": "g", "g": "f"})
    found = problems(path)
    assert _place(found) == [(1, "image_url"), (4, "image_url"), (6, "image_url")]
    assert f"in a circle: 'a' ({path}:1), 'b' ({path}:2), 'c' ({path}:3)" in found[0].message
    assert found[1].message == "'d' is this job itself"


def test_the_circles_of_jobs_with_two_parents(tmp_path: Path) -> None:
    """Through the first or the last frame."""
    path = tmp_path / "a.yaml"
    path.write_text(
        f"defaults: {{model: {LITE}}}\njobs:\n- {{id: a, prompt: x}}\n"
        "- {id: b, prompt: x, image_url: last of a, last_image_url: first of c}\n"
        "- {id: c, prompt: x, image_url: last of b}\n"
    )
    assert _place(problems(path)) == [(4, "last_image_url")]


@pytest.mark.parametrize("step", [1, -1])
def test_a_long_chain_is_read_in_either_order(tmp_path: Path, step: int) -> None:
    """Each job made once, without deep recursion."""
    rows = [
        {"id": number, "model": LITE, "prompt": "x", **({"image_url": f"last of {number - 1}"} if number else {})}
        for number in range(3000)
    ]
    found = jobs(tmp_path, "".join(json.dumps(row) + "\n" for row in rows[::step]), "a.jsonl")
    assert [job.chain.link if job.chain else 1 for job in found] == [*range(1, 3001)]
    assert len({job.chain.chain for job in found if job.chain}) == 1


def test_a_ring_of_many_jobs_is_one_problem(tmp_path: Path) -> None:
    """Its message names a few of them."""
    path = tmp_path / "a.yaml"
    _write_ring(path, {str(number): str((number + 1) % 2000) for number in range(2000)})
    [problem] = problems(path)
    assert "1,994 more" in problem.message


@pytest.mark.parametrize(
    ("field", "right"),
    [
        ("image_url: {frame: last}", "the job that the frame is of: {frame: …, of: ID}"),
        ("image_url: [{frame: last, of: a}]", "one value, without brackets"),
        ("image_url: latest of a", "a frame of a job's video is written: last of a"),
    ],
)
def test_hints_for_what_is_nearly_a_link(tmp_path: Path, field: str, right: str) -> None:
    """They say how it is written."""
    path = tmp_path / "a.yaml"
    path.write_text(f"- {{id: a, model: {LITE}, prompt: A}}\n- {{model: {LITE}, prompt: B, {field}}}\n")
    [problem] = problems(path)
    assert problem.suggestion == right
