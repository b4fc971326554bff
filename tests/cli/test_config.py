"""Config files: which one counts, what is wrong with it, and who wins."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.cli.config import find_user_file

MANIFEST = "jobs:\n  - {model: veo2, prompt: A dragon}\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MANIFEST)


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What ``run --help`` shows, with its blanks squeezed."""
    assert status_of([*arguments, "run", "--help"]) == 0
    return " ".join(capsys.readouterr().out.split())


def own(text: str) -> None:
    file = find_user_file()
    assert file is not None
    file.parent.mkdir(parents=True)
    file.write_text(text)


def test_flag_environment_near_file_own_file_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this order; a command's own table wins over what is said for all, in the same file."""
    Path("a.db").touch()

    def state(*arguments: str) -> str:
        assert status_of(["status", *arguments]) == 2
        return capsys.readouterr().err.split("no database at ")[1].split(";")[0]

    assert state() == "state/batchveo.db"
    own('state = "own.db"\n[status]\nstate = "own-table.db"\n')
    assert state() == "own-table.db"
    Path("batchveo.toml").write_text('state = "near.db"\n')
    assert state() == "near.db"
    Path("batchveo.toml").write_text('[status]\nstate = "near-table.db"\n')
    assert state() == "near-table.db"
    monkeypatch.setenv("BATCHVEO_STATE", "environment.db")
    assert state() == "environment.db"
    assert state("--state", "flag.db") == "flag.db"


def test_pyproject_counts_where_there_is_no_file_of_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """[tool.batchveo]; another program's pyproject.toml is none of ours."""
    Path("pyproject.toml").write_text("[tool.ruff]\nline-length = 1\n")
    assert "[default: 30m]" in help_of(capsys)
    Path("pyproject.toml").write_text("[tool.batchveo]\nsettle = 7\n[tool.batchveo.run]\nconcurrency = 33\n")
    shown = help_of(capsys)
    assert "[default: 7]" in shown
    assert "[default: 33]" in shown
    Path("other.toml").write_text("settle = 8\n")
    assert "[default: 8]" in help_of(capsys, "--config", "other.toml")
    monkeypatch.setenv("BATCHVEO_CONFIG", "other.toml")
    assert "[default: 8]" in help_of(capsys)
    monkeypatch.delenv("BATCHVEO_CONFIG")
    Path("batchveo.toml").write_text("settle = 9\n")
    assert "[default: 9]" in help_of(capsys)


