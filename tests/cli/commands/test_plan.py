"""``plan``, and the question before a purchase, as a user's shell sees them."""

from __future__ import annotations

import io
import json
import socket
import sys
from pathlib import Path

import pytest
from PIL import Image

from batchveo.cli import status_of
from batchveo.provider.catalog.user_catalog import find_user_file
from batchveo.sandbox import Service, Settings

MANIFEST = """
defaults: {model: google/veo-3.1-t2v-fast, resolution: 720p, duration: 4}
jobs:
  - {name: dragon, prompt: "A dragon <script>alert(1)</script>"}
  - {name: Dragon, prompt: "東京の夜、雨が降る静かな路地で猫が歩いている場面をゆっくりと映す、長い物語"}
  - {name: "fox {index}", prompt: "A fox", repeat: 60, seed: "{index}"}
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Keyboard(Terminal):
    buffer = io.BytesIO()


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MANIFEST, encoding="utf-8")


@pytest.fixture
def service() -> Service:
    return Service(Settings(generation_median=0.05, log_lag=0.1))


def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """What a person sees on their screen; not a fixture, since pytest puts its own streams in between."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Keyboard())
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def planned(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict[str, object]:
    capsys.readouterr()
    assert status_of(["plan", "--json", *arguments]) == status
    made = json.loads(capsys.readouterr().out)
    assert isinstance(made, dict)
    return made


def test_the_text_for_a_pipe(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole values, without colours."""
    assert status_of(["plan", "m.yaml", "--budget", "20"]) == 3
    out = capsys.readouterr().out
    assert "$1,000.00: enough" in out
    assert "NOT enough, $28.36 short" in out
    assert "  dragon  A dragon <script>alert(1)</script>\n" in out
    assert "\x1b" not in out
    assert "sk-secret" not in out
    assert not Path("state").exists()


@pytest.mark.parametrize("dry_run", [["plan"], ["run", "--dry-run"]])
def test_money_that_does_not_suffice_is_status_3(
    url: str, dry_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Balance and budget, each with what it lacks; what is enough is 0."""
    assert status_of([*dry_run, "m.yaml", "--budget", "48.36"]) == 0
    assert capsys.readouterr().err == ""
    assert status_of([*dry_run, "m.yaml", "--budget", "48.35"]) == 3
    assert capsys.readouterr().err == "batchveo: the budget is $0.01 short\n"
    Path("m.yaml").write_text(MANIFEST.replace("repeat: 60", "repeat: 1300"), encoding="utf-8")
    assert status_of([*dry_run, "m.yaml", "--budget", "1010"]) == 3
    assert capsys.readouterr().err == "batchveo: the balance is $15.56 short and the budget is $5.56 short\n"
    assert not Path("state").exists()


def test_names_that_are_taken_are_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By another job, or by a file that lies there already."""
    Path("videos").mkdir()
    Path("videos/fox 3.mp4").write_text("precious")
    made = planned(capsys, "m.yaml")
    assert made["colliding"] == 1
    assert made["collisions"] == [
        {"name": "fox 3", "source": "m.yaml", "line": 6, "by": "a file in the output folder"},
    ]
    assert status_of(["run", "m.yaml"]) == 0
    assert len(list(Path("videos").glob("*~*.mp4"))) == 1
    assert {path.stem for path in Path("videos").glob("[Dd]ragon.mp4")} == {"dragon", "Dragon"}


def test_after_a_run_prices_and_times_are_known_without_the_service(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their date, and where the times come from."""
    before = planned(capsys, "m.yaml")
    assert before["prices_at"] is None
    assert status_of(["run", "m.yaml"]) == 0
    done = planned(capsys, "m.yaml")
    assert (done["new"], done["estimated_usd"], done["by_state"]) == (0, 0, {"succeeded": 62})
    monkeypatch.setenv("BATCHVEO_BASE_URL", "http://127.0.0.1:9")
    Path("m.yaml").write_text(MANIFEST.replace("A fox", "A hen"), encoding="utf-8")
    made = planned(capsys, "m.yaml", "--concurrency", "1")
    assert made["new"] == 60
    assert made["estimated_usd"] == pytest.approx(60 * 0.78)
    assert isinstance(made["prices_at"], float)
    assert made["balance_usd"] is made["short_usd"] is None
    night = made["night"]
    assert isinstance(night, dict)
    assert night["sources"] == ["earlier generations here"]
    assert 0 < night["low_seconds"] < night["likely_seconds"] < night["high_seconds"]
    slower = planned(capsys, "m.yaml", "--rate", "1/min")["night"]
    assert isinstance(slower, dict)
    assert slower["low_seconds"] > 59 * 60
    assert status_of(["plan", "m.yaml"]) == 0
    assert "the last known, of 20" in capsys.readouterr().out


def test_what_has_no_price_is_told_and_can_be_assumed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """How many of which model."""
    Path("m.yaml").write_text("jobs:\n  - {model: kling/v9, prompt: A cat, repeat: 3, name: 'a {index}'}\n")
    assert status_of(["plan", "m.yaml", "--allow-unknown-model"]) == 0
    out = capsys.readouterr().out
    assert "no price for 3 jobs (3 of kling/v9): --assume-price" in out
    made = planned(capsys, "m.yaml", "--allow-unknown-model", "--assume-price", "2")
    assert (made["unpriced"], made["assumed"], made["estimated_usd"]) == (0, 3, 6.0)


def test_failed_and_cancelled_jobs_are_not_to_be_made(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Until somebody brings them back."""
    assert status_of(["run", "m.yaml", "--budget", "0.5"]) == 3
    assert status_of(["cancel", "dragon"]) == 0
    made = planned(capsys, "m.yaml")
    assert (made["new"], made["by_state"]) == (61, {"pending": 61, "cancelled": 1})
    assert status_of(["plan", "m.yaml"]) == 0
    assert "`batchveo retry --state-is failed --state-is cancelled` sets them to pending" in " ".join(
        capsys.readouterr().out.split()
    )


def test_images_that_will_not_do_are_status_1(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the place that names them; a small file, a name that leads into a private network, and a good one."""
    private = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443))]
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: private if "a.example" in str(host) else resolve(host, *rest, **more),
    )
    Image.new("RGB", (64, 48)).save("small.png")
    Image.new("RGB", (720, 1280)).save("good.png")
    frame = "model: google/veo-3.1-first-last-image-to-video, prompt: A, image_url: 'https://a.example/nothing.png'"
    Path("i.yaml").write_text(
        f"jobs:\n  - {{{frame}, name: a, last_image_url: small.png}}\n"
        f"  - {{{frame}, name: b, last_image_url: good.png}}\n"
    )
    made = planned(capsys, "i.yaml", "--check-images", status=1)
    images = made["images"]
    assert isinstance(images, dict)
    assert (images["checked"], images["sizes"]) == (3, True)
    assert [(p["image"].rpartition("/")[2], p["line"], p["jobs"]) for p in images["problems"]] == [
        ("nothing.png", 2, 2),
        ("small.png", 2, 1),
    ]
    assert planned(capsys, "i.yaml")["images"] is None
    assert status_of(["plan", "i.yaml", "--check-images"]) == 1
    assert "i.yaml:2: " in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "status", "bought"), [("y\n", 0, 2), ("n\n", 130, 0), ("\n", 130, 0), ("", 130, 0)])
