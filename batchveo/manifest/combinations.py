"""The combinations of a matrix: all of its axes, without those that are excluded, and with those that are included.

``exclude`` and ``include`` work as in the matrices of CI services. An ``exclude`` leaves out the combinations that have
all of its values. An ``include`` adds its other values to the combinations that have its values of the axes; if there
is no such one, it is one more combination.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from batchveo.core.hints import suggest_closest
from batchveo.manifest.problems import Fault, shown

EXCLUDE, INCLUDE = "exclude", "include"
FAMILY_LIMIT = 1_000_000
"""The most jobs that one entry may make by its matrix and repeat."""
Values = Mapping[str, object]
Positions = dict[str, int]
"""For each variable the position of its value in ``Combinations.values``."""
_ANYWHERE: Positions = {}


class _Items:
    """Finds the items whose values a combination has, as far as they are of ``axes``.

    Those of the same axes are looked up at once: a matrix may have a million combinations, and thousands of items.
    """

    def __init__(self, items: Sequence[Positions], axes: Collection[str]) -> None:
        self._by_axes: dict[tuple[str, ...], dict[tuple[int, ...], list[int]]] = {}
        for number, item in enumerate(items):
            names = tuple(sorted(item.keys() & axes))
            place = tuple(item[name] for name in names)
            self._by_axes.setdefault(names, {}).setdefault(place, []).append(number)

    def find(self, at: Positions) -> list[int]:
        """The numbers of those items, in their order."""
        found = (known.get(tuple(at[name] for name in names), ()) for names, known in self._by_axes.items())
        return sorted(number for numbers in found for number in numbers)


@dataclass(slots=True)
class Combinations:
    """``values`` of each variable: those of its axis first (``sizes`` of them), then those that includes add.

    ``include`` has the items that are combinations of their own, ``joined`` those that add to others.
    """

    values: dict[str, list[object]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    exclude: tuple[Positions, ...] = ()
    include: tuple[Positions, ...] = ()
    joined: tuple[Positions, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether every combination of the axes counts, and no other."""
        return not self.exclude and not self.include and not self.joined

    @property
    def most(self) -> int:
        """How many combinations there are at most."""
        return math.prod(self.sizes.values()) + len(self.include) + len(self.joined)

    def list_positions(self) -> Iterator[Positions]:
        """Every combination, the first axis slowest; then those that includes add."""
        joined = _Items(self.joined, self.sizes)
        if self.sizes or self.is_plain:
            for at in self._list_axes(_Items(self.exclude, self.sizes)):
                for number in joined.find(at):
                    at.update(self.joined[number])
                yield at
        yield from map(dict, self.include)

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

    def _list_axes(self, excluded: _Items, fixed: Positions = _ANYWHERE) -> Iterator[Positions]:
        """The combinations of the axes, only those with the positions of ``fixed``."""
        names = list(self.sizes)
        # a value that only an include has is at a position beyond the axis
        ranges = [range(size)[fixed[name] :][:1] if name in fixed else range(size) for name, size in self.sizes.items()]
        for positions in product(*ranges):
            at = dict(zip(names, positions, strict=True))
            if not excluded.find(at):
                yield at

    def has_combination(self, item: Positions, excluded: _Items) -> bool:
        """Whether the axes make a combination with these values, as far as they are of axes."""
        return bool(self.sizes) and any(True for _ in self._list_axes(excluded, item))


def make_combinations(
    axes: Mapping[str, Sequence[object]], exclude: Sequence[Values], include: Sequence[Values]
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
    included = [_add_item(found, item) for item in include]
    if math.prod(found.sizes.values()) > FAMILY_LIMIT:  # too many to look at, which is reported elsewhere
        return found, faults
    found.exclude, items = tuple(excluded), _Items(excluded, found.sizes)
    is_left = found.has_combination(_ANYWHERE, items)
    if excluded and not is_left:
        faults.append((EXCLUDE, Fault("leaves no combination", "take one of them out")))
    joins = [is_left and found.has_combination(at, items) for at in included]
    found.joined = tuple(at for at, has_one in zip(included, joins, strict=True) if has_one)
    found.include = tuple(at for at, has_one in zip(included, joins, strict=True) if not has_one)
    for index, (item, has_one) in enumerate(zip(include, joins, strict=True)):
        if item.keys() <= found.sizes.keys() and has_one:
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
