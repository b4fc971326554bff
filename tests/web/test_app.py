"""The page's server: what it shows, and what it never gives away."""

from __future__ import annotations

import pytest

from tests.web.conftest import HOSTILE, Client, Night


@pytest.mark.parametrize(
    "path",
    [
        "/videos/..%2f..%2fnight.db.mp4",
        "/videos/%2fetc%2fpasswd.mp4",
        "/static/..%2fapp.py",
        "/static/page.html",
        "/static/main.js",
        "/posters/..%2f..%2fx.jpg",
        "/sidecars/nobody.json",
        "/night.db",
    ],
)
def test_no_path_comes_from_outside(client: Client, path: str) -> None:
    """Nothing but what the state recorded is served."""
    assert client.get(path).status_code == 404


def test_hostile_text_is_data(client: Client) -> None:
    """It travels as JSON only; the page itself has nothing of it."""
    assert HOSTILE in [job["name"] for job in client.get("/api/jobs").json()["jobs"]]
    assert "owned" not in client.get("/").text


def test_a_state_that_went_away_is_said(client: Client, night: Night) -> None:
    """In words, and the server lives on."""
    away = night.path.rename(night.path.with_name("away.db"))
    answer = client.get("/api/jobs")
    assert (answer.status_code, "there is no database" in answer.json()["error"]) == (503, True)
    night.path.write_text("no database, though of some length" * 100)
    assert client.get("/api/jobs").status_code == 503
    night.path.unlink()
    away.rename(night.path)
    assert client.get("/api/jobs").status_code == 200