@pytest.mark.usefixtures("_quick_sandbox")
def test_the_values_arrive(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers, text, flags, lists, paths below the home folder; dashes and underscores."""
    Path("batchveo.toml").write_text(
        """
        api_key_file = "key"
        [run]
        rate = 600
        output = "~/videos"
        sandbox = true
        verbose = 1
        [jobs]
        state_is = ["succeeded"]
        json = true
        """
    )
    assert status_of(["run", "m.yaml"]) == 0
    assert list((Path.home() / "videos").glob("*.mp4"))
    assert status_of(["jobs"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "succeeded"


def test_everything_wrong_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """With file, key and what would be right; and nothing is written."""
    Path("batchveo.toml").write_text(
        """
        concurency = 3
        api_key = "sk-secret-key"
        [run]
        AIMLAPI_API_KEY = "sk-secret-key"
        downloads = "4"
        settle = true
        budget = [1]
        sandbox = "yes"
        output = 3
        [export]
        metadata = "jsonn"
        [status]
        watchh = true
        [verify]
        refetch = true
        [sandbox]
        port = "8642"
        fault = ["x", 3, true]
        [runn]
        """
    )
    assert status_of(["run", "m.yaml"]) == 2
    err = capsys.readouterr().err
    for words in (
        "batchveo.toml: concurency: unknown option (did you mean concurrency?)",
        "batchveo.toml: api-key: the API key must not be in a config file",
        "batchveo.toml: run.AIMLAPI-API-KEY: the API key",
        "batchveo.toml: run.downloads: must be a whole number, not '4'",
        "batchveo.toml: run.settle: must be a duration, such as 90s, 30m, 1h30m, or a number of seconds, not True",
        "batchveo.toml: run.budget: must be an amount in US dollars, such as $25, 25 USD or 25, not [1]",
        "batchveo.toml: run.sandbox: must be true or false, not 'yes'",
        "batchveo.toml: export.metadata: must be one of 'jsonl', 'parquet', not 'jsonn'",
        "batchveo.toml: run.output: must be text, in quotes, not 3",
        "batchveo.toml: status.watchh: unknown option (did you mean watch?)",
        "batchveo.toml: verify.refetch: is for the command line only",
        "batchveo.toml: sandbox.port: must be a whole number, not '8642'",
        "batchveo.toml: sandbox.fault: must be text, in quotes, not True",
        "batchveo.toml: [runn] is not a command (did you mean run?)",
    ):
        assert words in err, words
    assert "sk-secret" not in err
    assert not Path("state").exists()


def test_quick_commands_look_at_what_concerns_them(capsys: pytest.CaptureFixture[str]) -> None:
    """What is said for all may be another command's; their own table is checked, and a key refused by all."""
    Path("batchveo.toml").write_text('concurrency = 3\n[run]\nnonsense = 1\n[sandbox]\nport = "x"\n')
    assert status_of(["models"]) == 0
    Path("batchveo.toml").write_text("[models]\nnonsense = 1\n")
    assert status_of(["models"]) == 2
    Path("batchveo.toml").write_text('api-key = "sk-secret"\n')
    assert status_of(["models"]) == 2
    assert "sk-secret" not in capsys.readouterr().err


@pytest.mark.usefixtures("_quick_sandbox")
def test_a_key_for_all_passes_by_an_option_for_the_command_line_only(capsys: pytest.CaptureFixture[str]) -> None:
    """`jobs` takes it, `retry` has one of that name for one call alone; in the table of `retry` it is an error."""
    assert status_of(["run", "m.yaml", "--sandbox"]) == 0
    Path("batchveo.toml").write_text('state-is = ["succeeded"]\n')
    assert status_of(["retry"]) == 0
    assert "0 jobs set to pending" in capsys.readouterr().err
    assert status_of(["run", "m.yaml", "--sandbox"]) == 0
    Path("batchveo.toml").write_text('model = ["veo2"]\n')  # of export
    for command in (["run", "m.yaml", "--sandbox"], ["retry"], ["jobs"]):
        assert status_of(command) == 0, capsys.readouterr().err
    Path("batchveo.toml").write_text('[retry]\nstate-is = ["cancelled"]\n')
    assert status_of(["retry"]) == 2
    assert "retry.state-is: is for the command line only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"settle = \n", "is not TOML"), (b"\xff\xfe", "not UTF-8"), (b"[tool]\nbatchveo = 3\n", "is not a command")],
)
def test_a_file_that_cannot_be_read(content: bytes, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and why."""
    Path("batchveo.toml").write_bytes(content)
    assert status_of(["status"]) == 2
    assert words in capsys.readouterr().err
    assert status_of(["--config", "missing.toml", "status"]) == 2
    assert "cannot read the config file missing.toml: No such file" in capsys.readouterr().err


def test_secrets_are_not_shown_as_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither by --help nor by doctor nor in an error."""
    own('notify = ["json://127.0.0.1:9/token-sk"]\n')
    assert "token-sk" not in help_of(capsys)
    status_of(["doctor", "--sandbox"])
    out = capsys.readouterr().out
    assert "token-sk" not in out
    assert "notify = … from " in out
    (Path.home() / ".config" / "batchveo" / "batchveo.toml").unlink()
    Path("batchveo.toml").write_text("[run.notify]\nurl = 'json://token-sk'\n")
    assert status_of(["run", "m.yaml"]) == 2
    assert "token-sk" not in capsys.readouterr().err


def test_doctor_says_where_settings_come_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files, each setting with its file or variable, what is overruled, and variables that nothing reads."""
    own("patience = 100\n")
    Path("batchveo.toml").write_text("settle = 9\n")
    Path(".env").write_text("BATCHVEO_CONCURRENCY=3\nAIMLAPI_KEY=sk-secret\n")
    Path(".env").chmod(0o644)
    monkeypatch.setenv("BATCHVEO_SETTLE", "5")
    monkeypatch.setenv("BATCHVEO_SETLE", "5")
    assert status_of(["doctor", "--sandbox"]) == 1
    out = capsys.readouterr().out
    assert f"config: batchveo.toml, then {find_user_file()}" in out
    assert "settle = 9 from batchveo.toml, overridden by BATCHVEO_SETTLE" in out
    assert f"patience = 100 from {find_user_file()}" in out
    assert "settle = '5' from BATCHVEO_SETTLE (the environment)" in out
    assert "concurrency = '3' from BATCHVEO_CONCURRENCY (.env)" in out
    assert "WRONG  setting: BATCHVEO_SETLE from the environment\n       no option uses this variable" in out
    assert "WRONG  .env: holds BATCHVEO_CONCURRENCY, AIMLAPI_KEY\n       other users" in out
    assert "sk-secret" not in out


def test_the_users_own_file_is_where_the_platform_keeps_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Linux, macOS, Windows."""
    home = Path.home()
    assert find_user_file() == home / ".config/batchveo/batchveo.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert find_user_file() == tmp_path / "batchveo/batchveo.toml"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert find_user_file() == home / "Library/Application Support/batchveo/batchveo.toml"
    monkeypatch.setattr(sys, "platform", "win32")
    assert find_user_file() == home / "AppData/Roaming/batchveo/batchveo.toml"
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert find_user_file() == tmp_path / "roaming/batchveo/batchveo.toml"


def test_a_home_that_is_not_there_or_shut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Containers have users without one, and systemd's ProtectHome shuts it: that is no file, not an error."""
    look = Path.is_file

    def shut(self: Path) -> bool:
        if "home" in self.parts:
            raise PermissionError(13, "Permission denied")
        return look(self)

    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "is_file", shut)
    assert status_of(["models"]) == 0
    monkeypatch.setattr(Path, "home", none)
    Path("batchveo.toml").write_text('state = "~/b.db"\n')
    assert status_of(["models"]) == 0
    assert status_of(["doctor", "--sandbox"]) == 0
    assert "config: batchveo.toml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ('base-url = "https://evil.example"', "batchveo.toml"),
        ('base_url = "https://evil.example"', "batchveo.toml"),
        ('[run]\nbase-url = "https://evil.example"', "batchveo.toml"),
        ('[tool.batchveo.plan]\nbase-url = "https://evil.example"', "pyproject.toml"),
        ("yes = true", "batchveo.toml"),
        ("confirm-above = 1e9", "batchveo.toml"),
        ('when-in-doubt = "resubmit"', "batchveo.toml"),
        ("new-state = true", "batchveo.toml"),
        ("missing-videos-ok = true", "batchveo.toml"),
        ('notify = "json://evil.example"', "batchveo.toml"),
        ('notify-file = "/etc/passwd"', "batchveo.toml"),
        ('exec = "rm -rf x"', "batchveo.toml"),
        ('webhook = "https://evil.example"', "batchveo.toml"),
    ],
)
def test_a_folder_decides_neither_about_the_key_nor_about_money(
    line: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a file may have come with a clone: what is in it is refused, unless somebody named the file."""
    Path(file).write_text(f"{line}\n")
    assert status_of(["run", "m.yaml", "--sandbox"]) == 2
    assert "a folder may not set this" in capsys.readouterr().err
    assert not Path("state").exists()
    status_of(["--config", file, "status"])
    assert "a folder may not" not in capsys.readouterr().err


def test_your_own_file_may(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody else writes there."""
    own('base-url = "https://proxy.example"\nyes = true\n')
    assert status_of(["status"]) == 2
    assert "a folder may not" not in capsys.readouterr().err


def test_what_stands_in_a_file_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Names in a stranger's file are shown as text."""
    Path("batchveo.toml").write_text('[run]\n"x\\u001b]0;title\\u0007\\u202e" = 1\n')
    assert status_of(["run", "m.yaml"]) == 2
    assert status_of(["status", "--state", "x\x1b[2J.db"]) == 2
    told = capsys.readouterr().err
    assert "]0;title" in told
    assert not set("\x1b\x07\u202e") & set(told)
