"""File stems: safe everywhere, stable, distinct, readable."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.filenames import (
    MOST_PIECES,
    PATH_LIMIT,
    STEM_LIMIT,
    SUFFIX_ROOM,
    cut_pieces,
    distinct_stem,
    safe_path,
    safe_stem,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
NASTY = st.text(st.sampled_from(" ._-~CONcomLPT1¹$é\u0301\u200d\ufe0f\U0001f469\u202e</\\:\x00\ud800字"), max_size=200)


@pytest.mark.parametrize(
    "name",
    [
        "dragon",
        "In a still frame, a stop sign-0",
        "a laptop, frozen in time",
        "在静止的画面中，一个停车标志",
        "Тихая сцена, 3 кота",
        "हिन्दी में नाम",
        "café",
        "👩\u200d🚀 on the moon",
        "❤\ufe0f",
    ],
)
def test_safe_names_stay_as_they_are(name: str) -> None:
    """A name that every file system takes is not touched, whatever its script."""
    assert safe_stem(name) == name


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("16:9", "16_9"),
        ("../../etc/passwd", "_.._.._etc_passwd"),
        (".hidden", "_.hidden"),
        ("-rf", "_-rf"),
        ("trailing. . ", "trailing"),
        ("  leading", "leading"),
        ("line\nbreak\ttab", "line_break_tab"),
        ("e\u0301", "é"),
        ("invisible\u202eexe.4pm", "invisibleexe.4pm"),
        ("\ufeffbom", "bom"),
        ("lone \ud800 surrogate", "lone _ surrogate"),
        ("con", "_con"),
        ("Con.txt", "_Con.txt"),
        ("nul .x", "_nul .x"),
        ("COM¹", "_COM¹"),
        ("conin$", "_conin$"),
        ("console", "console"),
        ("", "_"),
        (" . ", "_"),
        ("\u200d", "_"),
    ],
)
def test_unsafe_names(name: str, stem: str) -> None:
    """What some file system refuses, hides or reads otherwise is replaced, and no more than that."""
    assert safe_stem(name) == stem


def test_long_names_stay_distinct() -> None:
    """Two long names that differ only at their end keep two stems."""
    one, two = (safe_stem("x" * 300 + end) for end in "ab")
    assert one != two
    assert one[:-9] == two[:-9]
    assert len(one) == STEM_LIMIT


@pytest.mark.parametrize("cluster", ["e\u0323\u0302\u0331", "👩\u200d🚀", "👍\U0001f3fd", "❤\ufe0f", "字"])
def test_cut_between_characters(cluster: str) -> None:
    """A long stem is cut between whole characters, marks and joined emoji included."""
    cluster = unicodedata.normalize("NFC", cluster)
    for lead in range(len(cluster.encode()) + 1):
        kept = safe_stem("x" * lead + cluster * 100).rpartition("~")[0]
        assert kept.removeprefix("x" * lead).replace(cluster, "") == ""


@given(name=ANY_TEXT | NASTY)
def test_properties(name: str) -> None:
    """Every stem is short, free of separators and hidden characters, not reserved, and made once for all."""
    stem = safe_stem(name)
    assert 0 < len(stem.encode()) <= STEM_LIMIT
    assert not set(stem) & set('<>:"/\\|?*')
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in stem)
    assert not any(unicodedata.category(char) == "Cf" for char in stem if char not in "\u200c\u200d")
    assert not stem.startswith((" ", ".", "-"))
    assert not stem.endswith((" ", "."))
    assert stem.split(".")[0].rstrip().upper() not in {"CON", "NUL", "COM1", "COM¹", "LPT9"}
    assert unicodedata.is_normalized("NFC", stem)
    assert safe_stem(stem) == stem


@given(names=st.sets(st.text(st.characters(categories=["L"]), min_size=240, max_size=260), min_size=2, max_size=2))
def test_cut_stems_are_distinct(names: set[str]) -> None:
    """What is cut off still shows in the stem."""
    assert len({safe_stem(name) for name in names}) == 2


@given(name=ANY_TEXT | NASTY)
def test_distinct_stem_leaves_room(name: str) -> None:
    """A distinct stem and the longest suffix fit into one file name."""
    stem = distinct_stem(safe_stem(name), "0123456789abcdef")
    assert stem.endswith("~01234567")
    assert len(f"{stem}.mp4.json.part".encode()) <= 255
    assert len("~12345678.mp4.json.part") <= SUFFIX_ROOM


@pytest.mark.parametrize(
    ("pieces", "path"),
    [
        (["google/veo3", "red", "fox"], "google_veo3/red/fox"),
        (["..", "/etc", "a/../b"], "_/_etc/a_.._b"),
        (["nul", "", ".x"], "_nul/_/_.x"),
    ],
)
def test_each_piece_of_a_path_is_one_name(pieces: list[str], path: str) -> None:
    """No value leads out of its folder, and none makes a folder of its own."""
    assert safe_path(pieces) == path


@given(pieces=st.lists(ANY_TEXT | NASTY, min_size=1, max_size=MOST_PIECES))
def test_paths_are_short_and_made_of_safe_names(pieces: list[str]) -> None:
    """A bucket takes them, with the longest prefix and the token of a distinct stem."""
    path = safe_path(pieces)
    assert len(path.encode()) <= PATH_LIMIT
    assert path.count("/") == len(pieces) - 1
    assert all(safe_stem(piece) == piece for piece in path.split("/"))


def test_long_paths_stay_distinct() -> None:
    """Pieces that differ only at their ends, in a path that is cut."""
    one, two = (safe_path(["x" * 300 + end, "y" * 300, "z" * 300]) for end in "ab")
    assert one != two
    assert one.partition("/")[2] == two.partition("/")[2]


def test_only_the_name_of_a_path_is_made_distinct() -> None:
    """Its folders stay, and do not count for its length."""
    assert distinct_stem("a/b/fox", "0123456789") == "a/b/fox~01234567"
    assert distinct_stem("a" * 100 + "/fox", "0123456789", limit=12) == "a" * 100 + "/fox~01234567"
    assert cut_pieces("a" * 40 + "/fox", 20).endswith("/fox")
    assert len(cut_pieces("a" * 40 + "/fox", 20)) == 24
