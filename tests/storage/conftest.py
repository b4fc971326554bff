"""An S3 server of its own process, started once, with a bucket for each test."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from batchveo.core.destination import BucketUrl
from batchveo.sandbox import Service, Settings, running
from batchveo.storage.objects import open_objects


@dataclass(frozen=True)
class Bucket:
    """A bucket, and what a person sees in it."""

    endpoint: str
    name: str

    @property
    def url(self) -> BucketUrl:
        return BucketUrl(f"s3://{self.name}/my night")

    def keys(self) -> list[str]:
        return [node.text or "" for node in self._ask("list-type=2").iter() if node.tag.endswith("}Key")]

    def uploads(self) -> int:
        """Multipart uploads that nobody ended."""
        return sum(node.tag.endswith("}Upload") for node in self._ask("uploads").iter())

    def _ask(self, query: str) -> ElementTree.Element:
        with urllib.request.urlopen(f"{self.endpoint}/{self.name}?{query}", timeout=20) as answer:
            return ElementTree.fromstring(answer.read())


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of moto's server, on a port that it takes itself and tells in its log."""
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as server:
        try:
            while (told := re.search(r"Running on (http://[\d.:]+)", log.read_text())) is None:
                assert server.poll() is None, log.read_text()
                time.sleep(0.02)
            yield told[1]
        finally:
            server.kill()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A new bucket, which the environment leads to."""
    made = Bucket(endpoint, f"b{uuid.uuid4().hex[:12]}")
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{made.name}", method="PUT"), timeout=20):
        pass
    use(endpoint, monkeypatch)
    yield made
    open_objects.cache_clear()


def use(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment name this store."""
    open_objects.cache_clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def quick_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    """A quick sandbox that the commands use, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    service = Service(Settings(generation_median=0.1, log_lag=0.1))
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-secret-key")
    monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
    with running(service) as url:
        monkeypatch.setenv("BATCHVEO_BASE_URL", url)
        yield service
