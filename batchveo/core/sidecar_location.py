"""Where the sidecars of videos in a folder stand: beside them, in a folder of their own, or nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

VIDEO_SUFFIX = ".mp4"
SIDECAR_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Sidecars:
    """``folder``: all of them stand there; ``None``: each beside its video. ``written``: whether there are any."""

    folder: Path | None = None
    written: bool = True

    @classmethod
    def named(cls, text: str | None) -> Sidecars:
        """What ``--sidecars`` says: a folder, from the current one, ``none``, ``beside``, or nothing.

        ``str()`` of what it returns says the same, in any folder.
        """
        if text in (None, "", "beside"):
            return BESIDE
        return NONE if text == "none" else cls(folder=Path(str(text)).expanduser().absolute())

    def __str__(self) -> str:
        if not self.written:
            return "none"
        return "beside" if self.folder is None else str(self.folder)

    def of(self, video: Path) -> Path | None:
        """Where the sidecar of ``video`` stands; ``None`` if none is written."""
        if not self.written:
            return None
        name = video.name.removesuffix(VIDEO_SUFFIX) + SIDECAR_SUFFIX
        return (video.parent if self.folder is None else self.folder) / name


BESIDE = Sidecars()
NONE = Sidecars(written=False)