def test_a_person_is_asked_before_much_is_bought(
    url: str,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    status: int,
    bought: int,
) -> None:
    """And only yes buys: no, nothing and the end of input do not."""
    Path("m.yaml").write_text("\n".join(MANIFEST.splitlines()[:5]), encoding="utf-8")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: _typed(answer))
    screen = at_a_terminal(monkeypatch)
    assert status_of(["run", "m.yaml", "--confirm-above", "1"]) == status
    assert len(service.generations) == bought
    assert Path("state").exists() == bool(bought)
    assert "$1.56" in screen.getvalue()


def _typed(answer: str) -> str:
    if not answer:
        raise EOFError
    return answer.strip()


@pytest.mark.parametrize("arguments", [["--confirm-above", "1000"], ["--yes", "--confirm-above", "0"]])
def test_nobody_is_asked_about_little_or_who_said_yes(
    url: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """The question would fail the test."""
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: pytest.fail("asked"))
    at_a_terminal(monkeypatch)
    assert status_of(["run", "m.yaml", *arguments]) == 0


def test_without_a_terminal_nobody_is_asked(
    url: str, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cron job never waits for an answer."""
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: pytest.fail("asked"))
    assert status_of(["run", "m.yaml", "--confirm-above", "0"]) == 0
    assert len(service.generations) == 62


def test_a_limit_that_is_none_is_bad_usage(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Below zero, or not a number."""
    for limit in ("-1", "nan"):
        assert status_of(["run", "m.yaml", "--confirm-above", limit]) == 2


def test_models_that_end_are_told_before_anything_is_bought(
    url: str, service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command, in the plan and in the question; a feed that is down is no trouble."""
    model = "google/veo-3.1-t2v-fast"
    assert planned(capsys, "m.yaml")["retired"] == []
    service._state.faults._chances["404-withdrawn"] = 1.0
    listed = planned(capsys, "m.yaml")["retired"]
    assert isinstance(listed, list)
    assert [(row["model"], row["status"], row["shutdown_at"]) for row in listed] == [(model, "withdrawn", "2026-06-30")]
    assert status_of(["plan", "m.yaml"]) == 0
    out = capsys.readouterr().out
    assert f"WARNING  {model} was withdrawn on 2026-06-30" in out
    assert f"`batchveo retry --model {model} --to " in out
    screen = at_a_terminal(monkeypatch)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: _typed("n"))
    assert status_of(["run", "m.yaml", "--confirm-above", "1"]) != 0
    assert f"{model} was withdrawn on 2026-06-30" in screen.getvalue()
    assert not Path("state").exists()


def test_the_catalogue_in_use_decides_what_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A named one, the refreshed one, or that of this version."""
    monkeypatch.chdir(tmp_path)
    params = {"prompt": {"type": "string"}, "speed": {"type": "integer", "maximum": 3}}
    content = json.dumps({"format": 1, "made": "2099-01-01", "models": {"maker/new": {"params": params}}})
    Path("mine.json").write_text(content, "utf-8")
    Path("m.yaml").write_text("[{model: maker/new, prompt: a fox, speed: 2}]", "utf-8")
    plan = ["plan", "m.yaml", "--sandbox"]
    assert status_of(plan) == 2
    assert "'maker/new' is not a known model" in capsys.readouterr().err
    assert status_of([*plan, "--catalogue", "mine.json"]) == 0
    user_file = find_user_file()
    assert user_file is not None
    user_file.parent.mkdir(parents=True)
    user_file.write_text(content, "utf-8")
    assert status_of(plan) == 0
    assert status_of([*plan, "--catalogue", "builtin"]) == 2
    Path("m.yaml").write_text("[{model: maker/new, prompt: a fox, speed: 9}]", "utf-8")
    capsys.readouterr()
    assert status_of(plan) == 2
    assert "speed: must be an integer at most 3, not 9" in capsys.readouterr().err


GATED = """
defaults: {model: google/veo-3.1-t2v-fast, resolution: 720p, duration: 4, gates: [cost_usd < 99, prompt != 'A fox']}
jobs:
  - {name: "hen {index}", prompt: A hen, repeat: 2, seed: "{index}"}
  - {name: fox, prompt: A fox, tries: 2}
  - {name: cow, prompt: A cow, checks: none}
"""


def test_takes_of_rejected_clips_are_in_the_plan(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At most, by --tries and the jobs' own; with --checks none there are none."""
    Path("m.yaml").write_text(GATED, encoding="utf-8")
    each = 0.78
    for options, most in (([], 5), (["--tries", "3"], 9), (["--tries", "3", "--checks", "none"], 4)):
        made = planned(capsys, "m.yaml", *options)
        assert made["estimated_usd"] == pytest.approx(4 * each)
        assert made["most_usd"] == pytest.approx(most * each)
    assert status_of(["plan", "m.yaml", "--tries", "3", "--budget", "4"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "takes with takes of rejected clips at most $7.02; the budget may end before that" in out


@pytest.mark.parametrize(("above", "is_asked"), [("7", True), ("7.1", False)])
def test_a_person_is_asked_about_what_takes_may_cost(
    url: str, service: Service, monkeypatch: pytest.MonkeyPatch, above: str, is_asked: bool
) -> None:
    """The most that the run may spend is compared with the limit."""
    Path("m.yaml").write_text(GATED, encoding="utf-8")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: _typed("n"))
    screen = at_a_terminal(monkeypatch)
    status = status_of(["run", "m.yaml", "--tries", "3", "--confirm-above", above, "--budget", "0"])
    assert status == (130 if is_asked else 3)
    assert ("with takes of rejected clips at most $7.02" in screen.getvalue()) is is_asked


def test_what_a_default_would_buy_again_is_told(
    url: str, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the plan, before a person says yes, and as a run begins that asks nobody."""
    again = "62 of these jobs differ from finished ones only by provider: auto, which is the default; without that line"
    assert status_of(["run", "m.yaml"]) == 0
    assert again not in capsys.readouterr().err
    Path("m.yaml").write_text(MANIFEST.replace("duration: 4", "duration: 4, provider: auto"), encoding="utf-8")
    assert status_of(["plan", "m.yaml"]) == 0
    assert f"WARNING  {again}" in capsys.readouterr().out
    assert planned(capsys, "m.yaml")["defaults"] == [{"jobs": 62, "written": {"provider": "auto"}, "left_out": {}}]
    screen = at_a_terminal(monkeypatch)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: _typed("n"))
    assert status_of(["run", "m.yaml", "--confirm-above", "1"]) == 130
    assert "without that line they are not bought again" in screen.getvalue()
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    assert status_of(["run", "m.yaml", "--yes"]) == 0
    assert again in log.getvalue()
    assert len(service.generations) == 124


def test_the_difference_to_the_database(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """New, changed and gone jobs with their names; long values are not shown."""
    assert status_of(["run", "m.yaml", "--limit", "3"]) == 0
    edited = MANIFEST.replace('dragon, prompt: "A dragon', 'kite, prompt: "A kite').replace("静かな", "赤い")
    Path("m.yaml").write_text(edited.replace("A fox", "A vixen"), encoding="utf-8")
    assert status_of(["plan", "m.yaml", "--diff"]) == 0
    text = capsys.readouterr().out
    assert "new      60 (kite, fox 1, fox 2, ...)\n" in text
    assert "changed  2; each is a new job, and bought\n" in text
    assert "gone     1 (dragon): 1 succeeded\n" in text
    assert "prompt A fox → A vixen: 1 (fox 0)" in text
    assert "  prompt: 1 (Dragon)" in text
    diff = planned(capsys, "m.yaml", "--diff")["diff"]
    assert isinstance(diff, dict)
    assert (len(diff["new"]), len(diff["changed"])) == (60, 2)
    assert diff["changed"][1]["fields"] == {"prompt": {"old": "A fox", "new": "A vixen"}}
    assert [(job["name"], job["state"]) for job in diff["gone"]] == [("dragon", "succeeded")]
    assert planned(capsys, "m.yaml")["diff"] is None
    assert status_of(["plan", "m.yaml", "--diff", "--limit", "2"]) == 0
    assert "gone     not known" in capsys.readouterr().out


def test_a_plan_counts_chains(capsys: pytest.CaptureFixture[str]) -> None:
    """And the links of the longest, which are made one after the other; nothing is said of jobs without chains."""
    Path("c.yaml").write_text(
        "defaults: {model: google/veo-3-1-lite-generate-preview}\njobs:\n"
        "- {chain: ['a {x}', 'b {x}'], name: 's {x}', matrix: {x: [1, 2]}}\n"
        "- {chain: [c, d, e], name: f}\n- {prompt: single}\n"
    )
    made = planned(capsys, "c.yaml", "--sandbox")
    assert "3 chains, the longest of 3 links: the links of a chain are made one after the other" in str(made["notes"])
    assert "chain" not in str(planned(capsys, "m.yaml", "--sandbox")["notes"])
