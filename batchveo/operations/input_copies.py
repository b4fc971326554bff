"""Copies of the input files that clips were made from, as files beside a manifest."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterable
from pathlib import Path

from batchveo.core.errors import find_reason
from batchveo.engine.stages.clip_inspector import ClipInspector
from batchveo.manifest.problems import Fault
from batchveo.storage.file_system import replace_file
from batchveo.store import Store
from batchveo.store.links import FRAME_TYPE, describe_part

NOT_KEPT = "the frame that it was made from is not kept, and the video that had it was replaced"
PROMOTE_ANOTHER = "promote another clip"
_DIGITS = 16


def find_media_type(store: Store, sha256: str) -> str | None:
    """The media type of an input file of a job; ``None`` if its content is nowhere.

    The database keeps it, but for frames: it drops these once all that was made from them is there, and they can be
    taken again from their videos.
    """
    kept = store.imports.find_media_type(sha256)
    if kept is None and store.links.find_frame_source(sha256) is not None:
        return FRAME_TYPE
    return kept


async def copy_inputs(
    store: Store, clips: ClipInspector, wanted: Iterable[str], folder: Path, report: Callable[[str, Fault], None]
) -> dict[str, Path]:
    """Write input files, given by their SHA-256, into ``folder``; frames that are not kept are taken again.

    Returns their paths; ``report`` gets the others, with what is wrong. Raises ``OSError`` if one cannot be written.
    """
    copies: dict[str, Path] = {}
    for sha256 in wanted:
        try:
            media_type, content = await _read_input(store, clips, sha256)
        except Fault as fault:
            report(sha256, fault)
            continue
        copies[sha256] = _write_copy(folder, media_type, content)
    return copies


def _write_copy(folder: Path, media_type: str, content: bytes) -> Path:
    """Write a file named by what is in it: another version of PyAV may write a frame otherwise."""
    name = hashlib.sha256(content).hexdigest()[:_DIGITS]
    path = folder / f"{name}{mimetypes.guess_extension(media_type) or ''}"
    with replace_file(path) as part:
        part.write_bytes(content)
    return path


async def _read_input(store: Store, clips: ClipInspector, sha256: str) -> tuple[str, bytes]:
    """Media type and content of an input file. Raises ``Fault``."""
    kept = store.imports.find_input_file(sha256)
    if kept is not None:
        return kept
    source = store.links.find_frame_source(sha256)
    if source is None:
        raise Fault(NOT_KEPT, PROMOTE_ANOTHER)
    job, part = source
    try:
        return FRAME_TYPE, await clips.take_frame(job, part)
    except OSError as error:
        reason = find_reason(error)
        raise Fault(f"{describe_part(part)} of {job.name!r} cannot be taken again: {reason}", PROMOTE_ANOTHER) from None
