"""Chains in manifests: links by id, the short forms, and what is wrong with either."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.links import find_links
from batchveo.core.models import JobSpec
from batchveo.manifest import Manifests
from tests.helpers.manifests import T2V, jobs, problems

LITE = "google/veo-3-1-lite-generate-preview"
EXTEND = "google/veo3-1-fast-extend-video"
OMNI = "google/gemini-omni-flash-preview"


def _name_parents(found: list[JobSpec]) -> dict[str, list[str]]:
    """For each job with parents, by name, what it takes of which job."""
    names = {job.id: job.name for job in found}
    return {
        job.name: [f"{link.part} of {names[link.parent]}" for link in find_links(job.request)]
        for job in found
        if job.chain is not None
    }


def test_links_by_id_in_any_order(tmp_path: Path) -> None:
    """A parent may come later in the file; parents come before their children in what is read."""
    found = jobs(
        tmp_path,
        f"defaults: {{model: {LITE}}}\njobs:\n"
        "- {name: mid, prompt: M, image_url: {frame: last, of: a}, last_image_url: {frame: first, of: 7}}\n"
        "- {name: at, prompt: S, image_url: {frame: 2.5, of: a}}\n"
        "- {id: a, name: one, prompt: A}\n"
        "- {id: 7, name: two, prompt: B}\n"
        f"- {{name: more, prompt: C, model: {EXTEND}, video_url: {{of: a}}}}\n"
        f"- {{name: id, prompt: D, model: {OMNI}, previous_interaction_id: {{id_of: a}}}}\n",
    )
    assert _name_parents(found) == {
        "mid": ["last of one", "first of two"],
        "at": ["2.5 of one"],
        "more": ["video of one"],
        "id": ["id of one"],
    }
    places = {job.name: place for place, job in enumerate(found)}
    assert places["one"] < places["mid"] > places["two"]
    mid = found[places["mid"]].chain
    assert mid is not None
    assert (mid.chain, mid.link, [parent.takes_data for parent in mid.parents]) == (
        found[places["one"]].id,
        2,
        [True, True],
    )


def test_a_child_is_another_job_if_its_parent_is(tmp_path: Path) -> None:
    """And the same job as long as nothing before it changes."""

    def read(prompt: str) -> list[str]:
        text = f"- {{model: {LITE}, chain: [{prompt}, runs, sleeps], name: story}}"
        return [job.id for job in jobs(tmp_path, text)]

    assert read("wakes") == read("wakes")
    assert not set(read("wakes")) & set(read("yawns"))


def test_each_chain_of_a_file_has_links_of_its_own(tmp_path: Path) -> None:
    """Also the second one, whose first link is read as a plain entry like the first link of the first one."""
    found = jobs(
        tmp_path,
        f"defaults: {{model: {LITE}}}\njobs:\n- {{name: fox, chain: [wakes, runs]}}\n"
        "- {name: cat, chain: [sleeps, eats]}\n- {name: hen, chain: [pecks, flies]}\n",
    )
    assert _name_parents(found) == {f"{name}-2": [f"last of {name}-1"] for name in ("fox", "cat", "hen")}


def test_a_chain_runs_over_matrix_and_repeats(tmp_path: Path) -> None:
    """Each combination is a chain of its own, linked to its own kind."""
    found = jobs(
        tmp_path,
        f"- model: {LITE}\n  name: '{{animal}}-{{index}}'\n  duration: 4\n  repeat: 2\n"
        "  matrix: {animal: [cat, fox]}\n"
        f"  chain: ['A {{animal}} wakes', 'The {{animal}} runs', {{prompt: It sleeps, duration: 8}}]\n",
    )
    assert len(found) == len({job.id for job in found}) == 12
    assert _name_parents(found) == {
        f"{animal}-{index}-{number}": [f"last of {animal}-{index}-{number - 1}"]
        for number in (2, 3)
        for animal in ("cat", "fox")
        for index in (0, 1)
    }
    assert [job.request["duration"] for job in found] == [4] * 8 + [8] * 4
    assert {job.chain.link for job in found if job.chain} == {2, 3}
    assert {job.chain.chain for job in found if job.chain} == {job.id for job in found[:4]}


def test_a_chain_over_the_rows_of_a_table(tmp_path: Path) -> None:
    """Each row is a chain of its own."""
    (tmp_path / "rows.csv").write_text("sku,what\na1,cup\nb2,pot\n")
    found = jobs(
        tmp_path,
        f'- {{model: {LITE}, name: "{{sku}}", rows_file: rows.csv, chain: ["A {{what}}", "The {{what}} turns"]}}\n',
    )
    assert _name_parents(found) == {"a1-2": ["last of a1-1"], "b2-2": ["last of b2-1"]}


def test_a_video_is_extended_again_and_again(tmp_path: Path) -> None:
    """``extend`` and ``then``; the image of the first link is not that of the others."""
    found = jobs(
        tmp_path,
        f"- {{model: {LITE}, prompt: A wave, name: w, image_url: 'https://a.org/a.png', duration: 4, extend: 2,\n"
        f"   then: {{model: {EXTEND}, duration: null}}}}\n",
    )
    assert _name_parents(found) == {"w-2": ["video of w-1"], "w-3": ["video of w-2"]}
    assert [sorted(job.request) for job in found] == [
        ["duration", "image_url", "model", "prompt"],
        ["model", "prompt", "video_url"],
        ["model", "prompt", "video_url"],
    ]


def test_a_chain_with_an_id_is_named_link_by_link(tmp_path: Path) -> None:
    """``story.2`` is its second link."""
    found = jobs(
        tmp_path,
        f"defaults: {{model: {LITE}}}\njobs:\n- {{id: story, name: s, chain: [a, b]}}\n"
        "- {name: side, prompt: c, image_url: {frame: first, of: story.2}}\n",
    )
    assert _name_parents(found) == {"s-2": ["last of s-1"], "side": ["first of s-2"]}


def test_one_chain_in_two_manifests_is_made_once(tmp_path: Path) -> None:
    """Like any job that two manifests have by one name."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(f"- {{model: {LITE}, name: s, chain: [a, b, c]}}")
    with Manifests([tmp_path / "a.yaml", tmp_path / "b.yaml"]) as manifests:
        summary = manifests.check()
    assert (summary.jobs, summary.shared) == (3, 3)


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
        f"- {{id: a, model: {LITE}, prompt: A}}\n"
        f"- {{id: many, model: {LITE}, prompt: 'A {{x}}', matrix: {{x: [1, 2]}}}}\n"
        f"- {{model: {model}, prompt: C, {field}}}\n"
    )
    [problem] = problems(path)
    assert problem.line == 3
    assert message in problem.message


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ("chain: []", "must be a list of prompts"),
        ("chain: a", "must be a list of prompts"),
        ("chain: [a, 5]", "must be a mapping, not 5"),
        ("chain: [a, {prompt: b, matrix: {x: [1]}}]", "matrix belongs to the whole chain"),
        ("chain: [a, b], extend: 2", "chain and extend are both there"),
        ("chain: [a, b], prompts_file: x.txt", "a chain has no prompts_file"),
        ("chain: [a, b], then: 3", "must be a mapping, not 3"),
        (f"chain: [a, b], then: {{model: {T2V}}}", "begins with no image"),
        ("chain: [a, b], then: {model: veo-9}", "'veo-9' is no known model"),
        ("chain: [a, {prompt: b, pormpt: c}]", "takes no such parameter"),
    ],
)
def test_what_is_wrong_with_a_chain(tmp_path: Path, chain: str, message: str) -> None:
    """One problem, at the line of the chain."""
    path = tmp_path / "a.yaml"
    path.write_text(f"\n- {{model: {LITE}, {chain}}}\n")
    [problem] = problems(path)
    assert problem.line == 2
    assert message in problem.message


def test_circles_have_no_beginning(tmp_path: Path) -> None:
    """Also through several jobs, and of a job with itself."""
    path = tmp_path / "a.yaml"
    rows = {"a": "b", "b": "c", "c": "a", "d": "d"}
    path.write_text(
        "".join(
            f"- {{id: {child}, model: {LITE}, prompt: x, image_url: {{frame: last, of: {parent}}}}}\n"
            for child, parent in rows.items()
        )
    )
    assert [problem.line for problem in problems(path)] == [1, 2, 3, 4]
    assert all("waits for this job itself" in problem.message for problem in problems(path))
