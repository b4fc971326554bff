"""Runs whose inputs travel through a bucket: against a real S3 server, which a service fetches them from."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest

from batchveo.cli import status_of
from batchveo.core.errors import UsageError
from batchveo.operations.input_ways import check_inputs
from batchveo.sandbox import Service
from batchveo.storage import destination_check
from batchveo.storage.objects import Objects
from tests.helpers.samples import sample_cases
from tests.storage.conftest import Bucket

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bucket")]
PNG = b"\x89PNG\r\n\x1a\n a picture"
PICTURES = """
defaults: {model: google/veo-3.1-i2v-fast, duration: 4, image_url: a.png}
jobs: [{prompt: one}, {prompt: two}]
"""
CHAIN = """
- model: google/veo-3.1-t2v-fast
  duration: 4
  chain: [A boat leaves, {prompt: It sails, model: google/veo-3.1-i2v-fast}]
"""


@pytest.fixture
def service(quick_service: Service) -> Service:
    Path("pictures.yaml").write_text(PICTURES)
    Path("chain.yaml").write_text(CHAIN)
    Path("a.png").write_bytes(PNG)
    return quick_service


def read_url(url: str) -> tuple[bytes, str | None]:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read(), answer.headers["content-type"]


@pytest.fixture
def fetched(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, str | None]]:
    """What a service gets that fetches each input at its address: content, and media type."""
    got: list[tuple[bytes, str | None]] = []
    sign = Objects.sign_url

    async def fetch(self: Objects, key: str, seconds: float) -> str:
        url = await sign(self, key, seconds)
        if key != destination_check.TRIAL:
            got.append(await anyio.to_thread.run_sync(read_url, url))
        return url

    monkeypatch.setattr(Objects, "sign_url", fetch)
    return got


def find_sent(service: Service) -> list[str]:
    return [
        str(generation.request["image_url"]) for generation in service.generations if "image_url" in generation.request
    ]


def test_a_film_of_clips_in_a_bucket(
    bucket: Bucket, service: Service, fetched: list[tuple[bytes, str | None]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Frames are taken from there, and the film is joined on this machine."""
    output, inputs = f"{bucket.url}/videos", f"{bucket.url}/inputs"
    assert status_of(["run", "chain.yaml", "--output", output, "--inputs", inputs]) == 0
    assert len(fetched) == 1
    capsys.readouterr()
    assert status_of(["film", "--all"]) == 0
    said = capsys.readouterr()
    assert "2 clips, " in said.out + said.err
    assert len(list(Path("films").glob("*.mp4"))) == 1
    kept = bucket.keys()
    assert len([key for key in kept if key.endswith(".mp4")]) == 2


def test_local_files_for_a_model_that_takes_only_addresses(
    bucket: Bucket, service: Service, fetched: list[tuple[bytes, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the service fetches is the file; afterwards the bucket is empty, and no text has a signature."""
    assert status_of(["run", "pictures.yaml"]) == 2
    monkeypatch.setenv("BATCHVEO_INPUTS", bucket.url)
    assert status_of(["run", "pictures.yaml", "--log-file", "log", "-vv"]) == 0
    assert fetched == [(PNG, "image/png")] * 2
    assert all("X-Amz-Signature=" in url and hashlib.sha256(PNG).hexdigest() in url for url in find_sent(service))
    assert bucket.keys() == []
    written = [path.read_bytes() for path in Path().rglob("*") if path.is_file()]
    assert not any(b"X-Amz-Signature" in content for content in written)
    assert status_of(["run", "pictures.yaml"]) == 0
    assert len(service.generations) == 2


def test_a_frame_for_a_model_that_takes_only_addresses(
    bucket: Bucket, service: Service, fetched: list[tuple[bytes, str | None]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan says which way it goes; ``resume`` knows the bucket."""
    assert status_of(["plan", "chain.yaml", "--inputs", bucket.url]) in (0, 3)
    assert f"inputs from the videos of other jobs: 1 frame through {bucket.url}" in capsys.readouterr().out
    assert status_of(["run", "chain.yaml", "--inputs", bucket.url, "--limit", "1"]) == 0
    assert status_of(["run", "chain.yaml", "--inputs", bucket.url, "--budget", "0.01"]) == 3
    assert (fetched, bucket.keys()) == ([], [])
    assert status_of(["resume", "--budget", "100"]) == 0
    ((frame, media_type),) = fetched
    assert (frame[:8], media_type) == (PNG[:8], "image/png")
    assert bucket.keys() == []


def test_nothing_is_bought_without_a_way(
    bucket: Bucket, service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bucket, one that is no bucket, one that is not there, one that only this network reaches, no PyAV."""
    assert status_of(["plan", "chain.yaml"]) == 2
    said = capsys.readouterr().err
    assert "chain.yaml:4: image_url: takes only an address, and a frame of a video has none" in said
    assert "--inputs s3://bucket/prefix" in said
    assert status_of(["run", "chain.yaml", "--inputs", "folder"]) == 2
    assert "--inputs 'folder' is no bucket" in capsys.readouterr().err
    assert status_of(["run", "chain.yaml", "--inputs", "s3://not-there/x"]) == 3
    assert "inputs cannot be written to s3://not-there/x: there is no such bucket" in capsys.readouterr().err
    assert status_of(["doctor", "--inputs", "s3://not-there/x"]) == 1
    assert "WRONG  inputs bucket: s3://not-there/x" in capsys.readouterr().out
    monkeypatch.setattr("batchveo.operations.input_ways.can_probe", lambda: False)
    assert status_of(["plan", "chain.yaml", "--inputs", bucket.url]) == 2
    assert "needs PyAV to take a frame of a video (pip install 'batchveo[media]')" in capsys.readouterr().err
    assert not service.generations
    assert bucket.keys() == []


@pytest.mark.exhaustive
def test_a_store_that_only_this_network_reaches(
    bucket: Bucket, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service elsewhere cannot fetch from it; the sandbox can."""
    with pytest.raises(
        UsageError, match=r"'127\.0\.0\.1' is this machine; the service fetches inputs over the internet"
    ):
        anyio.run(partial(check_inputs, bucket.url, local=False))
    assert status_of(["run", "pictures.yaml", "--sandbox", "--inputs", bucket.url, "--state", "play.db"]) == 0
    assert bucket.keys() == []


KILLED = """
import os, sys
from batchveo.cli import status_of
from batchveo.storage.objects import Objects
put = Objects.put
async def die(self, key, content, media_type):
    if sys.argv[1] == "after":
        await put(self, key, content, media_type)
    os.kill(os.getpid(), 9)
Objects.put = die
status_of(["run", "pictures.yaml", "--inputs", sys.argv[2]])
"""


@pytest.mark.parametrize("moment", sample_cases(["before", "after"], size=1))
def test_killed_at_an_upload(bucket: Bucket, service: Service, moment: str) -> None:
    """The database knows of it: the next run uploads what is missing, buys each once, and leaves nothing."""
    died = subprocess.run([sys.executable, "-c", KILLED, moment, bucket.url], capture_output=True, timeout=60)
    assert died.returncode == -signal.SIGKILL
    with closing(sqlite3.connect("state/batchveo.db")) as db:
        (name,) = db.execute("SELECT DISTINCT name FROM uploads").fetchone()
    assert bucket.keys() == ([f"my night/{name}"] if moment == "after" else [])
    assert status_of(["resume"]) == 0
    assert len(service.generations) == 2
    assert bucket.keys() == []
