"""Keys in braces that are none: ``{prompt: A cat, a dog}`` has the key "a dog", but a text was meant."""

from __future__ import annotations

import yaml

from batchveo.manifest.formats.yaml_marks import end_of, start_of
from batchveo.manifest.problems import Fault, shown_bare

_NO_KEY = "is no key"


def is_lone(key: yaml.Event, value: yaml.Event) -> bool:
    """Whether a key in braces stands without a colon: its empty value has no place of its own."""
    if not isinstance(value, yaml.ScalarEvent) or value.value or value.anchor or not value.implicit[0]:
        return False
    return start_of(value) == end_of(key) or " " in getattr(key, "value", "")


def lone_fault(key: str, previous: str, line: int) -> Fault:
    """What to say of such a key; ``previous`` is the one before it, whose text the comma cut, if there is one."""
    if previous:
        right = f"does the {previous} need quotes? in {{…}} a comma ends a text"
    else:
        right = f"a placeholder takes quotes: '{{{shown_bare(key, 40)}}}'; a key takes a colon and a value"
    return Fault(_NO_KEY, right, line=line, field=key)
