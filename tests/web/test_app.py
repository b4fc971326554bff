"""The page's server: what it shows, and what it never gives away."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.web.conftest import HOSTILE, Client, Night


def names(client: Client, query: str = "") -> list[str]:
    return [job["name"] for job in client.get(f"/api/jobs{query}").json()["jobs"]]


def test_pages_follow_each_other(client: Client) -> None:
    """By the number of the last job, in both directions; the first page says how many there are."""
    first = client.get("/api/jobs?most=4").json()
    second = client.get(f"/api/jobs?most=4&after={first['jobs'][-1]['seq']}").json()
    assert (len(first["jobs"]), first["more"], first["matching"]) == (4, True, 6)
    assert ([job["name"] for job in second["jobs"]], second["more"]) == (["doubtful", "waiting"], False)
    assert names(client, "?order=newest&most=2") == ["waiting", "doubtful"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=failed", ["refused 1", "refused 2"]),
        ("state=pending&state=in_doubt", ["doubtful", "waiting"]),
        ("model=google/veo2", ["refused 2"]),
        ("split=train", ["fox"]),
        ("manifest=none.yaml", []),
        ("q=FOX", ["fox"]),
        ("q=small+12", ["refused 1"]),
        ("q=%25", []),
        ("state=failed&q=2.png", ["refused 2"]),
    ],
)
def test_filters_and_search(client: Client, query: str, found: list[str]) -> None:
    """Each narrows what is shown; signs that SQL knows are text."""
    assert names(client, f"?{query}") == found


def test_a_search_knows_every_script(client: Client, night: Night) -> None:
    """In any case."""
    night.add(make_spec("ÉTÉ à la mer"), make_spec("海辺の夕暮れ"))
    assert names(client, "?q=été") == ["ÉTÉ à la mer"]
    assert names(client, "?q=夕暮") == ["海辺の夕暮れ"]


@pytest.mark.parametrize("query", ["state=odd", "after=x", "after=-1", "most=1e9", "after=" + "9" * 40])
def test_odd_questions_are_refused(client: Client, query: str) -> None:
    """In words, as JSON."""
    answer = client.get(f"/api/jobs?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_job_tells_its_whole_history(client: Client, night: Night) -> None:
    """The request as sent, each attempt with its request id, each move, the file with its hash."""
    job = night.named("fox")
    told = client.get(f"/api/jobs/{job.id}").json()
    assert told["request"] == dict(job.request)
    assert [event["to_state"] for event in told["events"]] == [
        "submitting",
        "generating",
        "downloading",
        "succeeded",
    ]
    assert told["attempts"][0]["client_request_id"] == job.client_request_id
    assert (told["sha256"], told["file"]) == (job.sha256, str(night.videos / "fox.mp4"))
    assert client.get("/api/jobs/nobody").status_code == 404


def test_progress_tells_what_changed(client: Client, night: Night) -> None:
    """Since the last time it was asked, as cards."""
    first = client.get("/api/progress").json()
    assert (first["total"], first["counts"]["failed"], first["changed"]) == (6, 2, [])
    night.fail("no")
    second = client.get(f"/api/progress?since={first['cursor']}").json()
    assert [(job["name"], job["state"]) for job in second["changed"]] == [("waiting", "failed")]
    assert client.get(f"/api/progress?since={second['cursor']}").json()["changed"] == []


def test_too_many_changes_are_only_announced(client: Client, night: Night) -> None:
    """Whoever asks looks anew."""
    night.add(*(make_spec(f"more {number}") for number in range(205)))
    with Store(night.path) as store, store.connection.sharing():
        for job in list(store.jobs()):
            if job.state.value == "pending":
                store.manual.cancel_job(job, now=3.0)
    told = client.get("/api/progress?since=0").json()
    assert (told["many"], told["changed"]) == (True, [])


def test_failures_come_by_cause(client: Client) -> None:
    """What differs only in numbers and addresses is one."""
    (cause,) = client.get("/api/failures").json()["causes"]
    assert (cause["jobs"], cause["cause"]) == (2, "the picture at URL is too small: N pixels")
    assert (cause["example_name"], cause["models"]) == ("refused 1", ["google/veo3", "google/veo2"])


def test_choices(client: Client) -> None:
    """What there is to filter by, the commonest first."""
    choices = client.get("/api/choices").json()
    assert choices["models"] == [{"value": "google/veo3", "jobs": 5}, {"value": "google/veo2", "jobs": 1}]
    assert choices["splits"] == [{"value": "train", "jobs": 1}]


def test_videos_come_whole_and_in_ranges(client: Client, night: Night) -> None:
    """By the id of the job."""
    url = f"/videos/{night.named('fox').id}.mp4"
    whole = client.get(url)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, night.content, "video/mp4")
    part = client.get(url, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, night.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(night.content)}"
    assert client.get(url, headers={"range": f"bytes={len(night.content)}-"}).status_code == 416
    assert client.get(f"/sidecars/{night.named('fox').id}.json").json() == {"name": "x"}


def test_without_a_sidecar_beside_it_the_database_tells_the_same(client: Client, night: Night) -> None:
    """`--sidecars` puts it elsewhere, or nowhere."""
    job = night.named("fox")
    (night.videos / "fox.json").unlink()
    answer = client.get(f"/sidecars/{job.id}.json")
    assert answer.headers["content-type"] == "application/json"
    says = answer.json()
    assert (says["file"], says["bytes"], says["sha256"]) == ("fox.mp4", job.bytes, job.sha256)
    assert (says["prompt"], says["generation_id"], says["cost_usd"]) == ("fox", job.generation_id, 1.56)


@pytest.mark.parametrize(
    "path",
    [
        "/videos/..%2f..%2fnight.db.mp4",
        "/videos/%2fetc%2fpasswd.mp4",
        "/static/..%2fapp.py",
        "/static/page.html",
        "/posters/..%2f..%2fx.jpg",
        "/sidecars/nobody.json",
        "/night.db",
    ],
)
def test_no_path_comes_from_outside(client: Client, path: str) -> None:
    """Nothing but what the state recorded is served."""
    assert client.get(path).status_code == 404


def test_only_plain_videos_are_served(client: Client, night: Night) -> None:
    """Not what a link leads to, no other kind of file, nothing of a job without a video."""
    job = night.named("fox")
    secret = night.videos.parent / "secret.mp4"
    secret.write_bytes(b"secret")
    (night.videos / "fox.mp4").unlink()
    assert client.get(f"/videos/{job.id}.mp4").status_code == 404
    (night.videos / "fox.mp4").symlink_to(secret)
    assert client.get(f"/videos/{job.id}.mp4").status_code == 404
    assert client.get(f"/videos/{night.named('waiting').id}.mp4").status_code == 404


@pytest.mark.parametrize("file", ["../secret.mp4", "secret.txt"])
def test_a_state_from_elsewhere_opens_no_other_file(client: Client, night: Night, file: str) -> None:
    """Even where it says so."""
    for name in ("secret.mp4", "videos/secret.txt"):
        (night.videos.parent / name).write_text("secret")
    job = night.named("fox")
    with closing(sqlite3.connect(night.path)) as state, state:
        state.execute("UPDATE jobs SET file = ? WHERE seq = ?", (file, job.seq))
    assert client.get(f"/videos/{job.id}.mp4").status_code == 404


def test_posters_are_pictures_and_are_kept(client: Client, night: Night) -> None:
    """Beside the state, by the hash of the video."""
    job = night.named("fox")
    poster = client.get(f"/posters/{job.id}.jpg")
    assert (poster.headers["content-type"], poster.content[:2]) == ("image/jpeg", b"\xff\xd8")
    kept = night.path.with_name("night.db.posters") / f"{job.sha256}.jpg"
    assert kept.read_bytes() == poster.content


def test_without_the_extra_there_are_no_posters(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is told so, and shows first frames by itself."""
    from batchveo.web.app import make_app
    from batchveo.web.security import Secrets

    monkeypatch.setattr("batchveo.web.app.has_media_extra", lambda: False)
    keys = Secrets()
    client = Client(make_app(night.path, keys=keys), keys)
    assert '<meta name="posters" content="no">' in client.get("/").text
    assert client.get(f"/posters/{night.named('fox').id}.jpg").status_code == 404


