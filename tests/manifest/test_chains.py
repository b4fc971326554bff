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


def test_equal_chains_are_chains_of_their_own(tmp_path: Path) -> None:
    """Also those that YAML repeats by an alias, which are at one line."""
    for again in ("*a", f"{{model: {LITE}, chain: [wakes, runs]}}"):
        found = jobs(tmp_path, f"- &a {{model: {LITE}, chain: [wakes, runs]}}\n- {again}\n")
        assert len({job.id for job in found}) == 4
        assert len({job.chain.chain for job in found if job.chain}) == 2


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


def test_rows_may_name_the_links(tmp_path: Path) -> None:
    """By an id that each row fills; braces in the id of any other entry are its own."""
    (tmp_path / "rows.csv").write_text("sku,what\na1,cup\nb2,pot\n")
    found = jobs(
        tmp_path,
        f'- {{model: {LITE}, id: "{{sku}}", name: "{{sku}}", rows_file: rows.csv, '
        'chain: ["A {what}", "The {what} turns"]}\n'
        f"- {{model: {LITE}, name: side, prompt: c, image_url: {{frame: first, of: b2.2}}}}\n"
        f'- {{model: {LITE}, id: "{{x}}", name: own, chain: [a, b]}}\n',
    )
    assert _name_parents(found) == {
        "a1-2": ["last of a1-1"],
        "b2-2": ["last of b2-1"],
        "side": ["first of b2-2"],
        "own-2": ["last of own-1"],
    }


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


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ("chain: []", "must be a list of prompts"),
        ("chain: a", "must be a list of prompts"),
        ("chain: [a, 5]", "must be a mapping, not 5"),
        ("chain: [a, {chain: [b]}]", "chain makes a chain within a chain"),
        ("chain: [a, {prompt: b, matrix: {x: [1]}}]", "matrix belongs to the whole chain"),
        ("chain: [a, b], extend: 2", "chain and extend are both there"),
        ("chain: [a, b], prompts_file: x.txt", "a chain has no prompts_file"),
        ("chain: [a, b], id: [x]", "must be text"),
        ("chain: [a, b], then: 3", "must be a mapping, not 3"),
        (f"chain: [a, b], then: {{model: {T2V}}}", "begins with no image"),
        ("chain: [a, b], then: {model: veo-9}", "'veo-9' is no known model"),
        ("chain: [a, {prompt: b, pormpt: c}]", "takes no such parameter"),
        ("chain: [a, {prompt: b, image_url: 'https://a.org/a.png'}]", "is what continues the link before"),
        ("chain: [a, b], then: {image_url: null}", "is what continues the link before"),
        ("chain: [a, b], last_image_url: 'https://a.org/a.png'", "would be the end of each link"),
    ],
)
def test_what_is_wrong_with_a_chain(tmp_path: Path, chain: str, message: str) -> None:
    """One problem, at the line of the chain."""
    path = tmp_path / "a.yaml"
    path.write_text(f"\n- {{model: {LITE}, {chain}}}\n")
    [problem] = problems(path)
    assert problem.line == 2
    assert message in problem.message


def test_what_is_for_the_first_link_and_what_for_all(tmp_path: Path) -> None:
    """The image that a chain begins with is that of its first link; pictures of its characters are of all links."""
    found = jobs(
        tmp_path,
        "- {model: bytedance/seedance-2-0, chain: [a, b], image_url: 'https://a.org/a.png', "
        "image_urls: ['https://a.org/b.png']}",
    )
    assert [job.request["image_urls"] for job in found] == [["https://a.org/b.png"]] * 2
    assert found[0].request["image_url"] == "https://a.org/a.png"
    assert [link.parent for link in find_links(found[1].request)] == [found[0].id]


