"""Values that lead astray: numbers that are rounded, traces of missing values, addresses nobody can reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.manifest.media import check_host
from batchveo.manifest.problems import Fault
from batchveo.manifest.scalars import EXACT, is_no_text
from tests.helpers.manifests import T2V, jobs, problems

I2V = "google/veo-3.1-i2v"


@pytest.mark.parametrize("seed", [EXACT + 1, -EXACT - 1, 2**60, 2**63 - 1])
@pytest.mark.parametrize("any_model", [False, True])
def test_numbers_that_would_be_rounded(seed: int, any_model: bool, tmp_path: Path) -> None:
    """A server that reads numbers as JavaScript does would make another video of it."""
    model = "kling/v9" if any_model else T2V
    for name, content in (
        ("a.csv", f"model,prompt,seed\n{model},A,{seed}\n"),
        ("a.jsonl", f'{{"model": "{model}", "prompt": "A", "seed": {seed}}}\n'),
        ("a.yaml", f"- {{model: {model}, prompt: A, matrix: {{seed: [1, {seed}]}}}}\n"),
    ):
        with pytest.raises(Exception, match=r"seed: .* is beyond 9007199254740991"):
            jobs(tmp_path, content, name, any_model=any_model)


@pytest.mark.parametrize("seed", [0, -1, EXACT, -EXACT])
def test_numbers_that_arrive(seed: int, tmp_path: Path) -> None:
    """To the last digit."""
    [job] = jobs(tmp_path, f"model,prompt,seed\n{T2V},A,{seed}\n", "a.csv")
    assert job.request["seed"] == seed


@pytest.mark.parametrize(
    ("cell", "value"), [("8.0", 8), (" 8 ", 8), ("8.", 8), ("8.000", 8), ("+8", 8), ("08", 8), ("8.0 ", 8)]
)
def test_whole_numbers_in_cells(cell: str, value: int, tmp_path: Path) -> None:
    """As spreadsheets and data frames write them."""
    [job] = jobs(tmp_path, f"model,prompt,duration,seed,repeat\n{T2V},A,{cell},{cell},{'1.0'}\n", "a.csv")
    assert (job.request["duration"], job.request["seed"]) == (value, value)
    assert type(job.request["duration"]) is int


@pytest.mark.parametrize("cell", ["8.5", "1e1", "4.2E+12", "0x8", "8,0", "8 0", "eight", "1_000", "٨"])
def test_no_whole_numbers(cell: str, tmp_path: Path) -> None:
    """Nothing is guessed: an exponent means that digits are gone."""
    (tmp_path / "a.csv").write_text(f'model,prompt,seed\n{T2V},A,"{cell}"\n', encoding="utf-8")
    [problem] = problems(tmp_path / "a.csv")
    assert (problem.field, repr(cell) in problem.message) == ("seed", True)


@pytest.mark.parametrize("name", ["a.yaml", "a.jsonl"])
def test_whole_numbers_with_a_point(name: str, tmp_path: Path) -> None:
    """8.0 is 8 and the same job; repeat too."""
    line = f'{{"model": "{T2V}", "prompt": "A", "duration": 8.0, "seed": 42.0, "repeat": 2.0}}\n'
    found = jobs(tmp_path, line if name == "a.jsonl" else f"- {line}", name)
    plain = jobs(tmp_path, line.replace(".0", ""), "b.jsonl")
    assert [job.id for job in found] == [job.id for job in plain]
    assert type(found[0].request["seed"]) is int


def test_cells_are_trimmed(tmp_path: Path) -> None:
    """Blanks after a comma; what a prompt says is sent as it was written."""
    [job] = jobs(
        tmp_path,
        "model, prompt, resolution, image_url, generate_audio , aspect_ratio\n"
        f"{I2V} , A cat , 720p, https://a.example/b.png , true ,\t16:9 \n",
        "a.csv",
    )
    assert job.request == {
        "model": I2V,
        "prompt": " A cat ",
        "resolution": "720p",
        "image_url": "https://a.example/b.png",
        "generate_audio": True,
        "aspect_ratio": "16:9",
    }
    [other] = jobs(
        tmp_path,
        "model,prompt,resolution,image_url,generate_audio,aspect_ratio\n"
        f"{I2V},A cat,720p,https://a.example/b.png,true,16:9\n",
        "b.csv",
    )
    assert other.id == job.id


@pytest.mark.parametrize("text", ["\u200b", "\ufeff \u2060", "\u00a0"])
def test_a_prompt_that_shows_nothing(text: str, tmp_path: Path) -> None:
    """Marks without a width are no words."""
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompt: '{text}'}}\n", encoding="utf-8")
    [problem] = problems(tmp_path / "a.yaml")
    assert problem.message == "is empty"


def test_cells_of_blanks_are_empty(tmp_path: Path) -> None:
    """As a spreadsheet leaves them."""
    [job] = jobs(tmp_path, f"model,prompt,seed,name,meta.a\n{T2V},A, ,\t,  \n , , , , \n", "a.csv")
    assert (job.request, job.meta) == ({"model": T2V, "prompt": "A"}, {})


NO_TEXTS = [
    "#NAME?",
    "#REF!",
    "#VALUE!",
    "#N/A",
    "#DIV/0!",
    "#NULL!",
    "#NUM!",
    "#SPILL!",
    "#CALC!",
    "#GETTING_DATA",
    "#BEZUG!",
    "#NV",
    "#ЗНАЧ!",
    "#NOM?",
    "Err:502",
    "#####",
    "NaN",
    "nan",
    "None",
    "null",
    "NULL",
    "N/A",
    "n/a",
    "<NA>",
    "NaT",
    "undefined",
    "[object Object]",
    " None ",
    "nil",
]


@pytest.mark.parametrize("text", NO_TEXTS)
def test_the_trace_of_a_missing_value_is_no_text(text: str, tmp_path: Path) -> None:
    """As a prompt it would be bought."""
    assert is_no_text(text)
    (tmp_path / "a.csv").write_text(f"model,prompt\n{T2V},A\n{T2V},{text}\n", encoding="utf-8")
    [problem] = problems(tmp_path / "a.csv")
    assert (problem.line, problem.field) == (3, "prompt")
    assert problem.suggestion


@pytest.mark.parametrize(
    "text",
    ["None of us", "A nan", "#1", "#sunset", "#Love!", "Nullarbor", "Na na na", "A #REF! sign", "#", "nothing"],
)
def test_texts_that_look_a_little_like_it(text: str) -> None:
    """They are somebody's words."""
    assert is_no_text(text) is (text == "#")


