"""What a user has done with each finished video: a program that is run, a URL that is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

_PLACEHOLDER = re.compile(r"\{(file|id|name)\}")


class HookKind(StrEnum):
    """The kinds of hooks, by their options."""

    EXEC = "exec"
    WEBHOOK = "webhook"

    @property
    def option(self) -> str:
        """The option of ``run`` that asks for it."""
        return f"--{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The hooks of a run.

    ``command``: a program and its arguments; ``{file}``, ``{id}`` and ``{name}`` within them stand for the video's.
    ``folder``: where it runs. ``hidden``: environment variables that it does not see. ``webhook``: an address that gets
    a POST; it may hold a secret. Both get the job as JSON.
    """

    command: tuple[str, ...] = ()
    folder: Path = field(default_factory=Path.cwd)
    hidden: frozenset[str] = frozenset()
    webhook: str | None = field(default=None, repr=False)

    @property
    def kinds(self) -> tuple[HookKind, ...]:
        """The kinds that are asked for."""
        given = {HookKind.EXEC: bool(self.command), HookKind.WEBHOOK: self.webhook is not None}
        return tuple(kind for kind, is_given in given.items() if is_given)

    def fill_command(self, values: Mapping[str, str]) -> list[str]:
        """The program and its arguments for one video; each value stays within its argument."""
        return [_PLACEHOLDER.sub(lambda found: values[found[1]], argument) for argument in self.command]
