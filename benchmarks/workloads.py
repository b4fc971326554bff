"""Manifests of any size."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

MODEL = "google/veo3"
_PLACES = ("a harbour at dawn", "an old library", "the far side of the moon", "a market in the rain")
_SUBJECTS = ("a red fox", "two dancers", "a paper boat", "an astronaut", "the last lighthouse keeper")


def prompt(number: int) -> str:
    """A prompt as people write them; each number has its own."""
    subject, place = _SUBJECTS[number % len(_SUBJECTS)], _PLACES[number // 5 % len(_PLACES)]
    return f"A slow tracking shot of {subject} in {place}, golden hour, film grain, take {number}"


def prompts_file(path: Path, count: int) -> Path:
    """``count`` prompts, one a line, for the peers."""
    path.write_text("".join(f"{prompt(number)}\n" for number in range(count)), encoding="utf-8")
    return path


def csv_manifest(path: Path, count: int) -> Path:
    """``count`` jobs as CSV: model, prompt, seed and a label that is carried along."""
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["model", "prompt", "seed", "meta.split"])
        rows.writerows([MODEL, prompt(number), number, "train"] for number in range(count))
    return path


def yaml_manifest(path: Path, count: int) -> Path:
    """``count`` jobs as YAML, each a mapping of its own under common defaults."""
    with path.open("w", encoding="utf-8") as out:
        out.write(f"defaults: {{model: {MODEL}, duration: 8}}\njobs:\n")
        for number in range(count):
            out.write(f"  - prompt: {json.dumps(prompt(number))}\n    seed: {number}\n")
    return path


def read_prompts(path: Path) -> Sequence[str]:
    """The prompts of a ``prompts_file``."""
    return path.read_text(encoding="utf-8").splitlines()
