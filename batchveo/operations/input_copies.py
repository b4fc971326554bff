"""Copies of the input files that clips were made from, as files beside a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from batchveo.core.errors import UsageError, find_reason
from batchveo.engine.stages.clip_inspector import ClipInspector
from batchveo.storage.file_system import replace_file
from batchveo.store import Store
from batchveo.store.links import FRAME_TYPE, describe_part

NOT_KEPT = "the frame that it was made from is not kept, and the video that had it was replaced"


def find_media_type(store: Store, sha256: str) -> str | None:
    """The media type of an input file of a job; ``None`` if its content is nowhere.

    The database keeps it, but for frames: it drops these once all that was made from them is there, and they can be
    taken again from their videos.
    """
    kept = store.imports.find_media_type(sha256)
    if kept is None and store.links.find_frame_source(sha256) is not None:
        return FRAME_TYPE
    return kept


async def copy_inputs(store: Store, clips: ClipInspector, paths: Mapping[str, Path]) -> None:
    """Write input files, given by their SHA-256, to these paths; frames that are not kept are taken again.

    Raises ``OSError`` if one cannot be written, ``UsageError`` if its content cannot be had.
    """
    for sha256, path in paths.items():
        content = await _read_content(store, clips, sha256)
        path.parent.mkdir(exist_ok=True)
        with replace_file(path) as part:
            part.write_bytes(content)


async def _read_content(store: Store, clips: ClipInspector, sha256: str) -> bytes:
    kept = store.imports.find_input_file(sha256)
    if kept is not None:
        return kept[1]
    source = store.links.find_frame_source(sha256)
    if source is None:
        raise UsageError(NOT_KEPT)
    job, part = source
    try:
        return await clips.take_frame(job, part)
    except OSError as error:
        why = f"{describe_part(part)} of {job.name!r} cannot be taken again: {find_reason(error)}"
        raise UsageError(f"{why}; put the video back, or leave the parameter out by --drop") from None