@pytest.mark.parametrize("field", ["negative_prompt", "name", "image_url"])
def test_other_fields_of_text(field: str, tmp_path: Path) -> None:
    """A file named nan, an image named None."""
    (tmp_path / "a.csv").write_text(f"model,prompt,{field}\n{I2V if field == 'image_url' else T2V},A,NaN\n")
    [problem] = problems(tmp_path / "a.csv")
    assert (problem.field, "'NaN' is" in problem.message) == (field, True)


def test_a_template_that_is_filled_with_it(tmp_path: Path) -> None:
    """What comes of it counts."""
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompt: '{{a}}', matrix: {{a: [A cat, NaN]}}}}\n")
    [problem] = problems(tmp_path / "a.yaml")
    assert "'NaN' is" in problem.message


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "api.localhost",
        "127.0.0.1",
        "127.1",
        "0",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.7",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fd12::1",
        "::ffff:10.0.0.1",
        "ff02::1",
        "2002:0a00:0001::",
        "2001:db8::1",
        "fe80::1%eth0",
        "nas",
        "printer.local",
        "db.internal",
        "x.home.arpa",
        "files.corp",
        "router.lan",
        "１２７.0.0.1",
        "a..b",
        "",
        ".",
        "999.1.1.1",
        "256",
    ],
)
def test_hosts_that_nobody_else_can_reach(host: str) -> None:
    """This machine in any spelling, private and reserved networks, names without a domain, and none at all."""
    if host == "256":
        host = "1.2.3.256"
    with pytest.raises(Fault) as raised:
        check_host(host)
    assert raised.value.suggestion


@pytest.mark.parametrize(
    "host",
    [
        "a.example",
        "8.8.8.8",
        "2606:4700::1111",
        "xn--mller-kva.example",
        "müller.example",
        "local.example",
        "a.b.",
    ],
)
def test_hosts_of_the_internet(host: str) -> None:
    """Names with a domain, and addresses that are routed."""
    check_host(host)


BAD_URLS = {
    "https://localhost/a.png": "this machine",
    "http://127.0.0.1:8000/a.png": "this machine",
    "https://192.168.0.4/a.png": "private or reserved",
    "https://nas/a.png": "private network",
    "https://nas.local/a.png": "private network",
    "https://me:secret@a.example/b.png": "password",
    "https://token@a.example/b.png": "password",
    "https:///a.png": "no host",
    "https://a.example/1.png,https://a.example/2.png": "more than one URL",
    "https://a.example/1.png, https://a.example/2.png": "more than one URL",
    "https://a.example/1.png; http://a.example/2.png": "more than one URL",
    "https://a.example/1.png https://a.example/2.png": "more than one URL",
}


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize(
    ("model", "field"),
    [
        (I2V, "image_url"),
        ("google/veo-3.1-reference-to-video", "image_urls"),
        ("google/veo-3.1-first-last-image-to-video", "last_image_url"),
        ("google/veo3-1-extend-video", "video_url"),
        ("kling/v9", "tail_image_url"),
        ("kling/v9", "image_urls"),
    ],
)
def test_addresses_that_no_service_can_fetch(url: str, model: str, field: str, tmp_path: Path) -> None:
    """In every field that takes one, and the password stays where it is."""
    first = ",image_url" if field == "last_image_url" else ""
    cell = ",https://a.example/0.png" if first else ""
    content = f'model,prompt{first},{field}\n{model},A{cell},"{url}"\n'
    with pytest.raises(Exception, match=BAD_URLS[url]) as raised:
        jobs(tmp_path, content, "a.csv", any_model=model == "kling/v9")
    assert f"a.csv:2: {field}: " in str(raised.value)
    assert "secret" not in str(raised.value)


def test_urls_in_one_cell_are_told_apart_by_a_bar(tmp_path: Path) -> None:
    """Which the words for a comma say."""
    content = 'model,prompt,image_urls\ngoogle/veo-3.1-reference-to-video,A,"https://a.b/1,https://a.b/2"\n'
    (tmp_path / "a.csv").write_text(content)
    [problem] = problems(tmp_path / "a.csv")
    assert "|" in str(problem.suggestion)
    [job] = jobs(tmp_path, content.replace(",https://a.b/2", "|https://a.b/2"), "a.csv")
    assert job.request["image_urls"] == ["https://a.b/1", "https://a.b/2"]
