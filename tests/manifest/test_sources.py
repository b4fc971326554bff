"""Sources: every format by its extension, and standard input by its content."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from batchveo.manifest import Manifests
from tests.helpers.manifests import T2V, jobs, problems

ONE = {"model": T2V, "prompt": "A cat, and a dog"}
SPELLINGS = {
    "a.yaml": f"jobs:\n- model: {T2V}\n  prompt: A cat, and a dog\n",
    "a.yml": f"- {{model: {T2V}, prompt: 'A cat, and a dog'}}",
    "a.json": json.dumps([ONE]),
    "b.json": json.dumps({"jobs": [ONE]}, indent="\t"),
    "a.jsonl": json.dumps(ONE),
    "a.ndjson": "\ufeff" + json.dumps(ONE) + "\r\n",
    "a.csv": f'model,prompt\r\n{T2V},"A cat, and a dog"\r\n',
    "b.csv": f"\ufeff\nprompt;model\nA cat, and a dog;{T2V}\n;\n",
    "c.csv": f"prompt\tmodel\nA cat, and a dog\t{T2V}\n",
    "a.tsv": f"prompt\tmodel\nA cat, and a dog\t{T2V}",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    """The same job in any format is the same job."""
    [job] = jobs(tmp_path, SPELLINGS[name], name)
    [other] = jobs(tmp_path, SPELLINGS["a.jsonl"], "z.jsonl")
    assert job.request == ONE
    assert job.id == other.id


@pytest.mark.parametrize("name", SPELLINGS)
def test_standard_input_tells_its_format(name: str) -> None:
    """What comes through a pipe is told by its beginning, and can be read twice."""
    with Manifests(["-"], stdin=io.BytesIO(SPELLINGS[name].encode())) as manifests:
        assert manifests.check().jobs == 1
        [job] = manifests.specs()
    assert (job.source, job.request) == ("<stdin>", ONE)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A missing file, a folder and a pipe say what they are, all in one go."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.yaml").mkdir()
    found = problems(*(tmp_path / name for name in ("no.yaml", "folder.yaml", "pipe.csv")))
    assert [problem.message for problem in found] == [
        "no such file",
        "is a folder",
        "is not a regular file, and has to be read twice",
    ]