def test_names_of_links_sort_as_they_play(tmp_path: Path) -> None:
    """Also of ten and more, and if the name is a default."""
    prompts = ", ".join("abcdefghij")
    found = jobs(
        tmp_path, f"defaults: {{name: 's-{{index}}'}}\njobs:\n- {{model: {LITE}, repeat: 2, chain: [{prompts}]}}"
    )
    assert [job.name for job in found if job.name.startswith("s-0")] == [f"s-0-{n:02}" for n in range(1, 11)]


def test_another_moment_of_the_link_before(tmp_path: Path) -> None:
    """A link may choose what it takes of another one itself."""
    found = jobs(
        tmp_path,
        f"- {{id: s, name: s, model: {LITE}, chain: [a, {{prompt: b, image_url: {{frame: 7.5, of: s.1}}}}]}}",
    )
    assert _name_parents(found) == {"s-2": ["7.5 of s-1"]}


def test_problems_of_a_chain_are_reported_once_and_at_their_place(tmp_path: Path) -> None:
    """Not for each link, and not for those after a broken one."""
    path = tmp_path / "a.yaml"
    path.write_text(
        f"- model: {LITE}\n  durtion: 8\n  chain:\n    - a\n    - prompt: b\n      pormpt: c\n    - d\n"
        f"- {{model: {LITE}, chain: [a, b], repeat: 100000, matrix: {{x: [1, 2, 3, 4, 5, 6]}}}}\n"
    )
    found = problems(path)
    assert [(problem.line, problem.field) for problem in found] == [
        (2, "durtion"),
        (6, "pormpt"),
        (8, "matrix"),
    ]
    assert "makes 1,200,000 jobs" in found[2].message


def test_a_problem_of_a_link_is_at_its_prompt_and_said_once(tmp_path: Path) -> None:
    """Not at the image that the chain begins with; what several links have is one problem that names them."""
    path = tmp_path / "a.yaml"
    prompts = "".join(f"    - {prompt}\n" for prompt in ("a", "b", "c", '""', "{prompt: e, image_url: 5}", "f"))
    path.write_text(f"- model: google/veo-3.1-i2v\n  image_url: https://a.org/a.png\n  chain:\n{prompts}")
    found = problems(path)
    assert [(problem.line, problem.field, problem.others) for problem in found] == [
        (5, "image_url", "in links 2 to 4, 6 of this chain"),
        (7, "prompt", None),
        (8, "chain[4].image_url", None),
    ]


def test_problems_of_later_links_are_at_then_or_extend(tmp_path: Path) -> None:
    """They are written there."""
    path = tmp_path / "a.yaml"
    path.write_text(
        f"- model: {LITE}\n  chain: [a, b, c]\n  then:\n    duration: 99\n- model: {LITE}\n  prompt: a\n  extend: 3\n"
    )
    assert [(problem.line, problem.field) for problem in problems(path)] == [(4, "duration"), (7, "extend")]


def test_the_same_problem_of_many_chains_is_counted(tmp_path: Path) -> None:
    """By chain, not by link."""
    path = tmp_path / "a.yaml"
    path.write_text("".join(f"- model: {T2V}\n  chain:\n  - a{n}\n  - b{n}\n  - c{n}\n" for n in range(7)))
    found = problems(path)
    assert [problem.line for problem in found] == [4, 9, 14, 19, 24]
    assert found[-1].others == "in links 2 to 3 of this chain; and 2 more like this (lines 29, 34)"


def test_a_name_that_the_matrix_does_not_vary_is_one_problem(tmp_path: Path) -> None:
    """Not one for each link; and a variable has to be in each link, since each is a job of its own."""
    path = tmp_path / "a.yaml"
    path.write_text(
        f"- {{model: {LITE}, name: s, matrix: {{x: [1, 2]}}, chain: ['a {{x}}', 'b {{x}}', 'c {{x}}']}}\n"
        f"- {{model: {LITE}, matrix: {{x: [1, 2]}}, chain: ['a {{x}}', b]}}\n"
    )
    first, second = problems(path)
    assert (first.field, first.suggestion) == ("name", "write {x} in the name")
    assert (second.field, second.message) == ("matrix.x", "a link of the chain does not use the variable")
