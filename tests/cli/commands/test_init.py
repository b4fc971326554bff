"""``init`` as a user's shell sees it."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service, Settings

SHOP = "sku,title,image\nM1,Enamel mug,https://x.example/m.jpg\nM2,Boots,https://x.example/b.jpg\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.csv").write_text(SHOP, encoding="utf-8")


@pytest.fixture
def service() -> Service:
    return Service(Settings(generation_median=0.02, log_lag=0.1))


def type_at_terminal(monkeypatch: pytest.MonkeyPatch, answers: Sequence[str]) -> Terminal:
    """What a person sees who types these answers; one question more fails the test."""
    typed, screen = iter(answers), Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stderr", screen)

    def answer(prompt: str) -> str:
        screen.write(prompt)
        found = next(typed, None)
        if found is None:
            raise EOFError
        return found

    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    return screen


def list_next(text: str) -> list[list[str]]:
    """The commands that are printed, as a shell takes them apart."""
    return [shlex.split(line)[1:] for line in re.findall(r"^  (batchveo .*)$", text, re.MULTILINE)]


def test_without_a_terminal_an_example_is_written(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And the commands that are printed work as they are; the second time nothing is replaced."""
    assert status_of(["init"]) == 0
    commands = list_next(capsys.readouterr().out)
    assert [command[0] for command in commands] == ["plan", "run", "run"]
    assert [status_of(command) for command in (commands[0], commands[2])] == [0, 0]
    assert len(list(Path("videos").glob("*.mp4"))) == 5
    assert status_of(["init"]) == 2
    assert "videos.yaml is there already" in capsys.readouterr().err


def test_a_table_needs_no_answers(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """If the prompt is given."""
    assert status_of(["init", "shop.csv"]) == 2
    assert "--prompt=The {title} turns" in capsys.readouterr().err
    assert status_of(["init", "shop.csv", "--prompt", "The {title}", "--base-url", url]) == 0
    out = capsys.readouterr().out
    assert out.startswith("shop.yaml: 2 videos with google/veo-3.1-i2v-fast\n")
    assert [command[-2:] for command in list_next(out)][::2] == [["--base-url", url]] * 2


def test_two_questions_make_a_manifest(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the videos show, and which model; a model by its number or its name."""
    screen = type_at_terminal(monkeypatch, ["no.csv", "A {cat}", "A dog", "", "veo", "2"])
    assert status_of(["init"]) == 0
    assert "there is no file no.csv" in screen.getvalue()
    assert re.search(r"1  google/veo-3.1-t2v-fast +\$1\.56\n  2  google/veo-3.1-t2v +\$4\.16\n  3 ", screen.getvalue())
    assert "'veo' is not a known model" in screen.getvalue()
    out = capsys.readouterr().out
    assert "videos.yaml: 2 videos with google/veo-3.1-t2v\n" in out
    assert list_next(out)[2] == ["run", "videos.yaml", "--budget", "9"]
    type_at_terminal(monkeypatch, ["A hen", "", "luma/ray-2"])
    assert status_of(["init"]) == 0
    assert "videos-2.yaml: 1 video with luma/ray-2" in capsys.readouterr().out


def test_a_file_and_its_prompt_are_asked_for(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the columns of the table; models are those that start from an image."""
    screen = type_at_terminal(monkeypatch, ["shop.csv", "The {title} turns", ""])
    assert status_of(["init"]) == 0
    assert "  {title}  Enamel mug" in screen.getvalue()
    assert "google/veo-3.1-i2v-fast" in screen.getvalue()
    assert "t2v" not in screen.getvalue()
    assert 'prompt: "The {title} turns"' in Path("shop.yaml").read_text(encoding="utf-8")
    type_at_terminal(monkeypatch, ["title"])
    assert status_of(["init", "shop.csv", "--model", "google/veo-3.1-i2v", "--output", "own.yaml"]) == 0
    assert 'prompt: "{title}"' in Path("own.yaml").read_text(encoding="utf-8")


def test_without_the_service_models_have_no_prices(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The usual ones are offered; no answer writes nothing."""
    monkeypatch.setenv("BATCHVEO_BASE_URL", "http://127.0.0.1:9")
    screen = type_at_terminal(monkeypatch, ["A cat", ""])
    assert status_of(["init"]) == 130
    assert "  2  google/veo-3.1-t2v\n`batchveo models" in screen.getvalue()
    assert not Path("videos.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompt", "A {title}"], "--prompt is for the rows of a table"),
        (["shop.csv", "--model", "veo"], "'veo' is not a known model"),
        (["shop.csv", "--output", "m.csv"], "ends in .yaml or .yml"),
        (["no.csv"], "no.csv: no such file"),
    ],
)
def test_errors_come_before_anything_is_written(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in one line."""
    assert status_of(["init", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(Path().glob("*.yaml"))


def test_names_from_a_strange_table_control_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A column whose name has control characters is left out, and named without them."""
    Path("odd.csv").write_text('"\x1b]0;title\x07","two\nlines",item\na,b,c\n', encoding="utf-8")
    assert status_of(["init", "odd.csv", "--prompt", "A {item}", "--model", "google/veo3"]) == 0
    out = capsys.readouterr().out
    assert "note: the column  ]0;title  is left out\nnote: the column two lines is left out\n" in out


def test_a_line_break_in_the_name_of_a_table_adds_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The comment at the top of the manifest names the table on one line."""
    Path("a\nprompt: b.csv").write_text(SHOP, encoding="utf-8")
    assert status_of(["init", "a\nprompt: b.csv", "--prompt", "x", "--output", "new.yaml"]) == 0
    assert Path("new.yaml").read_text(encoding="utf-8").startswith("# One video for each row of a prompt: b.csv. ")


def test_problems_name_the_manifest_that_would_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Never standard input, which nobody used."""
    Path("odd.csv").write_text("item\nA\x1b[31m cat\n", encoding="utf-8")
    assert status_of(["init", "odd.csv", "--prompt", "A {item}", "--model", "google/veo3"]) == 2
    err = capsys.readouterr().err
    assert "for the entry in odd.yaml:" in err
    assert "stdin" not in err
    assert not Path("odd.yaml").exists()


def test_questions_are_broken_between_words(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the width of the terminal."""
    screen = type_at_terminal(monkeypatch, ["The {title}", ""])
    monkeypatch.setattr(screen, "fileno", lambda: 2)
    monkeypatch.setattr("os.get_terminal_size", lambda _fd: os.terminal_size((40, 24)))
    assert status_of(["init", "shop.csv"]) == 0
    text = screen.getvalue()
    assert "No column of shop.csv is called prompt.\n  Its columns, each with its first\n  value:\n" in text
