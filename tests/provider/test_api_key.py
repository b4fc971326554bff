"""Where the key comes from, and where it does not go."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.provider.api_key import ApiKey, find_key, read_key_file

KEY = "sk-Abc123_def.456="
WRITTEN = [
    KEY,
    f"  {KEY}\r\n",
    f'"{KEY}"\n',
    f"'{KEY}'",
    f"“{KEY}”",
    f"AIMLAPI_API_KEY={KEY}",
    f"AIMLAPI_KEY = '{KEY}'",
    f'export AIMLAPI_API_KEY="{KEY}"\n',
    f"MY_KEY={KEY}",
    f"$env:AIMLAPI_API_KEY = '{KEY}'",
    f"Bearer {KEY}",
    f"Authorization: Bearer {KEY}\n",
    f'"Bearer {KEY}"',
    f"\n\n# the key of the lab\n{KEY}\n\n",
    f"\ufeff{KEY}",
    f"# all of ours\nOTHER=1\nAIMLAPI_API_KEY={KEY}\nBATCHVEO_BUDGET=5\n",
    f"AIMLAPI_KEY=other-key\nAIMLAPI_API_KEY={KEY}\n",
]
WRONG = [
    ("", "holds no key"),
    ("# nothing but words\n\n", "holds no key"),
    (f"{KEY}\nsk-another-key\n", "it holds 2 lines; write the key alone, or AIMLAPI_API_KEY=the key"),
    (f'{{"key": "{KEY}"}}', "characters that no key has"),
    ("AIMLAPI_API_KEY=\n", "is empty"),
    (f"my key is {KEY}", "characters that no key has"),
]


def test_the_first_variable_wins() -> None:
    """The documented name comes first."""
    key = find_key(None, {"AIML_API_KEY": "third", "AIMLAPI_API_KEY": "first"})
    assert key is not None
    assert key.header == "Bearer first"


def test_a_file_wins_over_the_environment(tmp_path: Path) -> None:
    """With the line end that every editor leaves, and the mark that some put first."""
    path = tmp_path / "key"
    path.write_text("\ufefffrom-file\r\n", encoding="utf-8")
    key = find_key(path, {"AIMLAPI_API_KEY": "env"})
    assert key is not None
    assert key.header == "Bearer from-file"


def test_no_key_says_what_to_do() -> None:
    """Every way to give one."""
    with pytest.raises(UsageError, match=r"AIMLAPI_API_KEY.*--api-key-file.*--sandbox"):
        find_key(None, {})
    assert find_key(None, {}, required=False) is None


@pytest.mark.parametrize("value", ["", "  ", "two words", "schlüssel", "line\nbreak", "nul\0"])
def test_what_is_no_key(value: str) -> None:
    """A slip is caught here, not by the service; and not shown."""
    with pytest.raises(UsageError) as caught:
        ApiKey(value)
    assert not value.strip() or value not in str(caught.value)


def test_an_unreadable_key_file(tmp_path: Path) -> None:
    """A clear error."""
    with pytest.raises(UsageError, match="cannot be read"):
        find_key(tmp_path / "missing", {})


def test_it_does_not_show_itself() -> None:
    """Not in repr, str, format or a server's echo."""
    key = ApiKey("sk-secret")
    assert "secret" not in f"{key!r} {key} {[key]}"
    assert key.scrub(b"invalid key SK-secret!") == b"invalid key ***!"


@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_key_is_found_however_it_is_written(text: str, encoding: str, tmp_path: Path) -> None:
    """In quotes, as a line of a shell or of a `.env`, as a header, with a mark of byte order."""
    file = tmp_path / "key"
    file.write_bytes(text.encode(encoding))
    assert read_key_file(file) == ApiKey(KEY)


@pytest.mark.parametrize("text", [f'"{KEY}"', f"Bearer {KEY}", f" {KEY} "])
def test_the_environment_too(text: str) -> None:
    """`docker --env-file` keeps the quotes."""
    assert find_key(None, {"AIMLAPI_API_KEY": text}) == ApiKey(KEY)


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_is_wrong_is_said_and_not_shown(text: str, words: str, tmp_path: Path) -> None:
    """With the file's name."""
    file = tmp_path / "key"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        find_key(file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert KEY not in str(caught.value)
    assert "sk-another" not in str(caught.value)
