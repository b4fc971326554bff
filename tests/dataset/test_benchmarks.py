"""A benchmark that lists a folder finds what it expects.

VBench's documentation: five videos a prompt, ``PROMPT-0.mp4`` to ``PROMPT-4.mp4`` with at most 180 characters of
the prompt, all in one folder; it takes the extension of the first name that the folder lists for that of all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from batchveo.dataset import Format
from tests.helpers.finished_jobs import Morning

PROMPTS = ["a person swimming in ocean", "A fantasy landscape", "in super slow motion, a cat" * 12]
SAMPLES = 5
LONGEST = 180


def evaluated(folder: Path, prompts: Sequence[str]) -> dict[str, list[str]]:
    """The videos that the benchmark would measure for each prompt."""
    listed = os.listdir(folder)  # noqa: PTH208  # in the order of the disk, as the benchmark sees it
    suffix = Path(listed[0]).suffix
    return {
        prompt: [name for n in range(SAMPLES) if (name := f"{prompt[:LONGEST]}-{n}{suffix}") in listed]
        for prompt in prompts
    }


def sample(morning: Morning) -> None:
    for prompt in PROMPTS:
        for number in range(SAMPLES):
            morning.make(f"{prompt[:LONGEST]}-{number}", prompt=prompt, request={"seed": number})


@pytest.mark.parametrize("formats", [(Format.FOLDER,), (Format.FOLDER, Format.CSV, Format.WEBDATASET)])
def test_a_plain_folder_is_evaluated_whole(morning: Morning, formats: tuple[Format, ...]) -> None:
    """Five videos of every prompt, whatever stands at the dataset's top."""
    sample(morning)
    morning.export(*formats, split="none")
    folder = morning.dataset / "train"
    assert {prompt: len(names) for prompt, names in evaluated(folder, PROMPTS).items()} == dict.fromkeys(PROMPTS, 5)
    assert {path.suffix for path in folder.iterdir()} == {".mp4"}


def test_the_output_folder_of_a_run_without_sidecars_is_evaluated_whole(morning: Morning) -> None:
    """It holds videos only."""
    sample(morning)
    assert all(len(names) == SAMPLES for names in evaluated(morning.videos, PROMPTS).values())


def test_one_file_of_another_kind_spoils_it(tmp_path: Path) -> None:
    """What stands beside the videos may be listed first: then not one of them is found."""
    (tmp_path / "metadata.jsonl").touch()
    assert evaluated(tmp_path, PROMPTS) == {prompt: [] for prompt in PROMPTS}


def test_a_plain_folder_that_became_a_videofolder(morning: Morning) -> None:
    """A later export that asks for metadata beside the videos gets them; the dataset is a plain folder no more."""
    morning.make("a")
    morning.export(Format.FOLDER)
    assert sorted(path.name for path in (morning.dataset / "train").iterdir()) == ["a.mp4"]
    morning.export(Format.VIDEOFOLDER)
    assert sorted(path.name for path in (morning.dataset / "train").iterdir()) == ["a.mp4", "metadata.jsonl"]
