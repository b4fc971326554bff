"""Where videos may go, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from batchveo.core.destination import BESIDE, NONE, BucketUrl, Destination, Sidecars, expand_home, parse_destination
from batchveo.core.errors import UsageError
from batchveo.core.settings import RunSettings
from batchveo.store import Store


def output_of(text: Any) -> Destination:
    """The output of settings that were made with a text, which callers may do."""
    return RunSettings(output=text).output


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("S3://my-bucket.x/a b/ü%41//", "s3://my-bucket.x/a b/ü%41"),
        ("gs://bucket/x", "gs://bucket/x"),
        ("azure://container/x", "az://container/x"),
    ],
)
def test_urls_of_buckets(text: str, url: str) -> None:
    """As one text for one place; percent signs stand for themselves."""
    place = parse_destination(text)
    assert place == BucketUrl(url)
    assert parse_destination(place) is place
    assert output_of(text) == url


@pytest.mark.parametrize("text", ["videos", "C:\\videos", "C:/x", "c://x", "/a:b/s3:", "./s3:/x", ""])
def test_paths_stay_paths(text: str) -> None:
    """Windows drives too."""
    assert parse_destination(text) == Path(text)


def test_a_file_url_is_its_folder() -> None:
    """Nothing is gained by an object store over a disk."""
    assert parse_destination("file:///data/my%20videos") == Path("/data/my videos")
    assert parse_destination("file:///C:/videos") == Path("C:/videos")
    for wrong in ("file://", "file:///", "file://host/x", "file:///x?y"):
        with pytest.raises(UsageError, match="names no folder"):
            parse_destination(wrong)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ftp://host/x", "cannot go to ftp://"),
        ("https://bucket.s3.amazonaws.com/x", "cannot go to https://"),
        ("s3://", "needs the name of a bucket"),
        ("s3:///x", "needs the name of a bucket"),
        ("gcs://bucket/x", "did you mean gs://"),
        ("s4://bucket/x", "did you mean s3://"),
        ("s3://bu\x1bcket/x", "no name of a bucket"),
        ("s3://b cket/x", "no name of a bucket"),
        ("s3://localhost:9000/x", "AWS_ENDPOINT_URL"),
        ("s3://b/x", "3 or more characters"),
        ("s3:/bucket/x", "neither a folder nor a URL"),
        (Path("s3://bucket/x"), "neither a folder nor a URL"),
        ("s3://bucket/a//b", "no prefix"),
        ("s3://bucket/../b", "no prefix"),
        ("s3://bucket/a\nb", "no prefix"),
        ("s3://bucket/a\\b", "no prefix"),
        ("s3://bucket/" + "é" * 300, "longer than 512 bytes"),
    ],
)
def test_what_is_no_place(text: str, words: str) -> None:
    """Said at once, before anything is bought."""
    with pytest.raises(UsageError, match=words):
        output_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "file:/videos",
        "file:videos",
        "S3:/bucket/x",
        "s3;//bucket",
        "s3//bucket/x",
        "gs:bucket",
        "minio:/b",
        "http:/x",
    ],
)
def test_slips_make_no_folder(text: str) -> None:
    """A slash too few, or another key beside the colon's."""
    with pytest.raises(UsageError, match=r"neither a folder nor a URL: write s3://"):
        output_of(text)


def test_a_home_folder_is_meant_by_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every place of the library; one that is nobody's is an error, and a folder of that name can be had."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert parse_destination("~/videos") == output_of("~/videos") == tmp_path / "videos"
    assert expand_home("~") == tmp_path
    assert expand_home("./~/x") == Path("~/x")
    assert expand_home("a/~/x") == Path("a/~/x")
    with pytest.raises(UsageError, match=r"no home folder ~nobody-here; \./~nobody-here names"):
        parse_destination("~nobody-here/x")
    with Store("~/new/b.db") as store:
        assert store.path == tmp_path / "new" / "b.db"


@pytest.mark.parametrize("secret", ["s3://AKIA:hush@bucket/x", "az://c/x?sig=hush", "gs://b/x#hush"])
def test_secrets_are_refused_and_not_repeated(secret: str) -> None:
    """The place stands in the state, in sidecars and in reports."""
    with pytest.raises(UsageError, match="credentials come from the environment") as raised:
        parse_destination(secret)
    assert "hush" not in str(raised.value)


BLOCKED = """
import sys
sys.modules["obstore"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "obstore" else find(name, *more)
import batchveo.core.destination; batchveo.core.destination.find_spec = importlib.util.find_spec
from batchveo.cli import status_of
run = ["run", "--sandbox", "--output", "s3://bucket/x", "m.yaml"]
statuses = [status_of(["doctor", "--help"]), status_of(run)]
statuses.append(status_of(["verify", "--state", "none.db"]))
assert not any(name.startswith("obstore") for name in sys.modules if name != "obstore")
print(statuses)
"""


def test_without_the_extra(tmp_path: Path) -> None:
    """Nothing of it is imported, and what needs it says which extra to install."""
    (tmp_path / "m.yaml").write_text("jobs: [{prompt: A fox, model: veo2}]\n")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[0, 2, 2]"
    assert "pip install 'batchveo[cloud]'" in done.stderr
    assert not (tmp_path / "state").exists()


def test_a_folder_needs_nothing_of_it(tmp_path: Path) -> None:
    """The library with all that a run into a folder loads."""
    code = "import sys, batchveo.operations.run, batchveo.cli.commands.run; print('obstore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("said", "sidecars", "path"),
    [
        (None, BESIDE, Path("/v/a.cat.json")),
        ("beside", BESIDE, Path("/v/a.cat.json")),
        ("facts", Sidecars(folder=Path.cwd() / "facts"), Path.cwd() / "facts/a.cat.json"),
        ("/facts", Sidecars(folder=Path("/facts")), Path("/facts/a.cat.json")),
        ("none", NONE, None),
    ],
)
def test_each_choice(said: str | None, sidecars: Sidecars, path: Path | None) -> None:
    """Beside the video, in a folder, nowhere."""
    assert Sidecars.named(said) == sidecars
    assert sidecars.of(Path("/v"), "a.cat.mp4") == path
    assert Sidecars.named(str(sidecars)) == sidecars
    assert RunSettings(sidecars=said or "").sidecars == sidecars  # type: ignore[arg-type]


def test_a_home_folder_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """By ``~``."""
    monkeypatch.setenv("HOME", "/home/x")
    assert Sidecars.named("~/facts").folder == Path("/home/x/facts")


@pytest.mark.parametrize("sidecars", [NONE, Sidecars(folder=Path("facts"))])
def test_a_bucket_needs_them_beside_its_videos(sidecars: Sidecars) -> None:
    """There they claim the names."""
    with pytest.raises(UsageError, match="--sidecars is for folders"):
        RunSettings(output="s3://bucket/night", sidecars=sidecars)  # type: ignore[arg-type]
