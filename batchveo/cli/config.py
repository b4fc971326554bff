"""The config files: where they are, and what stands in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.errors import UsageError

NAME = "batchveo.toml"
VARIABLE = "BATCHVEO_CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line: for the command that ``table`` names, or all where it is ``None``; ``name`` as in ``--name``."""

    table: str | None
    name: str
    value: object

    def __str__(self) -> str:
        return self.name if self.table is None else f"{self.table}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """One file: its settings, those for all commands first, and the names of its tables.

    ``of_folder``: nobody named it, it was merely there; what it may decide is limited (``cli.trust``).
    """

    path: Path
    settings: tuple[Setting, ...]
    tables: tuple[str, ...]
    of_folder: bool = False


def config_files(named: Path | None = None) -> list[ConfigFile]:
    """The files that count, the nearest first: the named one or the folder's, then the user's own.

    Raises ``UsageError`` where one cannot be read.
    """
    found = [near] if (near := _nearest(named)) else []
    own = user_file()
    if own is not None and _is_there(own) and not (found and own.samefile(found[0].path)):
        found.append(_of(own, _toml(own)))
    return found


def user_file() -> Path | None:
    """Where this platform keeps the user's own; ``None`` for a user without a home, as in some containers."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "batchveo" / NAME


def _nearest(named: Path | None) -> ConfigFile | None:
    if named is not None:
        return _of(named, _part(named))
    here = Path(NAME)
    if _is_there(here):
        return _of(here, _toml(here), of_folder=True)
    project = Path("pyproject.toml")
    if _is_there(project):
        content = _part(project)
        return _of(project, content, of_folder=True) if content else None
    return None


def _is_there(file: Path) -> bool:
    """Whether there is such a file; a home that nobody may look into (systemd's ``ProtectHome``) has none."""
    try:
        return file.is_file()
    except OSError:
        return False


def _part(file: Path) -> Mapping[str, object]:
    """What is ours in ``file``: all of it, or ``[tool.batchveo]`` of a pyproject.toml."""
    content = _toml(file)
    if file.name != "pyproject.toml":
        return content
    tool = content.get("tool")
    ours = tool.get("batchveo", {}) if isinstance(tool, dict) else {}
    if not isinstance(ours, dict):
        raise UsageError(f"{file}: tool.batchveo must be a table")
    return ours


def _toml(file: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read the config file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the config file {file} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the config file {file} is not TOML: {error}") from None


def _of(path: Path, content: Mapping[str, object], *, of_folder: bool = False) -> ConfigFile:
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    common = {name: value for name, value in content.items() if name not in tables}
    settings = list(_settings(None, common))
    for table, values in tables.items():
        settings += _settings(table, values)
    return ConfigFile(path=path, settings=tuple(settings), tables=tuple(tables), of_folder=of_folder)


def _settings(table: str | None, values: Mapping[str, object]) -> Iterator[Setting]:
    for name, value in values.items():
        yield Setting(table=table, name=name.replace("_", "-"), value=value)
