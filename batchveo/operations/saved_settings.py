"""What a run was told, as the database keeps it for ``resume``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from batchveo.core.destination import Destination, Sidecars
from batchveo.core.settings import Doubt, RunSettings

SAVED_NAMES = frozenset(item.name for item in fields(RunSettings)) - {"budget"}
"""The settings that are kept; the budget has a column of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSettings:
    """Which settings somebody chose for a run, by their names in ``RunSettings``; the others have their defaults.

    ``firmly``: on the command line, for this very run. ``otherwise``: by the environment or a config file, which
    are there for every run.
    """

    firmly: frozenset[str] = frozenset()
    otherwise: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return self.firmly | self.otherwise


def find_chosen(settings: RunSettings) -> ChosenSettings:
    """Those that are not the defaults, as somebody's choice."""
    usual = RunSettings()
    return ChosenSettings(
        firmly=frozenset(name for name in SAVED_NAMES if getattr(settings, name) != getattr(usual, name))
    )


ALL_CHOSEN = ChosenSettings(firmly=SAVED_NAMES)
NONE_CHOSEN = ChosenSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSettings:
    """What an earlier run was told. ``output`` is kept whether somebody chose it or not."""

    values: Mapping[str, Any] = field(default_factory=dict)
    firmly: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str | None) -> SavedSettings:
        """What ``serialize_settings`` wrote; names that this version does not know are passed over."""
        content = {} if text is None else json.loads(text)
        values = {name: value for name, value in content.get("settings", {}).items() if name in SAVED_NAMES}
        return cls(values=values, firmly=frozenset(content.get("firmly", ())))

    @property
    def output(self) -> str | None:
        """Where the videos of that run went: an absolute path, or the URL of a bucket."""
        return self.values.get("output")

    def resumed(self, settings: RunSettings, told: ChosenSettings) -> tuple[RunSettings, ChosenSettings]:
        """``settings`` for a run that goes on, of which ``told`` were chosen now; the rest is as it was then.

        What the command line said then outlasts the environment and the config files, for it did so then.
        """
        outlasting = told.firmly | (told.otherwise - self.firmly)
        again = {name: value for name, value in self.values.items() if name not in outlasting}
        if "when_in_doubt" in again:
            again["when_in_doubt"] = Doubt(again["when_in_doubt"])
        if "sidecars" in again:
            again["sidecars"] = Sidecars.named(again["sidecars"] or None)
        firmly = told.firmly | (self.firmly & again.keys())
        return replace(settings, **again), ChosenSettings(firmly=firmly, otherwise=(told.names | again.keys()) - firmly)


def list_differences(given: RunSettings, resumed: RunSettings) -> Mapping[str, object]:
    """What a resumed run does otherwise than it would by itself, by option; where videos go is told elsewhere."""
    names = sorted(SAVED_NAMES - {"output"})
    changed = {name: getattr(resumed, name) for name in names if getattr(resumed, name) != getattr(given, name)}
    return {f"--{name.replace('_', '-')}": value for name, value in changed.items()}


def serialize_settings(settings: RunSettings, told: ChosenSettings) -> str:
    """The settings that were ``told``, as JSON, with the place of the videos in any case."""
    names = sorted((told.names & SAVED_NAMES) | {"output"})
    values = {name: _plain(getattr(settings, name)) for name in names}
    return json.dumps({"settings": values, "firmly": sorted(told.firmly & SAVED_NAMES)})


def absolute_text(output: Destination) -> str:
    """Where videos go, in words that mean the same in every working folder."""
    return str(_plain_path(output)) if isinstance(output, Path) else str(output)


def _plain_path(path: Path) -> Path:
    """``path`` from the root on and without ``..``, unless a link on the way makes that another place."""
    path = path.absolute()
    plain = os.path.normpath(path)
    return Path(plain) if os.path.realpath(plain) == os.path.realpath(path) else path


def _plain(value: object) -> object:
    if isinstance(value, Sidecars):
        return str(value) if value.folder is None else str(value.folder.absolute())
    return absolute_text(value) if isinstance(value, Path) else value
