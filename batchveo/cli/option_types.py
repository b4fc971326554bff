"""The types of values that options take: paths, places, and numbers with a unit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchveo.core import quantities
from batchveo.core.destination import Destination, expand_home, parse_destination
from batchveo.core.quantities import Quantity

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _PlaceParamType = click.ParamType[Destination]
    _NumberParamType = click.ParamType[float]
else:
    # generic from click 8.4 on only
    _PlaceParamType = _NumberParamType = click.ParamType


class FilePath(click.Path):
    """A file or folder; ``~`` is the user's home, since no shell expands it in variables and config files."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that was named."""
        return super().convert(expand_home(value) if isinstance(value, str | Path) else value, param, ctx)


class PlaceType(_PlaceParamType):
    """A folder, or the URL of a prefix in a bucket."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Destination:  # noqa: ARG002
        """The place that was named."""
        return value if isinstance(value, Destination) else parse_destination(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Folders."""
        return click.Path(file_okay=False).shell_complete(ctx, param, incomplete)


class QuantityType(_NumberParamType):
    """A number with a unit, at least ``least``, or more than ``above``; ``finite``: not infinite.

    The bounds and the number count seconds, dollars, bytes or whatever the quantity is parsed to.
    """

    def __init__(
        self, quantity: Quantity, *, least: float | None = None, above: float | None = None, finite: bool = True
    ) -> None:
        self.name = quantity.article_name.split()[1]
        self.quantity = quantity
        self._least, self._above, self._finite = least, above, finite

    @property
    def demand(self) -> str:
        """What a value must be."""
        return f"{self.quantity.article_name}, such as {self.quantity.forms}"

    def accepts(self, text: str) -> bool:
        """Whether ``text`` is such a quantity, within the bounds or not."""
        try:
            self.quantity.parse(text)
        except ValueError:
            return False
        return True

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; a config file may have it without quotes."""
        try:
            number = self.quantity.parse(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if self._least is not None and number < self._least:
            self.fail(f"{value!r} is out of range: a number of {self._least:g} or more is wanted.", param, ctx)
        if self._above is not None and number <= self._above:
            self.fail(f"{value!r} is out of range: a number above {self._above:g} is wanted.", param, ctx)
        if self._finite and math.isinf(number):
            self.fail(f"{value!r} is out of range: a finite number is wanted.", param, ctx)
        return number


class FiniteRange(click.FloatRange):
    """A number within bounds; not "not a number" either, which no bound keeps out."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


PATH = FilePath(path_type=Path)
PLACE = PlaceType()
DURATION = QuantityType(quantities.DURATION, least=0.0)
MONEY = QuantityType(quantities.MONEY)
MONEY_LIMIT = QuantityType(quantities.MONEY, least=0.0, finite=False)
"""An amount that asks for nothing if it is infinite."""
RATE_A_MINUTE = QuantityType(quantities.RATE_A_MINUTE, least=0.0)
RATE_A_SECOND = QuantityType(quantities.RATE_A_SECOND, least=0.0)
SIZE = QuantityType(quantities.SIZE, least=0.0)
SIZE_IN_MEGABYTES = QuantityType(quantities.SIZE_IN_MEGABYTES, above=0.0)
