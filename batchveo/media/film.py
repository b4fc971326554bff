"""Joins clips to a film: the picture is copied if all clips agree, else encoded anew; the sound is mixed at seams."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from batchveo.core.errors import find_reason
from batchveo.core.films import Film, FilmClip
from batchveo.core.links import GENERATION, VIDEO
from batchveo.media.film_clips import Source, read_source
from batchveo.media.film_tracks import CopiedPicture, CopiedSound, EncodedPicture, MixedSound
from batchveo.media.seams import begins_with, is_repeated, is_same_frame

if TYPE_CHECKING:
    from av import Packet

_NEARLY = 1e-6
"""Seconds: the times of frames are not as exact as written."""


def join_clips(clips: Sequence[FilmClip], target: Path) -> Film:
    """Write the film to ``target``, an MP4 file that is complete only once this returns.

    Each clip is a chapter. A frame that a clip repeats of the one before is shown once; of a clip that the next one
    contains as a whole, only the next is taken; of one that goes on from an earlier frame, only so much is shown.
    Raises ``OSError`` if a clip cannot be read, with the clip's name, or the film cannot be written.
    """
    sources = _read_sources(clips)
    shown = [source for source in sources if source.frames]
    is_copied = all(source.can_follow(shown[0]) for source in shown)
    chapters = [source.chapter for source in sources]
    seconds = shown[-1].begin + shown[-1].seconds
    try:
        with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as output:
            picture = CopiedPicture(output, shown) if is_copied else EncodedPicture(output, shown)
            tracks = [picture.list_packets()]
            if any(source.has_sound for source in shown):
                can_copy = is_copied and len(shown) == 1 and shown[0].has_plain_sound
                sound = CopiedSound(output, shown[0]) if can_copy else MixedSound(output, shown)
                tracks.append(sound.list_packets())
            output.set_chapters(_list_chapters(sources, seconds))
            for packet in merge(*tracks, key=_time_of):
                output.mux(packet)
    except av.FFmpegError as error:
        raise OSError(error.errno, f"the film cannot be written: {find_reason(error)}", str(target)) from None
    return Film(
        seconds=float(seconds),
        frames=sum(source.frames for source in shown),
        begins=tuple(map(float, chapters)),
        is_copied=is_copied,
    )


def _time_of(packet: Packet[Any]) -> Fraction:
    return (packet.dts or 0) * Fraction(packet.time_base or 1)


def _read_sources(clips: Sequence[FilmClip]) -> list[Source]:
    """What the film shows of each clip, and where."""
    sources: list[Source] = []
    for clip in clips:
        source = read_source(clip)
        if sources:
            _find_seam(sources[-1], source)
            sources[-1].look.thumbnails.clear()  # there may be a thousand clips
        sources.append(source)
    at = Fraction(0)
    for source in sources:
        source.begin = at
        at += source.seconds
    return sources


def _find_seam(before: Source, after: Source) -> None:
    """Take out of ``before`` what ``after`` shows, too."""
    part, old, new = after.clip.part, before.look.thumbnails, after.look.thumbnails
    if part in (VIDEO, GENERATION):
        if begins_with(new, old):
            before.frames, after.inside = 0, before.end
        elif is_repeated(old, new[0]):
            before.frames -= 1
        return
    with suppress(TypeError, ValueError):  # of all parts only seconds are a number
        until = float(part or "") + _NEARLY
        before.frames = sum(time <= until for time in before.times.values())
    if part is not None and is_same_frame(old[before.frames - 1], new[0]):
        before.frames -= 1


def _list_chapters(sources: Sequence[Source], seconds: Fraction) -> list[Any]:
    begins = [source.chapter for source in sources]
    return [
        {
            "id": number,
            "start": round(begin * 1000),
            "end": round(end * 1000),
            "time_base": Fraction(1, 1000),
            "metadata": {"title": source.clip.title},
        }
        for number, (source, begin, end) in enumerate(zip(sources, begins, [*begins[1:], seconds], strict=True))
        if end > begin
    ]
