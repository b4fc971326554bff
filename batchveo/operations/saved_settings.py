"""The settings of a run in the database, from which ``resume`` restores them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from batchveo.core.destination import Destination, Sidecars
from batchveo.core.measures import CheckLevel
from batchveo.core.settings import Doubt, RunSettings

SAVED_NAMES = frozenset(item.name for item in fields(RunSettings)) - {"budget"}
"""The settings that are saved here; the budget has its own column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSettings:
    """The names of the settings that were chosen for a run; the others have their defaults.

    ``firmly``: on the command line, for this run. ``otherwise``: by the environment or a config file, for all runs.
    ``beside``: chosen options that are no settings of a run, with their values, or without if these are secret.
    """

    firmly: frozenset[str] = frozenset()
    otherwise: frozenset[str] = frozenset()
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """The names of both."""
        return self.firmly | self.otherwise


def find_chosen(settings: RunSettings) -> ChosenSettings:
    """The settings that differ from the defaults, as chosen for this run."""
    usual = RunSettings()
    return ChosenSettings(
        firmly=frozenset(name for name in SAVED_NAMES if getattr(settings, name) != getattr(usual, name))
    )


ALL_CHOSEN = ChosenSettings(firmly=SAVED_NAMES)
NONE_CHOSEN = ChosenSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSettings:
    """The chosen settings of an earlier run, its ``output`` in any case, and the options ``beside`` them."""

    values: Mapping[str, Any] = field(default_factory=dict)
    firmly: frozenset[str] = frozenset()
    beside: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> SavedSettings:
        """Parse the JSON of ``serialize_settings``; names that this version does not know are ignored."""
        content = {} if text is None else json.loads(text)
        values = {name: value for name, value in content.get("settings", {}).items() if name in SAVED_NAMES}
        return cls(values=values, firmly=frozenset(content.get("firmly", ())), beside=content.get("beside", {}))

    @property
    def output(self) -> str | None:
        """The destination of that run: an absolute path, or the URL of a bucket."""
        return self.values.get("output")

    def restore_settings(self, settings: RunSettings, told: ChosenSettings) -> tuple[RunSettings, ChosenSettings]:
        """The settings of a resumed run: of ``settings`` those that ``told`` names, the others as they were then."""
        # the command line of then outranks the environment and the config files of now, as it did then
        outlasting = told.firmly | (told.otherwise - self.firmly)
        again = {name: value for name, value in self.values.items() if name not in outlasting}
        if "when_in_doubt" in again:
            again["when_in_doubt"] = Doubt(again["when_in_doubt"])
        if "sidecars" in again:
            again["sidecars"] = Sidecars.named(again["sidecars"] or None)
        firmly = told.firmly | (self.firmly & again.keys())
        return replace(settings, **again), replace(told, firmly=firmly, otherwise=(told.names | again.keys()) - firmly)


def list_differences(given: RunSettings, resumed: RunSettings) -> Mapping[str, object]:
    """The restored settings that differ from the given ones, by option; the destination is reported elsewhere."""
    names = sorted(SAVED_NAMES - {"output"})
    changed = {name: getattr(resumed, name) for name in names if getattr(resumed, name) != getattr(given, name)}
    if changed.get("checks") is False:
        changed["checks"] = CheckLevel.NONE.value  # as it is typed
    return {f"--{name.replace('_', '-')}": value for name, value in changed.items()}


def serialize_settings(settings: RunSettings, told: ChosenSettings) -> str:
    """The chosen settings as JSON, with the destination in any case."""
    names = sorted((told.names & SAVED_NAMES) | {"output"})
    values = {name: _to_json(getattr(settings, name)) for name in names}
    return json.dumps({"settings": values, "firmly": sorted(told.firmly & SAVED_NAMES), "beside": dict(told.beside)})


def absolute_text(output: Destination) -> str:
    """The destination as text that means the same in every working folder."""
    return str(_make_absolute(output)) if isinstance(output, Path) else str(output)


def _make_absolute(path: Path) -> Path:
    """``path`` from the root on, and without ``..`` unless a link on the way makes that another folder."""
    path = path.absolute()
    plain = os.path.normpath(path)
    return Path(plain) if os.path.realpath(plain) == os.path.realpath(path) else path


def _to_json(value: object) -> object:
    if isinstance(value, Sidecars):
        return str(value) if value.folder is None else str(value.folder.absolute())
    return absolute_text(value) if isinstance(value, Path) else value
