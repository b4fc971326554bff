"""The .env file: what is read of it, and what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.cli.dotenv import KEYS, find_additions, is_open_to_others, read_dotenv, with_dotenv
from batchveo.core.errors import UsageError
from batchveo.provider.api_key import VARIABLES
from batchveo.sandbox import Service, Settings, running


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".env"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("BATCHVEO_X=plain", "plain"),
        ("  export   BATCHVEO_X = spaced out  ", "spaced out"),
        ("BATCHVEO_X=value # a comment", "value"),
        ("BATCHVEO_X=with#hash", "with#hash"),
        ("BATCHVEO_X=# nothing", ""),
        ("BATCHVEO_X=", ""),
        ('BATCHVEO_X="two words # kept" # not kept', "two words # kept"),
        (r'BATCHVEO_X="a \"b\" \n \\ \$ \q"', 'a "b" \n \\ $ \\q'),
        (r"BATCHVEO_X='raw \n $HOME'", r"raw \n $HOME"),
        ("BATCHVEO_X=$HOME", "$HOME"),
        ("BATCHVEO_X=a=b", "a=b"),
        ("BATCHVEO_X=ключ", "ключ"),
        ("\ufeffBATCHVEO_X=mark", "mark"),
    ],
)
def test_quotes_comments_and_export(line: str, value: str, file: Path) -> None:
    """As the tools that write such files mean them; nothing is filled in from elsewhere."""
    file.write_text(f"# a comment\n\nOTHER='never looked at\n{line}\r\n" if "\ufeff" not in line else line)
    assert read_dotenv(file) == {"BATCHVEO_X": value}


@pytest.mark.parametrize("text", ['"no end', "'no end", '"a" b', "'a'b"])
def test_quotes_that_are_not_whole(text: str, file: Path) -> None:
    """An error with the line and the name, never the value."""
    file.write_text(f"A=1\nAIMLAPI_API_KEY={text}\n")
    with pytest.raises(UsageError, match=r"\.env:2: the quotes of AIMLAPI_API_KEY") as caught:
        read_dotenv(file)
    assert text.strip("\"'") not in str(caught.value)


def test_only_ours_is_read(file: Path) -> None:
    """The key's three names and BATCHVEO_*; not PATH, nor another program's secrets."""
    file.write_text("PATH=/evil\nOPENAI_API_KEY=x\nAIMLAPI_BASE=y\nXBATCHVEO_Y=z\nAIML_API_KEY=k\nBATCHVEO_SETTLE=5\n")
    assert read_dotenv(file) == {"AIML_API_KEY": "k", "BATCHVEO_SETTLE": "5"}
    assert set(KEYS) == set(VARIABLES)


def test_the_real_environment_wins(file: Path) -> None:
    """Also where the two name the key differently; an empty variable there is no key."""
    file.write_text("AIMLAPI_API_KEY=file\nBATCHVEO_SETTLE=5\nBATCHVEO_RATE=6\n")
    assert find_additions(file, {"AIML_API_KEY": "real", "BATCHVEO_SETTLE": "9"}) == {"BATCHVEO_RATE": "6"}
    assert find_additions(file, {"AIML_API_KEY": " "})["AIMLAPI_API_KEY"] == "file"


def test_the_environment_is_put_back(file: Path) -> None:
    """Once the command is over."""
    file.write_text("BATCHVEO_SETTLE=5\n")
    with with_dotenv():
        assert os.environ["BATCHVEO_SETTLE"] == "5"
    assert "BATCHVEO_SETTLE" not in os.environ


def test_what_is_no_file_or_no_text(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of that name (a virtual environment) is passed over, and what is not text is said."""
    assert read_dotenv(file) == {}
    file.mkdir()
    assert read_dotenv(file) == {}
    file.rmdir()
    file.write_bytes(b"\xff\xfe\x00")
    assert status_of(["models"]) == 2
    assert "not UTF-8" in capsys.readouterr().err


def test_the_key_comes_from_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with nothing but a .env."""
    Path("m.yaml").write_text("jobs:\n  - {model: veo2, prompt: A dragon}\n")
    with running(Service(Settings(key="good-key-good-key", generation_median=0.05))) as url:
        monkeypatch.setenv("BATCHVEO_BASE_URL", url)
        file.write_text("AIMLAPI_API_KEY='good-key-good-key'\nBATCHVEO_POLL_INTERVAL=0.05\n")
        assert status_of(["run", "m.yaml"]) == 0
    for path in Path().rglob("*"):
        assert path.name == ".env" or not path.is_file() or b"good-key" not in path.read_bytes()


def test_a_file_that_others_can_read(file: Path) -> None:
    """Only where it holds a key."""
    file.write_text("BATCHVEO_SETTLE=5\n")
    file.chmod(0o644)
    assert not is_open_to_others(file)
    file.write_text("AIMLAPI_KEY=k\n")
    assert is_open_to_others(file)
    file.chmod(0o600)
    assert not is_open_to_others(file)


@pytest.mark.parametrize("name", ["BASE_URL", "CONFIG", "YES", "CONFIRM_ABOVE", "NOTIFY", "NOTIFY_FILE"])
def test_a_folder_decides_neither_about_the_key_nor_about_money(
    name: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a file may have come with a clone; what the real environment overrules does no harm."""
    file.write_text(f"BATCHVEO_{name}=https://evil.example\n")
    assert status_of(["models"]) == 2
    told = capsys.readouterr().err
    assert f"BATCHVEO_{name}: a folder may not set this" in told
    assert "evil" not in told
    assert find_additions(file, {f"BATCHVEO_{name}": "mine"}) == {}
