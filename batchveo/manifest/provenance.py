"""Whether a request says by itself what makes its video: no prompt that is rewritten, no provider that floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from batchveo.manifest.problems import Fault
from batchveo.manifest.validation import Rule
from batchveo.provider.catalog import Model

_FLOATING: Mapping[str, tuple[object, str, str]] = {
    "auto_fix": (True, "lets the service rewrite the prompt", "write auto_fix: false"),
    "enhance_prompt": (True, "lets the service rewrite the prompt", "write enhance_prompt: false"),
    "provider": ("auto", "leaves open who makes the video", "write provider: google, or provider: fal"),
}
"""For each parameter: the value that leaves something open, what that does, and what to write instead."""


def make_strict(name: str, rule: Rule) -> Rule:
    """The rule, but refusing a value that leaves open what makes the video."""
    return replace(rule, accept=_refuse_floating(name, rule.accept)) if name in _FLOATING else rule


def find_floating(model: Model | None) -> Iterator[tuple[str, Fault]]:
    """What a request to this model leaves open where it does not say it, with the fault of each parameter."""
    if model is None:
        yield (
            "model",
            Fault(
                "is not in the catalogue: nobody knows what it does to a prompt",
                "name a model that batchveo models lists",
            ),
        )
        return
    for name, (value, harm, instead) in _FLOATING.items():
        if name in model.params and model.params[name].default == value:
            yield name, Fault(f"is absent, and its default {_write_value(value)} {harm}", instead)


def _refuse_floating(name: str, accept: Callable[[object], object]) -> Callable[[object], object]:
    value, harm, instead = _FLOATING[name]

    def accept_fixed(written: object) -> object:
        accepted = accept(written)
        if accepted == value:
            raise Fault(f"{_write_value(value)} {harm}", instead)
        return accepted

    return accept_fixed


def _write_value(value: object) -> str:
    return str(value).lower()