def test_half_characters_do_not_break_an_answer(client: Client, night: Night) -> None:
    """JSON can say what UTF-8 cannot."""
    broken = json.loads('"half \\ud83d of a face"')
    night.add(make_spec("broken"))
    columns = {"request": json.dumps({"prompt": broken}), "meta": json.dumps({"split": broken})}
    with closing(sqlite3.connect(night.path)) as state, state:
        state.execute("UPDATE jobs SET request = :request, meta = :meta WHERE name = 'broken'", columns)
    assert "broken" in names(client)
    assert names(client, "?q=of+a+face") == ["broken"]
    job = client.get(f"/api/jobs/{night.named('broken').id}")
    assert job.json()["request"]["prompt"] == broken
    assert client.get("/api/choices").json()["splits"][-1]["value"] == broken


def test_charts_are_served(client: Client) -> None:
    """As data for the page's scripts."""
    assert client.get("/api/charts").json()["night"]["runs"] == 1


def test_the_key_and_the_video_urls_stay_within(client: Client, night: Night) -> None:
    """Addresses of videos carry their own right to be fetched."""
    assert "cdn.example" not in client.get(f"/api/jobs/{night.named('fox').id}").text


def test_hostile_text_is_data(client: Client) -> None:
    """It travels as JSON only; the page itself has nothing of it."""
    assert HOSTILE in names(client)
    assert "owned" not in client.get("/").text


def test_a_state_that_went_away_is_said(client: Client, night: Night) -> None:
    """In words, and the server lives on."""
    away = night.path.rename(night.path.with_name("away.db"))
    answer = client.get("/api/jobs")
    assert (answer.status_code, "there is no state" in answer.json()["error"]) == (503, True)
    night.path.write_text("no database, though of some length" * 100)
    assert client.get("/api/jobs").status_code == 503
    night.path.unlink()
    away.rename(night.path)
    assert client.get("/api/jobs").status_code == 200
