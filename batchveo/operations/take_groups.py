"""Groups of finished clips that people choose among: takes of one prompt that differ in one thing."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from batchveo.core.errors import UsageError
from batchveo.core.expressions import split_name
from batchveo.core.fields import META, REQUEST, Condition
from batchveo.core.job_row import canonical_json
from batchveo.core.models import find_prompt
from batchveo.store import Store
from batchveo.store.clip_figures import Clip

MOST_TOGETHER = 6
"""Clips of one group; more are shown in several groups."""
PLAIN_AXES = ("prompt", "repeat", "seed", "model")
MOST_VALUES = 50
"""A key with more values in all clips tells apart what should not be compared, such as scenes."""

_Sorter = Callable[[Clip, Mapping[str, object], Mapping[str, object]], tuple[Hashable, Hashable]]
"""What a clip shares with the others of its group, and what it should differ in, from it, its request and its meta."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeGroup:
    """Clips to choose among: the id of the first one, by which the group is found, and the numbers of all."""

    id: str
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeGroups:
    """The groups of all ``clips`` that were looked at, in manifest order; ``axes``: what one may group by.

    ``is_whole``: whether there was time for all clips.
    """

    groups: tuple[TakeGroup, ...]
    axes: tuple[str, ...]
    clips: int
    is_whole: bool


def group_takes(
    store: Store,
    by: str = "prompt",
    *,
    where: Condition | None = None,
    rejected: bool = False,
    seconds: float = float("inf"),
) -> TakeGroups:
    """Group finished clips that are alike but for ``by``; a group with one value of that is left out.

    ``prompt``: the same prompt, whatever else differs. ``repeat``: the same request, made several times. ``seed`` and
    other parameters: the same request but for that. ``model``: the same prompt, images and seed. ``meta.KEY``: the same
    model and the same ``meta`` but for that key, or the same prompt if there is no other. ``rejected``: also clips that
    their gates rejected. Raises ``UsageError`` if ``by`` is something else.
    """
    sort = _choose_sorter(by)
    found: dict[Hashable, list[Clip]] = defaultdict(list)
    differing: dict[Hashable, set[Hashable]] = defaultdict(set)
    values: dict[str, Counter[str]] = defaultdict(Counter)
    clips, until, whole = 0, time.monotonic() + seconds, True
    for page in store.figures.iter_clips(where=where, rejected=rejected):
        for clip in page:
            request, meta = json.loads(clip.request), json.loads(clip.meta)
            shared, value = sort(clip, request, meta)
            found[shared].append(clip)
            differing[shared].add(value)
            _count_values(values, REQUEST, request)
            _count_values(values, META, meta)
        clips += len(page)
        if time.monotonic() > until:
            whole = False
            break
    groups = (group for shared, alike in found.items() if len(differing[shared]) > 1 for group in _split(alike))
    return TakeGroups(
        groups=tuple(sorted(groups, key=lambda group: group.seqs[0])),
        axes=(*PLAIN_AXES, *_list_axes(values)),
        clips=clips,
        is_whole=whole,
    )


def _choose_sorter(by: str) -> _Sorter:
    parts = split_name(by)
    if by == "prompt":
        return lambda clip, request, meta: (find_prompt(request), clip.seq)  # noqa: ARG005 - one form for all axes
    if by == "repeat":
        return lambda clip, request, meta: (clip.request, clip.seq)  # noqa: ARG005
    if by == "model":
        return lambda clip, request, meta: (_find_inputs(request), clip.model)  # noqa: ARG005
    if len(parts) > 1 and parts[0] == META:
        return lambda clip, request, meta: _sort_by_meta(clip, request, meta, ".".join(parts[1:]))
    if parts and (len(parts) == 1 or parts[0] == REQUEST):
        name = ".".join(parts[1:] if parts[0] == REQUEST and len(parts) > 1 else parts)
        return lambda clip, request, meta: (  # noqa: ARG005
            canonical_json({**request, name: None}),
            canonical_json(request.get(name)),
        )
    raise UsageError(f"group clips by {', '.join(PLAIN_AXES)}, a parameter, or meta.KEY, not by {by!r}")


def _sort_by_meta(
    clip: Clip, request: Mapping[str, object], meta: Mapping[str, object], key: str
) -> tuple[Hashable, Hashable]:
    others = {name: value for name, value in meta.items() if name != key}
    shared = canonical_json(others) if others else find_prompt(request)
    return (clip.model, shared, key in meta), canonical_json(meta.get(key))


def _find_inputs(request: Mapping[str, object]) -> Hashable:
    """What a clip is made from, whatever else its model takes: the prompt, the images and videos, the seed."""
    inputs = {name: value for name, value in request.items() if name == "seed" or name.endswith(("url", "urls"))}
    return find_prompt(request), canonical_json(inputs)


def _count_values(values: dict[str, Counter[str]], kind: str, content: Mapping[str, object]) -> None:
    for name, value in content.items():
        counted = values[f"{kind}.{name}"]
        if isinstance(value, bool | int | float | str) and len(counted) <= MOST_VALUES and "." not in name:
            counted[str(value)[:200]] += 1


def _list_axes(values: Mapping[str, Counter[str]]) -> Iterable[str]:
    """The parameters and keys that differ, with few values; prompt, model and seed have names of their own."""
    plain = {f"{REQUEST}.{name}" for name in PLAIN_AXES}
    return sorted(name for name, counted in values.items() if name not in plain and 2 <= len(counted) <= MOST_VALUES)


def _split(alike: list[Clip]) -> Iterable[TakeGroup]:
    """Groups of nearly the same size."""
    parts = ceil(len(alike) / MOST_TOGETHER)
    bounds = [round(part * len(alike) / parts) for part in range(parts + 1)]
    for first, last in pairwise(bounds):
        chunk = alike[first:last]
        yield TakeGroup(id=chunk[0].id, seqs=tuple(clip.seq for clip in chunk))
