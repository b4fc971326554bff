"""Which catalogue is used: a named file, the refreshed one, the package's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.provider.catalog import MODELS
from batchveo.provider.catalog.catalog import LARGEST_FILE
from batchveo.provider.catalog.user_catalog import BUILTIN, find_catalog, find_user_file
from batchveo.provider.retirement import read_kept_retirements


def write_catalog(path: Path | None, **changes: object) -> Path:
    assert path is not None
    models = {"maker/new": {"params": {"prompt": {"type": "string"}}}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"format": 1, "made": "2099-01-01", "models": models, **changes}), "utf-8")
    return path


def refuse_warning(text: str) -> None:
    raise AssertionError(text)


def test_the_users_own_folder_is_not_seen_by_tests(tmp_path: Path) -> None:
    path = find_user_file()
    assert path is not None
    assert path.is_relative_to(tmp_path)
    assert path.name == "models.json"


def test_without_a_refresh_it_is_the_packages() -> None:
    assert find_catalog(warn=refuse_warning) is MODELS


def test_the_refreshed_one_is_used_unless_offline() -> None:
    write_catalog(find_user_file())
    assert list(find_catalog(warn=refuse_warning)) == ["maker/new"]
    assert find_catalog(offline=True) is MODELS
    assert find_catalog(BUILTIN) is MODELS


def test_one_that_is_older_than_the_packages_is_not_used() -> None:
    write_catalog(find_user_file(), made="2020-01-01")
    assert find_catalog(warn=refuse_warning) is MODELS
    write_catalog(find_user_file(), made=MODELS.made)
    assert list(find_catalog()) == ["maker/new"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format": 9, "models": {}}',
        b'{"format": 1, "models": {"a": {"params": {"b": {}}}}}',
        b'{"format": 1, "models": {"a": {"params": {}, "aliases": 5}}}',
        b'{"format": 1, "models": {"a": {"params": {}, "aliases": [["b"]]}}}',
        b'{"format": 1, "models": {"a": {"params": {}, "aliases": null}}}',
        b'{"format": 1, "models": {"veo2": {"params": {"duration": "text"}}}}',
        b'{"format": 1, "models": {"veo2": {"params": {"duration": []}}}}',
        b'{"format": 1, "models": {"a": {"params": {"b": {"type": "integer", "minimum": 1' + b"0" * 400 + b"}}}}}",
        b'{"format": 1, "models": {"a": {"params": {"b": {"type": "string", "max_length": 1' + b"0" * 400 + b"}}}}}",
        pytest.param(b'{"format": 1, "models": {}, "x": "' + b" " * LARGEST_FILE + b'"}', id="too large"),
    ],
)
def test_a_broken_one_is_said_and_not_used(content: bytes) -> None:
    path = write_catalog(find_user_file())
    path.write_bytes(content)
    warnings: list[str] = []
    assert find_catalog(warn=warnings.append) is MODELS
    (warning,) = warnings
    assert str(path) in warning
    assert "models --refresh" in warning


def test_a_folder_in_its_place_is_said_and_not_used() -> None:
    path = write_catalog(find_user_file())
    path.unlink()
    path.mkdir()
    warnings: list[str] = []
    assert find_catalog(warn=warnings.append) is MODELS
    assert len(warnings) == 1


def test_a_named_file_counts_before_all(tmp_path: Path) -> None:
    write_catalog(find_user_file())
    path = write_catalog(tmp_path / "mine.json", models={"mine": {"params": {}}}, made="2020-01-01")
    assert list(find_catalog(path)) == ["mine"]
    assert list(find_catalog(path, offline=True)) == ["mine"]


def test_a_named_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the catalogue"):
        find_catalog(tmp_path / "none.json")
    many = {f"m{n}": {"params": {"a": {"type": "no"}}} for n in range(9)}
    path = write_catalog(tmp_path / "bad.json", models=many)
    with pytest.raises(UsageError, match=r"not a catalogue of models: m0: a: .*; and 4 more"):
        find_catalog(path)


def test_a_user_without_a_home_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: "~/.local/share/batchveo")
    assert find_user_file() is None
    assert find_catalog() is MODELS


def test_the_models_that_end_are_those_of_the_last_refresh() -> None:
    write_catalog(find_user_file(), retired=[{"id": "old", "status": "withdrawn"}])
    assert [row.id for row in read_kept_retirements(find_catalog())] == ["old"]
    assert not read_kept_retirements(MODELS)


def test_the_digest_is_of_the_data_alone(tmp_path: Path) -> None:
    """Neither the date, nor what a refresh keeps, nor the order says what is valid."""
    models = {name: MODELS.read_entry(name) for name in reversed(list(MODELS))}
    path = write_catalog(tmp_path / "same.json", models=models, etags={"models": "x"}, retired=[], service="y")
    assert find_catalog(path).digest == MODELS.digest
    models["veo2"] = {"params": {}}
    assert find_catalog(write_catalog(path, models=models)).digest != MODELS.digest
