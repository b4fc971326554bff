"""What the docs show and calculate of clusters: files that were never run on them can at least be read."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from batchveo.cli import batchveo
from batchveo.core.settings import HIGHEST_POLL_RATE
from batchveo.engine.stages.poll_schedule import USUAL_POLLS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/cluster"
PAGE = (ROOT / "docs/explanation/scaling.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/guides/cluster.md").read_text(encoding="utf-8")
SBATCH = FOLDER / "batchveo.sbatch"
DAY = 86_400.0
SCENARIOS = [(1e6, 7 * DAY), (1e6, DAY), (100e6, 100 * DAY), (100e6, 30 * DAY)]


def rayjob() -> dict[str, object]:
    documents = list(yaml.safe_load_all((FOLDER / "rayjob.yaml").read_text(encoding="utf-8")))
    (job,) = [document for document in documents if document["kind"] == "RayJob"]
    return dict(job["spec"])


def commands(text: str) -> list[str]:
    """The script's calls of batchveo, continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.rstrip("& ") for line in lines if line.startswith("batchveo ")]


def test_the_commands_of_the_examples_are_understood() -> None:
    """Each option exists, and each value has its type."""
    entrypoint = str(rayjob()["entrypoint"])
    calls = commands(SBATCH.read_text(encoding="utf-8"))
    assert calls
    for command in [entrypoint, *calls]:
        words = shlex.split(re.sub(r'"\$SLURM_JOB_NUM_NODES"', "5", command))
        found = batchveo.get_command(click.Context(batchveo), words[1])
        assert found is not None
        with found.make_context(words[1], words[2:]) as context:
            assert context.params["ray"] == "auto"


def test_keys_and_state_are_the_heads_alone() -> None:
    """Workers get the bucket's credentials, and nothing else that is secret."""
    cluster = rayjob()["rayClusterSpec"]
    assert isinstance(cluster, dict)
    assert cluster["authOptions"] == {"mode": "token"}
    (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    (group,) = cluster["workerGroupSpecs"]
    (worker,) = group["template"]["spec"]["containers"]
    assert {mount["name"] for mount in head["volumeMounts"]} == {"state", "manifest", "keys"}
    assert "volumeMounts" not in worker
    assert worker["envFrom"] == head["envFrom"] == [{"secretRef": {"name": "bucket"}}]
    assert f"FROM rayproject/ray:{cluster['rayVersion']}-" in (FOLDER / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_batch_script_is_one() -> None:
    """As bash reads it."""
    subprocess.run(["bash", "-n", SBATCH], check=True)


@pytest.mark.exhaustive
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_every_option_of_ray_start_exists() -> None:
    """In the guide and in the batch script; by its help, since importing Ray settles how it may be used."""
    said = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    known = set(re.findall(r"--[a-z-]+", said.stdout))
    script = SBATCH.read_text(encoding="utf-8")
    asked = re.findall(r"ray start (.*)", GUIDE + script)
    options = {option for words in asked for option in re.findall(r"--[a-z-]+", words.partition("#")[0])}
    assert {"--head", "--port", "--address", "--block", "--node-ip-address"} <= options
    assert options <= known


def test_the_estimate_follows_from_its_formulas() -> None:
    """Row by row, to the digits that are shown."""
    rates = [clips / seconds for clips, seconds in SCENARIOS]
    flying = [rate * 120 for rate in rates]
    assert row("clips a second") == pytest.approx(rates, rel=0.01)
    assert row("in flight") == pytest.approx(flying, rel=0.01)
    assert row("keys at 20 in flight each") == pytest.approx([-(-one // 20) for one in flying], rel=0.01)
    polls = [min(one * USUAL_POLLS / 120, HIGHEST_POLL_RATE) for one in flying]
    assert row("polls a second") == pytest.approx(polls, rel=0.02)
    calls = [rate + each for rate, each in zip(rates, polls, strict=True)]
    assert row("calls to the service a second") == pytest.approx(calls, rel=0.03)
    assert row("videos, MB/s") == pytest.approx([10 * rate for rate in rates], rel=0.03)
    assert row("videos, Gbit/s") == pytest.approx([0.08 * rate for rate in rates], rel=0.03)
    assert row("videos, TB") == [clips * 10 / 1e6 for clips, _ in SCENARIOS]
    assert row("cores, without Ray") == pytest.approx([0.04 * rate for rate in rates], rel=0.06)
    assert row("database, moves a second") == pytest.approx([5 * rate for rate in rates], rel=0.04)
    assert row("database, GB") == pytest.approx([clips * 1630 / 1e9 for clips, _ in SCENARIOS], rel=0.05)
    assert row("dollars, million") == [clips * 1.56 / 1e6 for clips, _ in SCENARIOS]


def row(name: str) -> list[float]:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
    return [float(cell.replace(",", "")) for cell in line.strip("|").split("|")[1:]]
