"""The page as one file."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.core.votes import Vote, VoteKind
from batchveo.dataset.index import INDEX_FILE
from batchveo.store import Store
from batchveo.web.page import embed_json
from batchveo.web.static_report import choose_output, write_report
from tests.web.conftest import HOSTILE, Night


def data_of(path: Path) -> dict[str, object]:
    """What is embedded in a report, found as an HTML parser finds it."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script', path.read_text(), re.DOTALL)
    assert found is not None
    data: dict[str, object] = json.loads(found.group(1))
    return data


@pytest.mark.parametrize("text", [HOSTILE, "</SCRIPT >", "<!--<script>", "\u2028\u2029", "&lt;", "\ud83d", '"\\'])
def test_embedded_json_is_no_markup(text: str) -> None:
    """And says the same."""
    content = embed_json({"x": text})
    assert json.loads(content) == {"x": text}
    assert not set("<>&\u2028\u2029") & set(content)
    content.encode()


def test_a_report_holds_everything(night: Night) -> None:
    """Jobs with their history, causes, choices, posters; links relative to itself."""
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos.parent / "report #1.html", now=99.0)
    data = data_of(written.path)
    jobs = {job["name"]: job for job in data["jobs"]}  # type: ignore[attr-defined]
    assert list(jobs)[:2] == ["fox", HOSTILE]
    assert (jobs["fox"]["href"], jobs["fox"]["events"][-1]["to_state"]) == ("videos/fox.mp4", "succeeded")
    assert jobs["fox"]["sidecar"] is True
    assert (written.jobs, written.total, written.posters, len(data["posters"])) == (6, 6, 2, 2)  # type: ignore[arg-type]
    assert data["charts"]["night"]["runs"] == 1  # type: ignore[index]
    assert "owned'</script" not in written.path.read_text()


def test_a_report_links_to_sidecars_that_are_there_only(night: Night) -> None:
    """`--sidecars` puts them elsewhere, or nowhere."""
    (night.videos / "fox.json").unlink()
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos.parent / "report.html", now=99.0, posters=False)
    fox, hostile = data_of(written.path)["jobs"][:2]  # type: ignore[index]
    assert (fox["href"], fox["sidecar"], hostile["sidecar"]) == ("videos/fox.mp4", False, True)


def test_links_are_ways_that_a_browser_understands(night: Night) -> None:
    """Names with signs that addresses know."""
    with Store(night.path) as store:
        job = store.queries.find_jobs("waiting")[0]
    assert job.state == "pending"
    night.succeed(file="50% #1?.mp4")
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos / "deep" / "r.html", now=99.0, posters=False)
    last = data_of(written.path)["jobs"][-1]  # type: ignore[index]
    assert (last["href"], written.posters) == ("../50%25%20%231%3F.mp4", 0)


def test_posters_have_a_bound(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report can be mailed."""
    monkeypatch.setattr("batchveo.web.static_report.POSTER_BYTES", 10)
    with Store(night.path, writing=False) as store:
        assert write_report(store, night.videos / "r.html", now=99.0).posters == 0


def test_previews_come_on_request_and_have_a_bound(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small copies that can be looked at without the videos, also where these cannot be linked to."""
    with Store(night.path, writing=False) as store:
        plain = write_report(store, night.videos / "r.html", now=99.0)
        written = write_report(store, night.videos / "r.html", now=99.0, previews=True)
        assert (plain.previews, written.previews) == (0, 2)
        data = data_of(written.path)
        copies = [base64.b64decode(copy) for copy in data["previews"].values()]  # type: ignore[attr-defined]
        assert all(copy[4:8] == b"ftyp" and len(copy) < 60_000 for copy in copies)
        assert str(night.path.parent) not in written.path.read_text(encoding="utf-8")
        monkeypatch.setattr("batchveo.web.static_report.reveals_location", lambda *_: True)
        far = data_of(write_report(store, night.videos / "r.html", now=99.0, previews=True).path)
        assert far["jobs"][0]["video"] is True  # type: ignore[index]
        assert "href" not in far["jobs"][0]  # type: ignore[index]
        monkeypatch.setattr("batchveo.web.static_report.PREVIEW_BYTES", 10)
        assert write_report(store, night.videos / "r.html", now=99.0, previews=True).previews == 0


def test_more_jobs_than_fit_are_said(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones are shown."""
    monkeypatch.setattr("batchveo.web.static_report.MOST_JOBS", 2)
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos / "r.html", now=99.0)
    assert (written.jobs, written.total, data_of(written.path)["shown"]) == (2, 6, 2)


def test_the_command_writes_beside_the_videos(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """And prints the path; nothing is left half-written."""
    assert status_of(["report", "--state", str(night.path)]) == 0
    assert capsys.readouterr().out == f"{night.videos / 'report.html'}\n"
    assert not list(night.videos.glob("*.part"))


def test_a_report_is_not_written_into_a_dataset(night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the videos were moved into one: prompts and all would be published with it."""
    monkeypatch.chdir(tmp_path)
    (night.videos / INDEX_FILE).touch()
    with Store(night.path, writing=False) as store:
        assert choose_output(store) == Path("report.html")
        assert choose_output(store, night.videos / "train") == Path("report.html")


def test_a_state_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Is said in words, before anything is written."""
    assert status_of(["report", "--state", str(tmp_path / "none.db")]) == 2
    assert "there is no database" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_a_state_whose_name_is_no_text(night: Night) -> None:
    """Its report is written all the same."""
    odd = night.path.with_name(os.fsdecode(b"\xff.db"))
    night.path.rename(odd)
    with Store(odd, writing=False) as store:
        written = write_report(store, night.videos / "r.html", now=1.0)
    assert "<title>? ·" in written.path.read_text(encoding="utf-8")


def test_a_link_that_lies_where_the_part_goes(night: Night) -> None:
    """What it leads to is not written to."""
    mine = night.videos / "mine"
    mine.write_text("precious")
    (night.videos / ".r.html.part").symlink_to(mine)
    with Store(night.path, writing=False) as store:
        write_report(store, night.videos / "r.html", now=1.0)
    assert mine.read_text() == "precious"


def test_a_report_shows_what_was_picked_and_not_by_whom(night: Night) -> None:
    """It may be mailed: who voted stays in the database."""
    with Store(night.path) as store:
        store.votes.record_vote(Vote(person="Annabel Lee", kind=VoteKind.PICK, job=night.named("fox").seq))
        content = write_report(store, night.videos / "report.html", now=9.0).path.read_text(encoding="utf-8")
    assert '"choice":"picked"' in content
    assert "Annabel" not in content
