"""The combinations of a matrix: all of its axes, without those that are excluded, and with those that are included.

``exclude`` and ``include`` work as in the matrices of CI services. An ``exclude`` leaves out the combinations that have
all of its values. An ``include`` adds its other values to the combinations that have its values of the axes; if there
is no such one, it is one more combination.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from batchveo.core.hints import suggest_closest
from batchveo.manifest.problems import Fault, shown

EXCLUDE, INCLUDE = "exclude", "include"
Values = Mapping[str, object]
Positions = dict[str, int]
"""For each variable the position of its value in ``Combinations.values``."""


@dataclass(slots=True)
class Combinations:
    """``values`` of each variable: those of its axis first (``sizes`` of them), then those that includes add."""

    values: dict[str, list[object]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    exclude: tuple[Positions, ...] = ()
    include: tuple[Positions, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether every combination of the axes counts, and no other."""
        return not self.exclude and not self.include

    @property
    def most(self) -> int:
        """How many combinations there are at most."""
        return math.prod(self.sizes.values()) + len(self.include)

    def list_positions(self) -> Iterator[Positions]:
        """Every combination, the first axis slowest; then those that includes add."""
        joined = [item for item in self.include if self.has_combination(item)]  # the others are combinations
        if self.sizes or not self.include:
            for at in self._list_axes():
                for item in joined:
                    if _holds(at, item, self.sizes):
                        at.update(item)
                yield at
        yield from (dict(item) for item in self.include if item not in joined)

    def list_used(self, model: object) -> Mapping[str, Collection[int]]:
        """The positions of each variable in the combinations of one model."""
        if self.is_plain:
            return {name: range(len(values)) for name, values in self.values.items()}
        used: dict[str, set[int]] = defaultdict(set)
        models = self.values.get("model", [])
        for at in self.list_positions():
            if "model" not in at or models[at["model"]] == model:
                for name, position in at.items():
                    used[name].add(position)
        return used

    def list_models(self, otherwise: object) -> list[object]:
        """The models of all combinations; ``otherwise`` is the one of those that name none."""
        models = self.values.get("model")
        if models is None:
            return [otherwise]
        if self.is_plain:
            return models
        found = [models[at["model"]] if "model" in at else otherwise for at in self.list_positions()]
        return list(dict.fromkeys(found))

    def _list_axes(self) -> Iterator[Positions]:
        names = list(self.sizes)
        for positions in product(*map(range, self.sizes.values())):
            at = dict(zip(names, positions, strict=True))
            if not any(_holds(at, item, item) for item in self.exclude):
                yield at

    def has_combination(self, item: Positions) -> bool:
        """Whether the axes make a combination with these values, as far as they are of axes."""
        return bool(self.sizes) and any(_holds(at, item, self.sizes) for at in self._list_axes())


def _holds(at: Positions, item: Positions, names: Collection[str]) -> bool:
    """Whether a combination has the values of ``item``, as far as they are of ``names``."""
    return all(at.get(name) == position for name, position in item.items() if name in names)


def make_combinations(
    axes: Mapping[str, list[object]], exclude: list[Values], include: list[Values]
) -> tuple[Combinations, list[tuple[str, Fault]]]:
    """The combinations of ``axes``, and what is wrong with the others, each with its field."""
    faults: list[tuple[str, Fault]] = []
    values = {name: list(each) for name, each in axes.items()}
    found = Combinations(values=values, sizes={name: len(each) for name, each in axes.items()})
    excluded = []
    for index, item in enumerate(exclude):
        try:
            excluded.append(_find_positions(found, item))
        except Fault as fault:
            faults.append((f"{EXCLUDE}[{index}]", fault))
    found.exclude = tuple(excluded)
    if excluded and not found.has_combination({}):
        faults.append((EXCLUDE, Fault("leaves no combination", "take one of them out")))
    found.include = tuple(_add_item(found, item) for item in include)
    for index, item in enumerate(include):
        if item.keys() <= found.sizes.keys() and found.has_combination(found.include[index]):
            faults.append((f"{INCLUDE}[{index}]", Fault("adds nothing: the axes make this combination", "take it out")))
    return found, faults


def _find_positions(found: Combinations, item: Values) -> Positions:
    """Where the values of an excluded item are. Raises ``Fault`` for one that no combination has."""
    at: Positions = {}
    for name, value in item.items():
        if name not in found.sizes:
            guess = suggest_closest(name, found.sizes)
            raise Fault(f"{name} is no axis of the matrix", guess or f"the axes are {', '.join(found.sizes)}")
        position = _find_value(found.values[name], value)
        if position is None:
            listed = ", ".join(map(shown, found.values[name][:8]))
            raise Fault(f"{shown(value)} is no value of {name}", f"its values are {listed}")
        at[name] = position
    return at


def _add_item(found: Combinations, item: Values) -> Positions:
    """Where the values of an included item are, after adding those that are new."""
    at: Positions = {}
    for name, value in item.items():
        values = found.values.setdefault(name, [])
        position = _find_value(values, value)
        if position is None:
            position = len(values)
            values.append(value)
        at[name] = position
    return at


def _find_value(values: list[object], value: object) -> int | None:
    # 1, 1.0 and true are equal in Python, and three values in a manifest
    return next((at for at, each in enumerate(values) if type(each) is type(value) and each == value), None)
