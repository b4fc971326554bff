"""Help in groups, and words that people type for commands."""

from __future__ import annotations

import re

import click
import pytest

from batchveo.cli import COMMANDS, OTHER_WORDS, batchveo, status_of
from batchveo.cli.grouped_help import COMMON, OPTION_GROUPS, GroupedCommand

LISTED = {name for names in OPTION_GROUPS.values() for name in names}


def list_grouped() -> dict[str, GroupedCommand]:
    found = {name: batchveo.get_command(click.Context(batchveo), name) for name in COMMANDS}
    return {name: command for name, command in found.items() if isinstance(command, GroupedCommand)}


def read_help(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert status_of(arguments) == 0
    return capsys.readouterr().out


def read_sections(page: str) -> dict[str, list[str]]:
    """The headings of a page, each with the long options below it."""
    parts = re.split(r"(?m)^(\S.*):$", page)
    return {
        heading: re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", rows)
        for heading, rows in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_command_with_many_options_is_grouped() -> None:
    """And each of its options has a group of its own."""
    grouped = list_grouped()
    assert {"run", "resume", "plan", "export"} <= grouped.keys()
    for name, command in grouped.items():
        options = {max(each.opts, key=len) for each in command.params if isinstance(each, click.Option)}
        assert options - LISTED == set(), name
    assert len(LISTED) == sum(map(len, OPTION_GROUPS.values()))


@pytest.mark.parametrize("name", list_grouped())
def test_every_option_is_shown_once(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the groups, without empty ones, all descriptions below each other."""
    page = read_help(capsys, name, "--help")
    sections = read_sections(page)
    shown = [option for options in sections.values() for option in options]
    known = {opt for each in list_grouped()[name].params for opt in each.opts if opt.startswith("--")}
    assert set(shown) == known | {"--help"}
    assert len(shown) == len(set(shown))
    assert list(sections) == [group for group in OPTION_GROUPS if group in sections]
    assert all(sections.values())
    rows = re.findall(r"(?m)^  (?:-\w, )?--[\w-]+(?: [^ \n]+)?(?=  )", page)
    descriptions = {len(row) + len(re.match(r" *", page[page.index(row) + len(row) :])[0]) for row in rows}  # type: ignore[index]
    assert len(descriptions) == 1


def test_the_money_is_in_one_place(capsys: pytest.CaptureFixture[str]) -> None:
    """So that who looks for a limit finds all of them."""
    sections = read_sections(read_help(capsys, "run", "-h"))
    assert sections["Money"] == ["--budget", "--assume-price", "--confirm-above", "--wait-for-credits"]
    assert sections["Unconfirmed requests"] == ["--when-in-doubt", "--settle"]


def test_an_option_without_a_group_is_a_common_one() -> None:
    """It must not be missing from the help."""
    command = GroupedCommand("c", params=[click.Option(["--odd"], help="Odd."), click.Option(["--budget"])])
    page = command.get_help(click.Context(command))
    assert read_sections(page)[COMMON] == ["--help", "--odd"]
    assert read_sections(page)["Money"] == ["--budget"]


def test_help_shows_the_same_as_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the program, of one command and of several."""
    assert read_help(capsys, "help") == read_help(capsys, "--help")
    run, jobs = read_help(capsys, "run", "--help"), read_help(capsys, "jobs", "--help")
    assert read_help(capsys, "help", "run", "jobs") == run + jobs
    assert run.startswith("Usage: batchveo run [OPTIONS] MANIFEST...\n")
    assert status_of(["help", "rn"]) == 2
    assert "did you mean run?" in capsys.readouterr().err


def test_the_version_has_three_spellings(capsys: pytest.CaptureFixture[str]) -> None:
    """As people know them from other programs."""
    texts = {read_help(capsys, word) for word in ("-V", "--version", "version")}
    assert len(texts) == 1
    assert re.fullmatch(r"batchveo, version \d+\.\d+\.\d+\n", texts.pop())


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("list", "did you mean jobs?"),
        ("validate", "did you mean plan?"),
        ("cost", "did you mean plan?"),
        ("Config", "did you mean doctor?"),
        ("vrify", "did you mean verify?"),
    ],
)
def test_an_unknown_command_is_answered_with_the_right_one(
    word: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if it has quite another name here."""
    assert status_of([word, "m.yaml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"batchveo: no such command {word!r} ({meant})",
        "usage: batchveo [OPTIONS] COMMAND [ARGS]... (`batchveo --help` shows more)",
    ]


def test_other_words_are_no_commands_themselves() -> None:
    """Else they would never be looked at."""
    assert OTHER_WORDS.keys().isdisjoint(COMMANDS)
