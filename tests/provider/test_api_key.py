"""Where the key comes from, and where it does not go."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.provider.api_key import ApiKey, find_key


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
