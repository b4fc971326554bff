"""Manifests that are wrong: each is told where, what, and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from batchveo.core.errors import ManifestError
from batchveo.manifest import Manifests

T2V = "model: google/veo-3.1-t2v"
JOB = f"jobs:\n  - {T2V}\n    prompt: A cat\n"
CSV = "model,prompt"


class Bad(NamedTuple):
    file: str
    content: str | bytes
    line: int | None
    field: str | None
    message: str
    suggestion: str | None = None


BAD = [
    # files
    Bad("a.doc", "A cat", None, None, "extension", ".yaml"),
    Bad("a.txt", "A cat", 1, "model", "is missing", "batchveo run a.txt --set model=google/veo"),
    Bad("a.yaml", "", None, None, "holds no jobs"),
    Bad("a.yaml", "jobs: []", None, None, "holds no jobs"),
    Bad("a.csv", CSV + "\n", None, None, "holds no jobs"),
    Bad("a.jsonl", "\n\n", None, None, "holds no jobs"),
    Bad("a.yaml", b"jobs:\n  - prompt: caf\xe9\n", 2, None, "not UTF-8", "save"),
    Bad("a.csv", b"model,prompt\ngoogle/veo3,caf\xe9\n", 2, None, "not UTF-8"),
    Bad("a.jsonl", b"\n\xff\n", 2, None, "not UTF-8"),
    Bad("a.yaml", "jobs: []".encode("utf-16"), 1, None, "UTF-16", "UTF-8"),
    Bad("a.csv", b"a\n\x00\x01", 2, None, "not a text file"),
    # YAML
    Bad("a.yaml", "jobs:\n  - prompt: [A\n", 3, None, "not valid YAML"),
    Bad("a.yaml", "just words", 1, None, "no mapping with jobs", "jobs:"),
    Bad("a.yaml", "jbos: []\njobs: []", 1, "jbos", "no section", "jobs"),
    Bad("a.yaml", "jobs: A cat", 1, "jobs", "must be a list"),
    Bad("a.yaml", "jobs:\n  - A cat", 2, None, "must be a mapping", "prompt:"),
    Bad("a.yaml", JOB + "---\njobs: []", 4, None, "second document"),
    Bad("a.yaml", JOB + "    seed: 1\n    seed: 2\n", 5, "seed", "in line 4 and in line 5"),
    Bad("a.yaml", JOB + "jobs: []\n", 4, "jobs", "in line 1 and in line 4"),
    Bad("a.yaml", f"- {T2V}\n  prompt: !!python/object:os.system x", 2, None, "tag", "remove"),
    Bad("a.yaml", f"- {T2V}\n  prompt: !mine x", 2, None, "tag !mine"),
    Bad("a.yaml", f"- {T2V}\n  prompt: *cat", 2, None, "*cat names no anchor"),
    Bad("a.yaml", f"- {T2V}\n  meta: {'{a: ' * 70}{'}' * 70}", 2, None, "nested more than 64"),
    Bad("a.yaml", f"- {T2V}\n  meta: {'[' * 10_000}{']' * 10_000}", 2, None, "nested more than 64"),
    Bad("a.yaml", f"- {T2V}\n  seed: .inf", 2, None, "not a finite number"),
    Bad("a.yaml", "- prompt: a\x07b", 1, None, "control character"),
    Bad("a.yaml", "[" * 100_000, 1, None, "nested more than 64"),
    Bad("a.yaml", "!!set {jobs: []}", 1, None, "tag"),
    # JSON of another shape
    Bad("a.json", '{"a": {"prompt": "x"}, "b":', 2, None, "not valid JSON", "cut off"),
    Bad("a.json", '{"a":', 2, None, "not valid JSON", "cut off"),
    Bad("a.json", '[{"prompt": "x"}, {"prom', 1, None, "not valid JSON", "cut off"),
    Bad("a.json", '{"a": {"prompt": "x"}}', 1, None, "objects under keys", "add --map name=key --set model=google/"),
    Bad("a.json", '{"p": ["x", "y"]}', 1, None, "a list under p", "add --map prompt=value --extra meta --set"),
    Bad("a.json", '{"p": [["x", 1], ["y"]]}', 1, None, "a list under p", "add --map prompt=1 --extra meta --set"),
    Bad(
        "a.json",
        '{"d": [{"prompt": "x"}, {"prompt": "y"}]}',
        1,
        None,
        "under d",
        "--map meta.key=key --extra meta",
    ),
    # marks for nothing
    Bad("a.csv", CSV + "\ngoogle/veo3,-\n", 2, "prompt", "a mark for an empty cell", "leave it out"),
    Bad("a.csv", CSV + "\ngoogle/veo3,\u2014\n", 2, "prompt", "a mark for an empty cell"),
    # JSON Lines
    Bad("a.jsonl", '{"prompt": "A cat"', 1, None, "not valid JSON", "each line"),
    Bad("a.jsonl", '{\n"prompt": "A cat"}', 1, None, "not valid JSON", ".json"),
    Bad("a.jsonl", '{"seed": 1, "seed": 2}', 1, "seed", "appears twice"),
    Bad("a.jsonl", '{"seed": NaN}', 1, None, "NaN is not a finite number"),
    Bad("a.jsonl", '{"seed": 1e999}', 1, None, "too large"),
    Bad("a.jsonl", '{"seed": 1' + "0" * 5000 + "}", 1, None, "too long"),
    Bad("a.jsonl", r'{"prompt": "\ud800"}', 1, None, "surrogate"),
    Bad("a.jsonl", '\n["A cat"]', 2, None, "must be a JSON object"),
    Bad("a.jsonl", "[" * 100_000, 1, None, "nested too deeply"),
    # CSV
    Bad("a.csv", CSV + "\ngoogle/veo3\n", 2, None, "has 1 cell, the header has 2"),
    Bad("a.csv", CSV + "\ngoogle/veo3,a,b\n", 2, None, "has 3 cells", "quotes"),
    Bad("a.csv", CSV + ",prompt\n", 1, "prompt", "appears twice"),
    Bad("a.csv", CSV + ",\ngoogle/veo3,a,note\n", 1, None, "column 3 has no name, and 'note' in line 2", "meta."),
    Bad("a.csv", CSV + ",matrix\n", 1, "matrix", "rows cannot hold a matrix", "YAML"),
    Bad("a.csv", CSV + ",meta\n", 1, "meta", "one column", "meta.KEY"),
    Bad("a.csv", CSV + ",resolutoin\n", 1, "resolutoin", "no model takes", "resolution"),
    Bad("a.csv", "prompt\nA cat\nA dog\n", 1, "model", "no column model"),
    Bad("a.csv", CSV + '\ngoogle/veo3,"open\n', 2, None, "not valid CSV", "quote"),
    Bad("a.csv", CSV + ',seed\ngoogle/veo3,"a\nb",1\ngoogle/veo3,b,x\n', 4, "seed", "not a whole number"),
    Bad("a.csv", CSV + ",generate_audio\ngoogle/veo3,b,maybe\n", 2, "generate_audio", "neither true", "yes"),
    # keys and values
    Bad("a.yaml", "- prompt: A cat", 1, "model", "is missing"),
    Bad("a.yaml", "- model: google/veo-3.1-t2w\n  prompt: A", 1, "model", "not a known", "google/veo-3.1-t2v"),
    Bad("a.yaml", "- model: klong\n  prompt: A", 1, "model", "not a known", "--allow-unknown-model"),
    Bad("a.yaml", "- model: [google/veo3]\n  prompt: A", 1, "model", "must be text"),
    Bad("a.yaml", f"- {T2V}\n", 1, "prompt", "is missing"),
    Bad("a.yaml", f"- {T2V}\n  prompt: ' '", 2, "prompt", "is empty"),
    Bad("a.yaml", f"- {T2V}\n  prompt: 7", 2, "prompt", "must be text, not 7", "quotes"),
    Bad("a.yaml", f'- {T2V}\n  prompt: "a\\0b"', 2, "prompt", "control character"),
    Bad("a.yaml", JOB + "    pormpt: A dog\n", 4, "pormpt", "no such parameter", "prompt"),
    Bad("a.yaml", JOB + "    image_url: https://a.b/c\n", 4, "image_url", "no such", "google/veo-3.1-i2v"),
    Bad("a.yaml", JOB + "    meta.split: a\n", 4, "meta.split", "no key", "meta: {split"),
    Bad("a.yaml", JOB + '    duration: "8"\n', 4, "duration", "whole number", "remove the quotes"),
    Bad("a.yaml", JOB + "    duration: 8.5\n", 4, "duration", "whole number, not 8.5"),
    Bad("a.yaml", JOB + "    duration: 5\n", 4, "duration", "5 is not among 4, 6, 8"),
    Bad("a.yaml", JOB + "    duration: true\n", 4, "duration", "whole number, not True"),
    Bad("a.yaml", JOB + "    resolution: 720\n", 4, "resolution", "not among 720p, 1080p", "720p"),
    Bad("a.yaml", JOB + "    aspect_ratio: 1:1\n", 4, "aspect_ratio", "not among 16:9, 9:16"),
    Bad("a.yaml", JOB + "    generate_audio: yes\n", 4, "generate_audio", "true or false"),
    Bad("a.yaml", JOB + '    seed: "{index}x"\n', 4, "seed", "not a whole number"),
    Bad("a.yaml", JOB + "    repeat: 0\n", 4, "repeat", "from 1 to 100000"),
    Bad("a.yaml", JOB + "    name: 7\n", 4, "name", "must be text", "quotes"),
    Bad("a.yaml", JOB + "    meta: train\n", 4, "meta", "must be a mapping"),
    Bad("a.yaml", "budget: 0\n" + JOB, 1, "budget", "above 0"),
    Bad("a.yaml", "budget: true\n" + JOB, 1, "budget", "above 0"),
    # defaults
    Bad("a.yaml", "defaults: {id: a}\n" + JOB, 1, "defaults.id", "cannot be a default"),
    Bad("a.yaml", "defaults:\n  seeed: 1\n" + JOB, 2, "defaults.seeed", "no model takes", "seed"),
    Bad("a.yaml", "defaults:\n  duration: 5\n" + JOB, 2, "defaults.duration", "not among"),
    Bad("a.yaml", "defaults:\n  image_url: https://a.b\n" + JOB, 2, "defaults.image_url", "no such", "null"),
    # addresses
    Bad("a.yaml", "- model: google/veo-3.1-i2v\n  prompt: A", 1, "image_url", "is missing"),
    Bad(
        "a.yaml",
        "- model: google/veo-3.1-i2v\n  prompt: A\n  image_url: http://a.b/c.png",
        3,
        "image_url",
        "not encrypted",
        "https://a.b/c.png",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3.1-i2v\n  prompt: A\n  image_url: https://",
        3,
        "image_url",
        "no host",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3.1-i2v\n  prompt: A\n  image_url: https://a.b:x/",
        3,
        "image_url",
        "not a URL",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3.1-i2v\n  prompt: A\n  image_url: ftp://a.b/c",
        3,
        "image_url",
        "scheme",
        "https",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3.1-i2v\n  prompt: A\n  image_url: C:\\a.png",
        3,
        "image_url",
        "local file",
        "google/veo-3.0-i2v",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3.0-i2v\n  prompt: A\n  image_url: none.png",
        3,
        "image_url",
        "does not exist",
        "relative",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3.0-i2v\n  prompt: A\n  image_url: a.yaml",
        3,
        "image_url",
        "is not PNG, JPEG or WebP",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3.0-i2v\n  prompt: A\n  image_url: data:video/mp4;base64,AAAA",
        3,
        "image_url",
        "video data",
        "data:image/",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3.1-reference-to-video\n  prompt: A\n  image_urls: https://a.b/c",
        3,
        "image_urls",
        "must be a list",
        "[https://a.b/c]",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3.1-reference-to-video\n  prompt: A\n  image_urls: []",
        3,
        "image_urls",
        "empty list",
    ),
    Bad(
        "a.yaml",
        "- model: google/veo-3-1-lite-generate-preview\n  prompt: A\n  last_image_url: https://a.b/c\n  duration: 4",
        4,
        "duration",
        "does not go with last_image_url",
        "8",
    ),
    # placeholders and matrix
    Bad("a.yaml", f"- {T2V}\n  prompt: A {{cat", 2, "prompt", "is alone", "{{"),
    Bad("a.yaml", f"- {T2V}\n  prompt: A {{}}", 2, "prompt", "not a placeholder", "{{"),
    Bad("a.yaml", f"- {T2V}\n  prompt: A {{a.b}}", 2, "prompt", "not a placeholder"),
    Bad("a.yaml", f"- {T2V}\n  prompt: A {{index:999d}}", 2, "prompt", "format"),
    Bad("a.yaml", f"- {T2V}\n  prompt: A {{indx}}", 2, "prompt", "unknown placeholder", "{index}"),
    Bad("a.yaml", JOB + "    matrix:\n      style: [a, b]\n", 5, "matrix.style", "nowhere", "{style}"),
    Bad("a.yaml", JOB + "    matrix:\n      seed: 1\n", 5, "matrix.seed", "must be a list", "[1]"),
    Bad("a.yaml", JOB + "    matrix:\n      seed: []\n", 5, "matrix.seed", "empty"),
    Bad("a.yaml", JOB + "    matrix:\n      seed: [0, 0]\n", 5, "matrix.seed", "0 twice", "repeat"),
    Bad("a.yaml", JOB + "    matrix:\n      seed: [[1]]\n", 5, "matrix.seed", "cannot be a value"),
    Bad("a.yaml", JOB + "    matrix:\n      name: [a]\n", 5, "matrix.name", "cannot be the name"),
    Bad("a.yaml", JOB + "    matrix:\n      prompt: [a]\n", 3, "prompt", "by the matrix as well"),
    Bad("a.yaml", JOB + "    matrix:\n      duration: [4, 5]\n", 5, "matrix.duration", "5 is not among"),
    Bad(
        "a.yaml",
        JOB + "    repeat: 100000\n    matrix: {seed: [1,2,3,4,5,6,7,8,9,10,11]}\n",
        5,
        "matrix",
        "1,100,000",
    ),
    # names and ids
    Bad("a.yaml", JOB + "    name: a\n    repeat: 3\n", 2, "name", "taken already, by a.yaml:2", "{index}"),
    Bad(
        "a.yaml",
        f"- {T2V}\n  prompt: A {{pet}}\n  name: a\n  matrix: {{pet: [cat, dog]}}",
        1,
        "name",
        "by a.yaml:1",
        "{pet}",
    ),
    Bad("a.csv", CSV + ",name\ngoogle/veo3,a,x\ngoogle/veo3,b,x\n", 3, "name", "by a.csv:2", "own"),
    Bad("a.csv", CSV + ",id\ngoogle/veo3,a,x\ngoogle/veo3,b,x\n", 3, "id", "by a.csv:2"),
    # prompts files
    Bad("a.yaml", f"- {T2V}\n  prompts_file: none.txt", 2, "prompts_file", "no such file", "relative"),
    Bad("a.yaml", f"- {T2V}\n  prompts_file: .", 2, "prompts_file", "is a folder"),
    Bad("a.yaml", f"- {T2V}\n  prompts_file: a.pdf", 2, "prompts_file", "is .pdf, not a list", "plain text"),
    Bad("a.yaml", f"- {T2V}\n  prompts_file: a.SRT", 2, "prompts_file", "is .srt, not a list", "plain text"),
    Bad("a.yaml", JOB + "    prompts_file: a.yaml\n    prompts_format: raw", 3, "prompt", "the lines", "{line}"),
]


@pytest.mark.parametrize("bad", BAD, ids=[f"{bad.file}-{bad.message}" for bad in BAD])
def test_bad_manifest(bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cause, one problem, with file, line, field, and what would be right."""
    monkeypatch.chdir(tmp_path)
    content = bad.content if isinstance(bad.content, bytes) else bad.content.encode()
    Path(bad.file).write_bytes(content)
    with Manifests([bad.file]) as manifests, pytest.raises(ManifestError) as raised:
        manifests.check()
    [problem] = raised.value.problems
    assert (problem.file, problem.line, problem.field) == (bad.file, bad.line, bad.field), str(problem)
    assert bad.message in problem.message
    assert (bad.suggestion or "") in (problem.suggestion or "")
    assert str(problem) in str(raised.value)
    place = bad.file if bad.line is None else f"{bad.file}:{bad.line}"
    assert str(problem).startswith(f"{place}: ")
