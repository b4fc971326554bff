"""The videos of an export as files of this machine: those of a bucket are fetched first, one by one."""

from __future__ import annotations

import shutil
from pathlib import Path

from batchveo.core.models import Job
from batchveo.core.sidecar_location import VIDEO_SUFFIX
from batchveo.storage.file_system import rename_file, sync_path
from batchveo.storage.stored_video import BucketVideo, StoredVideo

ASIDE = ".fetching"
"""The folder in the dataset that holds what is on its way; empty between two clips, gone at the end."""


class Fetching:
    """Brings videos of buckets into ``folder``; those that are files stay where they are. Close it at the end."""

    def __init__(self, folder: Path) -> None:
        self._aside = folder / ASIDE
        self.close()  # what a death left

    def path(self, video: StoredVideo, job: Job) -> Path:
        """Where the video is, or will be once it was fetched."""
        return self._aside / f"{job.id}{VIDEO_SUFFIX}" if isinstance(video, BucketVideo) else video.absolute()

    def bring(self, video: StoredVideo, path: Path) -> None:
        """Fetch the video of a bucket; raises ``OSError``."""
        if isinstance(video, BucketVideo):
            self._aside.mkdir(exist_ok=True)
            path.unlink(missing_ok=True)
            video.copy_to(path, video.read_head())

    def close(self) -> None:
        """Take away what is left."""
        shutil.rmtree(self._aside, ignore_errors=True)


def settle(path: Path, target: Path) -> None:
    """Give a fetched file its place in the dataset, on disk for good."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sync_path(path)
    rename_file(path, target)
