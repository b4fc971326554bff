"""Images and videos of requests: local files, and addresses that nobody can reach."""

from __future__ import annotations

import hashlib
from pathlib import Path
from unittest import mock

import pytest

from batchveo.core.models import InputFile
from batchveo.manifest import media
from batchveo.manifest.media import check_host, media_type
from batchveo.manifest.problems import Fault
from tests.helpers.manifests import I2V, PNG, jobs, problems

OLD_I2V = "google/veo-3.0-i2v"
BAD_URLS = {
    "https://localhost/a.png": "this machine",
    "http://127.0.0.1:8000/a.png": "this machine",
    "https://192.168.0.4/a.png": "private or reserved",
    "https://nas/a.png": "private network",
    "https://nas.local/a.png": "private network",
    "https://me:secret@a.example/b.png": "password",
    "https://token@a.example/b.png": "password",
    "https:///a.png": "no host",
    "https://a.example/1.png,https://a.example/2.png": "more than one URL",
    "https://a.example/1.png, https://a.example/2.png": "more than one URL",
    "https://a.example/1.png; http://a.example/2.png": "more than one URL",
    "https://a.example/1.png https://a.example/2.png": "more than one URL",
}


def test_a_local_image_is_sent_by_its_content(tmp_path: Path) -> None:
    """The request refers to the content, so that a moved file is the same job; a file is read once."""
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "copy.png").write_bytes(PNG)
    url = (tmp_path / "cat.png").as_uri()
    rows = "".join(f"{OLD_I2V},A,{image}\n" for image in ["cat.png"] * 50 + ["copy.png", url])
    with mock.patch.object(media, "_inspect_file", wraps=media._inspect_file) as look:
        found = jobs(tmp_path, f"model,prompt,image_url\n{rows}", "a.csv")
    digest = hashlib.sha256(PNG).hexdigest()
    assert found[0].request["image_url"] == f"batchveo-input:{digest}"
    assert found[0].inputs == (InputFile(sha256=digest, media_type="image/png", path=str(tmp_path / "cat.png")),)
    assert found[0].request == found[50].request == found[51].request
    assert 0 < look.call_count <= 3


def test_data_uri_where_documented(tmp_path: Path) -> None:
    """A data URI goes through as it is."""
    uri = "data:image/png;base64,iVBORw0KGgo="
    [job] = jobs(tmp_path, f"- {{model: {OLD_I2V}, prompt: A, image_url: '{uri}'}}")
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
    (tmp_path / "a.yaml").write_text(f"- model: {OLD_I2V}\n  prompt: A\n  image_url: '{url}'\n")
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
    (tmp_path / "a.yaml").write_text(f"- {{model: {OLD_I2V}, prompt: A, image_url: cat.png}}")
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


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "api.localhost",
        "127.0.0.1",
        "127.1",
        "0",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.7",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fd12::1",
        "::ffff:10.0.0.1",
        "ff02::1",
        "2002:0a00:0001::",
        "2001:db8::1",
        "fe80::1%eth0",
        "nas",
        "printer.local",
        "db.internal",
        "x.home.arpa",
        "files.corp",
        "router.lan",
        "１２７.0.0.1",
        "a..b",
        "",
        ".",
        "999.1.1.1",
        "256",
    ],
)
def test_hosts_that_nobody_else_can_reach(host: str) -> None:
    """This machine in any spelling, private and reserved networks, names without a domain, and none at all."""
    if host == "256":
        host = "1.2.3.256"
    with pytest.raises(Fault) as raised:
        check_host(host)
    assert raised.value.suggestion


@pytest.mark.parametrize(
    "host",
    [
        "a.example",
        "8.8.8.8",
        "2606:4700::1111",
        "xn--mller-kva.example",
        "müller.example",
        "local.example",
        "a.b.",
    ],
)
def test_hosts_of_the_internet(host: str) -> None:
    """Names with a domain, and addresses that are routed."""
    check_host(host)


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize(
    ("model", "field"),
    [
        (I2V, "image_url"),
        ("google/veo-3.1-reference-to-video", "image_urls"),
        ("google/veo-3.1-first-last-image-to-video", "last_image_url"),
        ("google/veo3-1-extend-video", "video_url"),
        ("kling/v9", "tail_image_url"),
        ("kling/v9", "image_urls"),
    ],
)
def test_addresses_that_no_service_can_fetch(url: str, model: str, field: str, tmp_path: Path) -> None:
    """In every field that takes one, and the password stays where it is."""
    first = ",image_url" if field == "last_image_url" else ""
    cell = ",https://a.example/0.png" if first else ""
    content = f'model,prompt{first},{field}\n{model},A{cell},"{url}"\n'
    with pytest.raises(Exception, match=BAD_URLS[url]) as raised:
        jobs(tmp_path, content, "a.csv", any_model=model == "kling/v9")
    place = f"{field}[0]" if field == "image_urls" and not model.startswith("kling") else field
    assert f"a.csv:2: {place}: " in str(raised.value)
    assert "secret" not in str(raised.value)


def test_urls_in_one_cell_are_told_apart_by_a_bar(tmp_path: Path) -> None:
    """Which the words for a comma say."""
    content = 'model,prompt,image_urls\ngoogle/veo-3.1-reference-to-video,A,"https://a.b/1,https://a.b/2"\n'
    (tmp_path / "a.csv").write_text(content)
    [problem] = problems(tmp_path / "a.csv")
    assert "|" in str(problem.suggestion)
    [job] = jobs(tmp_path, content.replace(",https://a.b/2", "|https://a.b/2"), "a.csv")
    assert job.request["image_urls"] == ["https://a.b/1", "https://a.b/2"]
