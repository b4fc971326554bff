"""The split of a dataset that a clip belongs to."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from batchveo.core.errors import UsageError
from batchveo.core.filenames import safe_stem
from batchveo.core.models import Job

TRAIN = "train"
PARTS = (TRAIN, "val", "test")
"""The names of the splits, in the order of the shares."""

_NAME = re.compile(r"[a-z0-9_]{1,64}")
_META = re.compile(r"meta\..+")
_WHOLE = 1e-9
_SPACE = 1 << 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitting:
    """How clips are split: by their own ``meta.split`` (``auto``), by shares, or not at all (``none``).

    With shares a clip's split follows from a hash of its group alone, so no clip changes its split when others are
    added. The group is its prompt (``by``), without regard to case and spaces: two videos of one prompt, which
    differ in their seed only, are in the same split. ``job`` splits every clip by itself, ``meta.KEY`` by that value.
    """

    how: str = "auto"
    by: str = "prompt"

    def __post_init__(self) -> None:
        if self.by not in ("prompt", "job") and not _META.fullmatch(self.by):
            raise UsageError(f"--split-by {self.by!r}: write prompt, job or meta.KEY")
        self.shares()

    def shares(self) -> tuple[float, ...] | None:
        """The shares of ``PARTS``, or ``None`` if ``how`` is no shares. Raises ``UsageError``."""
        return _parse_shares(self.how)

    def part_of(self, job: Job) -> str:
        """The name of the split, safe as a folder. Raises ``UsageError`` if ``meta.split`` is no such name."""
        shares = self.shares()
        if shares is not None:
            return _draw_part(self.group(job), shares)
        own = job.meta.get("split") if self.how == "auto" else None
        if own is None:
            return TRAIN
        name = str(own).strip().lower()  # Train and train would be one folder on macOS and Windows
        if not is_split_name(name):
            raise UsageError(
                f"meta.split of {job.name!r} is {own!r}: a split's name has letters, digits and _ only, and is "
                "neither all, which loaders take for every split, nor a device of Windows; "
                "fix the manifest and run it again, or give --split none"
            )
        return name

    def group(self, job: Job) -> str:
        """Clips of one group are in one split."""
        if self.by == "job":
            return job.id
        if self.by == "prompt":
            return " ".join(job.prompt.casefold().split())
        return json.dumps(job.meta.get(self.by.removeprefix("meta.")), sort_keys=True)


@lru_cache  # each clip asks for it
def _parse_shares(how: str) -> tuple[float, ...] | None:
    if how in ("auto", "none"):
        return None
    try:
        shares = tuple(float(share) for share in how.split("/"))
    except ValueError:
        shares = ()
    if not (1 <= len(shares) <= len(PARTS) and all(0 <= share <= 1 for share in shares)):
        raise UsageError(f"--split {how!r}: write auto, none, or shares like 0.9/0.05/0.05")
    if abs(sum(shares) - 1) > _WHOLE:
        raise UsageError(f"--split {how!r}: the shares make {sum(shares):g}, not 1")
    return shares


@lru_cache  # each row of an index asks for it
def is_split_name(name: str) -> bool:
    """Whether a split may have the name: as a folder on any system, and for every loader."""
    return bool(_NAME.fullmatch(name)) and name != "all" and safe_stem(name) == name


def _draw_part(group: str, shares: tuple[float, ...]) -> str:
    digest = hashlib.sha256(group.encode("utf-8", "surrogatepass")).digest()
    at = int.from_bytes(digest[:8], "big") / _SPACE  # the same point between 0 and 1 on every machine
    bounds = accumulate(shares)
    chosen = next((part for part, bound in zip(PARTS, bounds, strict=False) if at < bound), None)
    # The sum of shares may be a little below 1, and the point above it: then the last split with a share.
    return chosen or PARTS[max(index for index, share in enumerate(shares) if share)]
