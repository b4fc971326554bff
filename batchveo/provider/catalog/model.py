"""A model of the service: its name, its parameters, and the rules between these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from batchveo.core.formatting import write_value
from batchveo.provider.catalog.parameters import Media, Param, Value


class Kind(StrEnum):
    """What a model makes its video from."""

    TEXT = "text"
    IMAGE = "image"
    REFERENCE = "reference images"
    FRAMES = "first and last frame"
    EXTEND = "video"
    AUDIO = "audio"
    TEXT_OR_IMAGE = "text or image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition between the fields of a request; it holds if not all of ``given`` are there.

    ``any_of``: at least one of these is needed. ``excludes``: none of these may be there. ``only``: the values that a
    field may have then; a field that is absent counts as its default.
    """

    given: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    only: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """The fields that it is about."""
        return {*self.given, *self.any_of, *self.excludes, *self.only}

    def find_field(self, request: Mapping[str, Value]) -> str:
        """The field of a request that breaks the rule, at which people look for what is wrong."""
        present = (name for name in self.excludes if name in request)
        return (*self.only, *present, *self.given, *self.any_of)[0]


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: its name in requests, other names, and its parameters without ``model``.

    ``least_image_side``: the least length of the shorter side of its images, in pixels; 0 if none is documented.
    """

    id: str
    params: Mapping[str, Param]
    aliases: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    is_featured: bool = False
    least_image_side: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a request may have for it, its own first."""
        return (self.id, *self.aliases)

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters that must be given."""
        return tuple(name for name, param in self.params.items() if param.required)

    @cached_property
    def kind(self) -> Kind:
        """What the model makes its video from, by the inputs that it needs, or takes."""
        needed = [(param, leaf.media) for param in self.params.values() if param.required
                  for _, leaf in param.find_media()]  # fmt: skip
        media = {each for _, each in needed}
        if Media.VIDEO in media:
            return Kind.EXTEND
        if Media.AUDIO in media:
            return Kind.AUDIO
        if any(param.items is not None for param, _ in needed):
            return Kind.REFERENCE
        if media:
            return Kind.FRAMES if len(needed) > 1 else Kind.IMAGE
        takes = {leaf.media for param in self.params.values() for _, leaf in param.find_media()}
        return Kind.TEXT_OR_IMAGE if Media.IMAGE in takes else Kind.TEXT

    @cached_property
    def media_params(self) -> Mapping[str, Param]:
        """The parameters with an address of a file in them, at any depth."""
        return {name: param for name, param in self.params.items() if any(param.find_media())}

    def find_broken_rules(self, request: Mapping[str, Value]) -> Iterator[Rule]:
        """Yield the rules that ``request`` breaks."""
        for rule in self.rules:
            if all(name in request for name in rule.given) and self._breaks(rule, request):
                yield rule

    def describe_broken(self, rule: Rule, request: Mapping[str, Value]) -> tuple[str, str]:
        """What is wrong by a broken rule, and what would be right."""
        given = " and ".join(rule.given)
        for name, values in rule.only.items():
            if self.find_value(request, name) not in values:
                found = write_value(self.find_value(request, name))
                return f"{found} does not go with {given}", f"{name}: {write_value(values[0])}"
        if any(name in request for name in rule.excludes):
            return f"{given} does not go with {' and '.join(rule.excludes)}", "leave one of them out"
        needed = " or ".join(rule.any_of)
        return (f"{given} needs {needed}" if given else f"{needed} is needed"), f"give {needed}"

    def find_value(self, request: Mapping[str, Value], name: str) -> Value:
        """The value of a field in ``request``, else what the service assumes; ``None`` if that is not known."""
        param = self.params.get(name)
        return request.get(name, None if param is None else param.default)

    def _breaks(self, rule: Rule, request: Mapping[str, Value]) -> bool:
        if rule.any_of and not any(name in request for name in rule.any_of):
            return True
        if any(name in request for name in rule.excludes):
            return True
        return any(self.find_value(request, name) not in values for name, values in rule.only.items())
