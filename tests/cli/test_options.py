"""What options take, wherever their values come from."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from batchveo.cli import status_of
from batchveo.cli.option_types import PATH, FiniteRange
from batchveo.operations.saved_settings import SavedSettings
from batchveo.store import Store

MANIFEST = "jobs:\n  - {model: veo2, prompt: A fox, name: fox}\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a home of its own beside it."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    Path("m.yaml").write_text(MANIFEST)


@pytest.mark.usefixtures("_quick_sandbox")
@pytest.mark.parametrize("source", ["option", "variable", "dotenv", "config"])
def test_a_tilde_is_the_home_folder(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--output=~/x` is not expanded by bash, a variable by nobody; no folder `~` appears."""
    arguments = []
    if source == "option":
        arguments = ["--output=~/out", "--state=~/s.db"]
    elif source == "variable":
        monkeypatch.setenv("BATCHVEO_OUTPUT", "~/out")
        monkeypatch.setenv("BATCHVEO_STATE", "~/s.db")
    elif source == "dotenv":
        Path(".env").write_text("BATCHVEO_OUTPUT=~/out\nBATCHVEO_STATE='~/s.db'\n")
    else:
        Path("batchveo.toml").write_text('output = "~/out"\nstate = "~/s.db"\n')
    assert status_of(["run", "m.yaml", "--sandbox", *arguments]) == 0
    assert (tmp_path / "out" / "fox.mp4").is_file()
    assert (tmp_path / "s.db").is_file()
    assert not Path("~").exists()


def test_every_path_is_expanded(tmp_path: Path) -> None:
    """Files of keys and the like too; what is nobody's home is told."""
    assert PATH.convert("~/k", None, None) == tmp_path / "k"
    assert PATH.convert(Path("~/k"), None, None) == tmp_path / "k"
    assert status_of(["status", "--state", "~nobody-here/s.db"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "80000"],
        ["--port", "-1"],
        ["--generation-time", "-1"],
        ["--generation-time", "nan"],
        ["--sigma", "-0.1"],
        ["--log-lag", "-5"],
        ["--url-ttl", "nan"],
        ["--balance", "inf"],
        ["--concurrency-limit", "-1"],
        ["--rate-limit", "-1"],
        ["--video-bytes", "-1"],
    ],
)
def test_numbers_of_the_sandbox_have_bounds(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Told with the option, and without a traceback."""
    assert status_of(["sandbox", *arguments]) == 2
    assert f"batchveo: invalid value for '{arguments[0]}'" in capsys.readouterr().err


def test_a_port_is_told_with_its_range(capsys: pytest.CaptureFixture[str]) -> None:
    """Not as an error of the network."""
    assert status_of(["sandbox", "--port", "80000"]) == 2
    assert "80000 is not in the range 0<=x<=65535" in capsys.readouterr().err


def test_an_address_that_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, with what would do."""
    assert status_of(["sandbox", "--host", "nowhere.invalid", "--port", "0"]) == 2
    assert "cannot listen on nowhere.invalid:0" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "NaN"])
def test_what_is_no_number_is_in_no_range(text: str) -> None:
    """It is neither below nor above anything."""
    with pytest.raises(click.BadParameter):
        FiniteRange().convert(text, None, None)


def test_settings_out_of_range_say_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Of seconds, dollars and counts alike."""
    for option, value, bound in (("--settle", "-1", "0 or more"), ("--poll-interval", "0", "above 0")):
        assert status_of(["run", "m.yaml", "--sandbox", option, value]) == 2
        assert f"a number {'' if bound == 'above 0' else 'of '}{bound} is wanted" in capsys.readouterr().err


@pytest.mark.usefixtures("_quick_sandbox")
def test_numbers_with_bounds_may_stand_in_a_config_file() -> None:
    """As numbers."""
    Path("batchveo.toml").write_text("[ui]\nport = 8700\n[export]\nshard-size = 10\nshard-clips = 5\n")
    assert status_of(["run", "m.yaml", "--sandbox"]) == 0
    assert status_of(["export", "data"]) == 0


@pytest.mark.usefixtures("_quick_sandbox")
@pytest.mark.parametrize("source", ["option", "variable", "config"])
def test_units_are_taken_from_every_source(
    source: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And kept for a later `resume`, which reads them as seconds, dollars and submits a minute."""
    values = {"settle": "1h30m", "rate": "20/s", "budget": "$25", "patience": "1.5h", "poll-interval": "10 s"}
    arguments: list[str] = []
    for name, value in values.items():
        if source == "option":
            arguments += [f"--{name}", value]
        elif source == "variable":
            monkeypatch.setenv(f"BATCHVEO_{name.upper().replace('-', '_')}", value)
        else:
            with Path("batchveo.toml").open("a") as file:
                file.write(f"{name} = '{value}'\n")
    assert status_of(["plan", "m.yaml", "--sandbox", *arguments[2:6]]) == 0
    assert status_of(["run", "m.yaml", "--sandbox", "--poll-interval", "0.01s", *arguments[:-2]]) == 0
    with Store(Path("state/batchveo.db"), writing=False) as store:
        saved, budget = SavedSettings.parse(store.runs.read_last_options()), store.runs.read_last_budget()
    assert (saved.values["settle"], saved.values["rate"], saved.values["patience"]) == (5400.0, 1200.0, 5400.0)
    assert saved.values["poll_interval"] == pytest.approx(0.01)
    assert budget == 25.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--settle", "soon"], "'soon' is not a duration: write 90s, 30m, 1h30m, or a number of seconds"),
        (["--budget", "25 EUR"], "'25 EUR' is not an amount in US dollars: write $25, 25 USD or 25"),
        (["--rate", "30 per minute"], "'30 per minute' is not a rate: write 30/min, 0.5/s, 100/h"),
        (["--patience", "-2"], "'-2' is out of range: a number of 0 or more is wanted"),
        (["--budget", "inf"], "'inf' is out of range: a finite number is wanted"),
        (["--rate", "0"], "a number above 0 is wanted"),
        (["--concurrency", "0"], "--concurrency 0 is out of range: a number of 1 or more is wanted"),
        (["--ray", "auto", "--workers", "0"], "--workers 0 is out of range: a number of 1 or more is wanted"),
    ],
)
def test_an_error_shows_how_a_value_is_written(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the range, if the value is outside."""
    assert status_of(["run", "m.yaml", "--sandbox", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not Path("state").exists()


def test_units_in_a_config_file_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """With the file and the key, as every other value."""
    Path("batchveo.toml").write_text("settle = 'soon'\n[run]\nbudget = true\n")
    assert status_of(["run", "m.yaml", "--sandbox"]) == 2
    err = capsys.readouterr().err
    assert "batchveo.toml: settle: must be a duration, such as 90s, 30m, 1h30m, or a number of seconds, not" in err
    assert "batchveo.toml: run.budget: must be an amount in US dollars, such as $25, 25 USD or 25, not True" in err
