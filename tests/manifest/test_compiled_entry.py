"""A compiled entry makes the same job as one that is expanded in full."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.errors import ManifestError
from batchveo.core.gates import parse_policy
from batchveo.core.models import JobSpec
from batchveo.manifest import Manifests
from batchveo.manifest.compiled_entry import CompiledEntries
from batchveo.manifest.entries import Entry
from batchveo.manifest.job_register import JobParts
from tests.helpers.manifests import PNG, T2V, jobs

TEXTS = st.sampled_from(
    ["A cat", "a cat", "50 % of {index}", "100 %", "%s", "ü 🦊\u2028", '"q" \\', " ", "}", "a\nb", "\x07"]
)
CELLS = {
    "model": st.sampled_from([T2V, "google/veo3", "nope"]),
    "prompt": TEXTS,
    "negative_prompt": TEXTS | st.just(""),
    "seed": st.sampled_from(["1", "0", "01", "+1", "x", "{index}", " 7 ", "٣", str(2**32), str(2**53), "9" * 40, ""]),
    "duration": st.sampled_from(["4", "8", "5", "four", ""]),
    "resolution": st.sampled_from(["720p", "720P", "1080P", "8k", ""]),
    "generate_audio": st.sampled_from(["yes", "true", "0", "maybe", ""]),
    "name": st.sampled_from(["one", "two", "n-{index}", "", "n\x07"]),
    "repeat": st.sampled_from(["1", "2", ""]),
    "meta.split": st.sampled_from(["train", ""]),
}
VALUES = {
    **{key: cells | st.none() for key, cells in CELLS.items() if key != "meta.split"},
    "model": st.sampled_from([T2V, "google/veo3"]) | st.just([T2V]),
    "seed": st.sampled_from([1, True, 1.0, "1", "{index}", None]),
    "duration": st.sampled_from([8, 8.0, "8", True, None, 4]),
    "generate_audio": st.sampled_from([True, False, 1, 0, 1.0, "true", None]),
    "meta": st.just({"a": 1}),
}


def _outcome(path: Path, content: str, *, short: bool) -> tuple[list[JobSpec], str]:
    path.write_text(content, encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        if not short:
            patch.setattr(CompiledEntries, "read_entry", lambda self, entry: None)
        with Manifests([path]) as manifests:
            found = []
            try:
                for job in manifests.specs():
                    found.append(job)  # noqa: PERF402 - those before the error count too
            except ManifestError as error:
                return found, str(error)
            return found, ""


def _check(content: str, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m.{suffix}"
        assert _outcome(path, content, short=True) == _outcome(path, content, short=False)


@given(data=st.data())
def test_rows(data: st.DataObject) -> None:
    """Jobs, ids, names, and every word of what is wrong."""
    others = data.draw(st.sets(st.sampled_from([key for key in CELLS if key not in {"model", "prompt"}]), max_size=4))
    columns = ["model", "prompt", *sorted(others)]
    rows = data.draw(st.lists(st.tuples(*(CELLS[column] for column in columns)), min_size=2, max_size=12))
    table = io.StringIO()
    csv.writer(table).writerows([columns, *rows])
    _check(table.getvalue(), "csv")


@given(data=st.data())
def test_typed_values(data: st.DataObject) -> None:
    """Where 1, 1.0 and true are not the same."""
    others = data.draw(st.sets(st.sampled_from([key for key in VALUES if key not in {"model", "prompt"}]), max_size=3))
    entry = st.fixed_dictionaries({key: VALUES[key] for key in ["model", "prompt", *sorted(others)]})
    entries = data.draw(st.lists(entry, min_size=2, max_size=12))
    _check("\n".join(map(json.dumps, entries)), "jsonl")


@pytest.mark.parametrize(
    "defaults",
    [
        "duration: 4",
        "name: 'n {prompt}'",
        "prompt: A cat",
        "meta: {a: 1}",
        "meta: {a: b}",
        "seed: '{index}'",
        "tries: 3",
        "gates: [black_seconds < 0.5, has_sound], prefer: -motion, tries: 2",
        f"checks: all, per_model: {{{T2V}: {{gates: cuts < 2}}}}",
    ],
)
def test_defaults(defaults: str) -> None:
    """They are a part of every shape, or keep their jobs from being plain."""
    rows = "".join(f"- {{prompt: A dog, seed: {number}}}\n" * 2 for number in range(3))
    _check(f"defaults: {{model: {T2V}, {defaults}}}\njobs:\n{rows}", "yaml")


def test_gates_and_tries_of_the_defaults_keep_jobs_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the same for all entries of a shape; an entry with its own is merged by itself."""
    path = tmp_path / "m.yaml"
    own = "- {prompt: A dog, gates: cuts < 2}\n"
    path.write_text(
        f"defaults: {{model: {T2V}, gates: has_sound, tries: 3}}\njobs:\n" + "- prompt: A cat\n" * 3 + own + own
    )
    read_entry, compiled = CompiledEntries.read_entry, []

    def watch(self: CompiledEntries, entry: Entry) -> JobParts | None:
        parts = read_entry(self, entry)
        compiled.append(parts is not None)
        return parts

    monkeypatch.setattr(CompiledEntries, "read_entry", watch)
    with Manifests([path]) as manifests:
        found = [(job.tries, *parse_policy(job.policy).gates) for job in manifests.specs()]
    assert found == [(3, "has_sound")] * 3 + [(3, "cuts < 2")] * 2
    assert compiled == [False, True, True, False, False]


def test_a_local_file_of_the_defaults_comes_with_every_job(tmp_path: Path) -> None:
    """Also with those whose shape is compiled; a file of the entry's own is read anew."""
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").write_bytes(PNG + b"b")
    both = "google/veo-3.1-first-last-image-to-video"
    own = "- {prompt: A dog, last_image_url: b.png}\n"
    found = jobs(
        tmp_path,
        f"defaults: {{model: {both}, image_url: https://a.org/a, last_image_url: a.png}}\njobs:\n"
        + "- prompt: A cat\n" * 3
        + own * 2,
    )
    for job, file in zip(found, ["a.png"] * 3 + ["b.png"] * 2, strict=True):
        assert [(item.path, item.reference) for item in job.inputs] == [
            (str(tmp_path / file), job.request["last_image_url"])
        ]
