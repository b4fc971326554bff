"""The template of file names: folders and a name with ``{placeholders}``, the same for all jobs of a manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from batchveo.core.filenames import MOST_PIECES, safe_path
from batchveo.core.hints import suggest_closest
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.templates import Template, parse_template
from batchveo.manifest.vocabulary import Vocabulary

EXAMPLE = "{model}/{meta.style}/{name}"
OWN_FIELDS = ("name", "id", "model", "prompt", "repeat")
"""What every job has; parameters of its request and ``meta.KEY`` are the other fields."""

_META = "meta."
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_VIDEO_SUFFIX = ".mp4"


class FilenameTemplate:
    """A checked template: ``{model}/{meta.style}/{name}``. What fills it becomes a part of one name, never a folder."""

    def __init__(self, text: object, vocabulary: Vocabulary) -> None:
        """Raise ``Fault`` unless ``text`` is a relative path, without ``..``, of the fields that jobs have."""
        if not isinstance(text, str) or not text.strip():
            raise Fault(f"must be a text, not {shown(text)}", f"write it as '{EXAMPLE}'")
        template = parse_template(text)
        self._pieces = template.split("/")
        self._names = frozenset(template.names)
        _check_pieces(text, self._pieces)
        for name in template.names:
            _check_name(name, vocabulary)
        if not self._names:
            raise Fault(
                f"{shown(text)} has no placeholder: every video would have one name", f"write '{text}/{{name}}'"
            )

    def fill(self, *, request: str, meta: str, own: dict[str, object]) -> str:
        """The stem, with folders before it, of one job; ``request`` and ``meta`` are JSON, ``own`` its ``OWN_FIELDS``.

        Raises ``Fault`` if a field has no value.
        """
        values = {**json.loads(request), **own}
        if any(name.startswith(_META) for name in self._names):
            values |= {f"{_META}{key}": value for key, value in json.loads(meta).items()}
        for name in self._names:
            if values.get(name) in (None, ""):
                raise Fault(f"this job has no {name}", f"give it one, or take {{{name}}} out of the template")
        return safe_path([piece.filled(values) for piece in self._pieces])


def _check_pieces(text: str, pieces: Collection[Template]) -> None:
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:", text):
        raise Fault(f"{shown(text)} is no path within the output folder", "--output names the folder")
    if "\\" in text:
        raise Fault(f"{shown(text)} has a backslash", "write / between folders")
    if _CONTROL.search(text):
        raise Fault(f"{shown(text)} has a control character", "take it out")
    if text.lower().endswith(_VIDEO_SUFFIX):
        raise Fault(f"{shown(text)} ends in {_VIDEO_SUFFIX}, which is added to it", "take the ending out")
    if len(pieces) > MOST_PIECES:
        raise Fault(f"has {len(pieces)} folders and names", f"the most are {MOST_PIECES}")
    for piece in pieces:
        if not piece.names and "".join(map(str, piece.parts)).strip() in ("", ".", ".."):
            raise Fault(f"{shown(text)} has an empty name, . or .. between its slashes", f"write it as '{EXAMPLE}'")


def _check_name(name: str, vocabulary: Vocabulary) -> None:
    if name.startswith(_META) or name in OWN_FIELDS or name in vocabulary.parameters:
        return
    if vocabulary.any_model and "." not in name:
        return
    guess = suggest_closest(name, (*OWN_FIELDS, *vocabulary.parameters))
    own = ", ".join(f"{{{field}}}" for field in OWN_FIELDS)
    raise Fault(
        f"unknown placeholder {{{name}}}",
        f"{guess + ' ' if guess else ''}available: {own}, {{meta.KEY}}, and parameters such as {{seed}}",
    )
