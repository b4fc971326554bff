"""A report may be mailed: it tells nothing of the machine it was written on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.store import Store
from batchveo.web.redaction import ManifestLabels, Redaction, reveals_location
from batchveo.web.static_report import write_report
from tests.helpers.factories import make_spec
from tests.web.conftest import Night
from tests.web.test_static_report import data_of

HERE = Redaction(["/data/My Films"], names=["jane-doe", "workstation7", "root"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[Errno 13] Permission denied: '/home/jane/videos/x.mp4'", "[Errno 13] Permission denied: 'x.mp4'"),
        ('cannot open "C:\\Users\\Jane Doe\\x.mp4"', 'cannot open "x.mp4"'),
        ("cannot open C:\\Users\\jane\\x.mp4: denied", "cannot open x.mp4: denied"),
        ("cannot open \\\\nas\\share\\x.mp4", "cannot open x.mp4"),
        ("no room in /mnt/big disk/night 2/x.mp4: full", "no room in x.mp4: full"),
        ("rename /a/b.part to /a/b.mp4 failed", "rename b.part to b.mp4 failed"),
        ("error:/srv/jane/x.mp4", "error:x.mp4"),
        ("see file:///srv/jane/x.mp4", "see x.mp4"),
        ("see ~/films/x.mp4 and ../../home/jane/y.mp4", "see x.mp4 and y.mp4"),
        ("/data/My Films/a/x.mp4 and /data/My Films", "a/x.mp4 and …"),
        ("https://example.org/home/jane/1.png is too small", "https://example.org/home/jane/1.png is too small"),
        ("s3://bucket/night/x.mp4, 16/9, and/or, 1 /2", "s3://bucket/night/x.mp4, 16/9, and/or, 1 /2"),
        ("data:image/png;base64,/9j/4AAQ/x", "data:image/png;base64,/9j/4AAQ/x"),
        ("google/veo3 refused it", "google/veo3 refused it"),
        ("jane-doe@workstation7: root cause", "…@…: root cause"),
    ],
)
def test_of_a_path_its_last_part_stays(text: str, shown: str) -> None:
    """Addresses, fractions and models are no paths."""
    assert HERE.clean_text(text) == shown


def test_the_users_own_words_stay() -> None:
    """But for folders of this machine."""
    row = {"prompt": "a sign that says /etc/hosts", "meta": {"from": "/srv/jane/1.png"}, "n": [1, None, "/a/b/c"]}
    assert HERE.clean_row(row) == {"prompt": row["prompt"], "meta": {"from": "1.png"}, "n": [1, None, "c"]}
    assert HERE.clean_row({"prompt": "/data/My Films/a cat"}) == {"prompt": "a cat"}


def test_manifests_have_names_of_their_own() -> None:
    """Relative ones stay; two of one name are told apart."""
    labels = ManifestLabels()
    paths = ["shots/a.yaml", "/home/jane/a.yaml", "../a.yaml", "C:\\jane\\b.csv", "/home/jane/a.yaml", "a.yaml"]
    assert [labels.find_label(path) for path in paths] == [
        "shots/a.yaml",
        "a.yaml",
        "a.yaml (2)",
        "b.csv",
        "a.yaml",
        "a.yaml (3)",
    ]


@pytest.mark.parametrize(
    ("start", "end", "telling"),
    [
        ("/home/jane/videos", "/home/jane/videos/x.mp4", False),
        ("/home/jane", "/home/jane/videos/x.mp4", False),
        ("/home/jane/reports", "/home/jane/videos/x.mp4", False),
        ("/data/reports", "/data/videos/x.mp4", False),
        ("/tmp", "/home/jane/x.mp4", True),
        ("/home/bob", "/home/jane/x.mp4", True),
    ],
)
def test_a_way_over_the_root_tells_where_things_are(start: str, end: str, telling: bool) -> None:
    """As a whole path would."""
    assert reveals_location(Path(start), Path(end)) is telling


@pytest.fixture
def told(night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Night:
    """A night at jane's, whose manifests, errors, details, requests, metadata and doubts name her folders."""
    monkeypatch.setenv("HOME", str(tmp_path / "jane-doe"))
    monkeypatch.setattr("socket.gethostname", lambda: "workstation7.lan")
    error = f"[Errno 28] No space left on device: '{night.videos}/x.mp4' (jane-doe@workstation7.lan)"
    theirs = {"from": "/home/jane-doe/shots.csv", "split": "train"}
    mine = {"manifest": str(tmp_path / "m.yaml"), "source": str(tmp_path / "prompts.txt"), "line": 3}
    night.add(
        make_spec("theirs", meta=theirs, manifest="/srv/jane-doe/m.yaml"),
        make_spec(f"{tmp_path}/a cat", **mine),
    )
    night.fail(error)
    with closing(sqlite3.connect(night.path)) as state, state:
        state.execute("UPDATE attempts SET detail = ? WHERE job = 1", (error,))
        state.execute("UPDATE jobs SET held = 1, error = ? WHERE state = 'in_doubt'", (error,))
    return night


def test_a_report_tells_nothing_of_the_machine(told: Night, tmp_path: Path) -> None:
    """Whatever stands in the database; the page's own links and its filters work."""
    with Store(told.path, writing=False) as store:
        text = write_report(store, told.videos / "report.html", now=99.0).path.read_text()
    for private in (str(tmp_path), str(tmp_path.parent), "jane-doe", "workstation7", "/home/", "/srv/"):
        assert private not in text, text[max(0, text.index(private) - 200) : text.index(private) + 60]
    data = data_of(told.videos / "report.html")
    jobs = {job["name"]: job for job in data["jobs"]}  # type: ignore[attr-defined]
    assert (jobs["fox"]["href"], jobs["fox"]["file"]) == ("fox.mp4", "fox.mp4")
    assert jobs["waiting"]["error"].startswith("[Errno 28] No space left on device: 'x.mp4'")
    assert (jobs["theirs"]["manifest"], jobs["theirs"]["meta"]["from"]) == ("m.yaml (2)", "shots.csv")
    cat = jobs["a cat"]
    assert (cat["manifest"], cat["source"], cat["line"]) == ("m.yaml (3)", "prompts.txt", 3)
    choices = [row["value"] for row in data["choices"]["manifests"]]  # type: ignore[index]
    assert set(choices) == {job["manifest"] for job in jobs.values()}


def test_a_report_that_lies_far_from_the_videos_does_not_link_to_them(
    told: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says so, and what to do."""
    monkeypatch.setattr("batchveo.web.static_report.reveals_location", lambda start, end: True)
    assert status_of(["report", "--state", str(told.path), "--output", str(tmp_path / "r.html")]) == 0
    assert "2 videos not linked" in capsys.readouterr().err
    text = (tmp_path / "r.html").read_text()
    assert '"href"' not in text.partition('id="data">')[2].partition("</script>")[0]


def test_a_megabyte_without_blanks_is_cleaned_in_one_pass() -> None:
    """With a search from each of its letters, one such text kept a report from being written for hours."""
    text = "p" * 1_000_000
    assert Redaction().clean_text(f"{text} https://example.org/a/b") == f"{text} https://example.org/a/b"
