"""Local files in place of URLs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from batchveo.core.models import InputFile
from batchveo.manifest import media
from batchveo.manifest.media import media_type
from tests.helpers.manifests import PNG, jobs, problems

I2V = "google/veo-3.0-i2v"


def test_a_local_image_is_sent_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request refers to the content, so that a moved file is the same job; a file is read once."""
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "copy.png").write_bytes(PNG)
    read = []
    look = media._inspect_file
    monkeypatch.setattr(media, "_inspect_file", lambda path, major: read.append(path) or look(path, major))
    url = (tmp_path / "cat.png").as_uri()
    rows = "".join(f"{I2V},A,{image}\n" for image in ["cat.png"] * 50 + ["copy.png", url])
    found = jobs(tmp_path, f"model,prompt,image_url\n{rows}", "a.csv")
    digest = hashlib.sha256(PNG).hexdigest()
    assert found[0].request["image_url"] == f"batchveo-input:{digest}"
    assert found[0].inputs == (InputFile(sha256=digest, media_type="image/png", path=str(tmp_path / "cat.png")),)
    assert found[0].request == found[50].request == found[51].request
    assert len(read) <= 3


def test_data_uri_where_documented(tmp_path: Path) -> None:
    """A data URI goes through as it is."""
    uri = "data:image/png;base64,iVBORw0KGgo="
    [job] = jobs(tmp_path, f"- {{model: {I2V}, prompt: A, image_url: '{uri}'}}")
    assert job.request["image_url"] == uri


@pytest.mark.parametrize(
    "url",
    [
        "https://a.b/c d.png",
        "http:///x",
        "https:a.b",
        "s3://bucket/key",
        "data:image/png;base64,!!!",
        "data:image/png,plain",
        "file://server/share.png",
        "~/no.png",
        "..",
        "//a.b/c",
    ],
)
def test_not_an_image(url: str, tmp_path: Path) -> None:
    """What cannot be fetched or read is refused before anything is bought."""
    (tmp_path / "a.yaml").write_text(f"- model: {I2V}\n  prompt: A\n  image_url: '{url}'\n")
    [problem] = problems(tmp_path / "a.yaml")
    assert (problem.line, problem.field) == (3, "image_url")


@pytest.mark.parametrize(
    "url",
    [
        "https://a.b/c,d;e|f.png",
        "https://8.8.8.8/a.png",
        "https://[2606:4700::1111]/a.png",
        "https://a.example/proxy?from=https://b.example/c.png",
        "https://a.example/at@sign",
        "HTTPS://A.example/ä.png?x=1#y",
        "https://müller.example/a",
    ],
)
def test_addresses_that_go_through(url: str, tmp_path: Path) -> None:
    """Any https URL that a service elsewhere can fetch."""
    [job] = jobs(tmp_path, f"- model: google/veo-3.1-i2v\n  prompt: A\n  image_url: '{url}'\n")
    assert job.request["image_url"] == url


def test_a_file_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is looked at before the content."""
    monkeypatch.setitem(media.SIZE_LIMITS, "image", 4)
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "a.yaml").write_text(f"- {{model: {I2V}, prompt: A, image_url: cat.png}}")
    [problem] = problems(tmp_path / "a.yaml")
    assert "larger than" in problem.message


@pytest.mark.parametrize(
    ("start", "found"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"GIF89a", None),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"\0\0\0\x18ftypqt  ", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
        (b"", None),
    ],
)
def test_media_type(start: bytes, found: str | None) -> None:
    """The content tells the type, whatever the file is called."""
    assert media_type(start) == found
