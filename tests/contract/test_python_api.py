"""The public names of the package, as ``inspect`` sees them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import PurePath
from typing import get_args

import batchveo
from tests.contract.snapshots import check_snapshot

STORE = ("counts", "jobs", "spend")
"""The methods of ``Store`` that the documentation names; its others are for the package itself."""


def test_names_and_signatures() -> None:
    """Parameters with their kinds and defaults. Annotations are left out: they name types of the inside."""
    check_snapshot("python_api", {name: _describe(name, getattr(batchveo, name)) for name in batchveo.__all__})


def _describe(name: str, value: object) -> object:
    if name == "__version__":
        return type(value).__name__
    if inspect.isclass(value):
        return _describe_class(value)
    return _parameters_of(value) if inspect.isfunction(value) else [kind.__name__ for kind in get_args(value)]


def _describe_class(kind: type) -> dict[str, object]:
    if issubclass(kind, Enum):
        return {"members": {member.name: member.value for member in kind}, **_describe_attributes(kind)}
    exception = {"exit_status": kind.exit_status} if issubclass(kind, batchveo.BatchveoError) else {}
    public = [base.__name__ for base in kind.__mro__[1:] if base.__name__ in batchveo.__all__]
    if getattr(kind, "_is_protocol", False):
        return {"called with": _parameters_of(kind.__call__)}
    made = {} if kind.__init__ is Exception.__init__ else {"()": _parameters_of(kind)}
    return {"bases": public, **exception, **made, **_describe_attributes(kind)}


def _describe_attributes(kind: type) -> dict[str, object]:
    """Methods with their parameters and properties; the fields of a record are its parameters."""
    fields = set(getattr(kind, "__dataclass_fields__", ()))
    return {
        name: _parameters_of(inspect.unwrap(value)) if callable(value) else "property"
        for name, value in _own_attributes(kind)
        if name not in fields and (kind is not batchveo.Store or name in STORE)
    }


def _own_attributes(kind: type) -> Iterator[tuple[str, object]]:
    """What a class of ours defines for its users, whether itself or in a base that is ours."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("batchveo")]
    members = set(kind.__members__) if issubclass(kind, Enum) else set()
    names = {name for base in ours for name in vars(base) if not name.startswith("_")} - members - {"exit_status"}
    for name in sorted(names):
        value = inspect.getattr_static(kind, name)
        if isinstance(value, property) or callable(value) or isinstance(value, classmethod | staticmethod):
            yield name, getattr(kind, name) if isinstance(value, classmethod | staticmethod) else value


def _parameters_of(value: Callable[..., object]) -> str:
    """As in a ``def``, without ``self``."""
    signature = inspect.signature(value)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty, default=_Shown.of(parameter.default))
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


class _Shown:
    """A default, with a ``repr`` that is the same everywhere."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    @classmethod
    def of(cls, value: object) -> object:
        """Plain values as they are; of others that there is a default."""
        if value is inspect.Parameter.empty:
            return value
        if isinstance(value, Enum):
            return cls(f"{type(value).__name__}.{value.name}")
        if isinstance(value, PurePath):
            return cls(repr(value.as_posix()))
        if isinstance(value, tuple):
            return tuple(map(cls.of, value))
        return cls(repr(value) if value is None or isinstance(value, str | int | float) else "...")
