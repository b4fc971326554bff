"""The page before the first run."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from batchveo.web.app import make_app
from batchveo.web.first_run import is_ready, make_first_page
from batchveo.web.page import make_live_page
from batchveo.web.security import Secrets
from tests.web.conftest import Client, Night


@pytest.fixture
def waiting(tmp_path: Path) -> Client:
    keys = Secrets()
    return Client(make_app(tmp_path / "night.db", keys=keys), keys)


def test_it_shows_what_to_type_and_writes_nothing(waiting: Client, tmp_path: Path) -> None:
    """Complete commands, with the database that the page waits for."""
    page = waiting.get("/")
    assert page.status_code == 200
    for command in ("init", "plan videos.yaml", "run videos.yaml"):
        state = "" if command == "init" else f" --state {tmp_path}/night.db"
        assert f">batchveo {command}{state}</code>" in page.text
    assert waiting.get("/api/progress").status_code == 204
    assert waiting.get("/static/first-run.js").status_code == 200
    assert [waiting.get(path).status_code for path in ("/api/jobs", "/static/page.js", "/x")] == [404, 404, 404]
    assert list(tmp_path.iterdir()) == []


def test_it_is_guarded_like_the_page(tmp_path: Path) -> None:
    """With the same headers, and by the token."""
    keys = Secrets(token="secret")
    client = Client(make_app(tmp_path / "night.db", keys=keys), keys)
    assert client.get("/").status_code == 401
    page = Client(make_app(tmp_path / "night.db", keys=Secrets()), Secrets()).get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_it_becomes_the_page_with_the_first_run(waiting: Client, tmp_path: Path) -> None:
    """Not with an empty file, or a database without a run."""
    (tmp_path / "night.db").touch()
    assert waiting.get("/api/progress").status_code == 204
    (tmp_path / "night.db").unlink()
    Night(tmp_path)
    assert waiting.get("/api/progress").json()["total"] == 0
    assert 'id="gallery"' in waiting.get("/").text


def test_a_file_that_is_no_database_is_reported_instead_of_waited_for(waiting: Client, tmp_path: Path) -> None:
    """It stays as it is; without it, the page follows the first run again."""
    path = tmp_path / "night.db"
    path.write_bytes(b"no database at all" * 100)
    answer = waiting.get("/api/progress")
    assert (answer.status_code, "not a database" in answer.json()["error"]) == (503, True)
    assert 'id="gallery"' in waiting.get("/").text
    assert path.read_bytes() == b"no database at all" * 100
    path.unlink()
    Night(tmp_path)
    assert waiting.get("/api/progress").json()["total"] == 0


def test_the_usual_name_is_not_shown_beside_the_same_word(tmp_path: Path) -> None:
    """A page of batchveo.db is of batchveo, not of batchveo batchveo."""
    for make in (make_first_page, lambda state: make_live_page("secret", posters=True, title=state.stem, cursor=0)):
        assert '"brand-state"></span>' in make(tmp_path / "batchveo.db")
        assert '"brand-state">night</span>' in make(tmp_path / "night.db")
    assert "<title>batchveo</title>" in make_live_page("secret", posters=True, title="batchveo", cursor=0)
    assert "<title>night · batchveo</title>" in make_live_page("secret", posters=True, title="night", cursor=0)


def test_a_database_that_is_being_made_has_no_runs(tmp_path: Path) -> None:
    """Its tables come before its first run."""
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE jobs (id)")
        assert not is_ready(path)
        db.execute("CREATE TABLE runs (id)")
    assert not is_ready(path)
