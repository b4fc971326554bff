"""Finished videos in their storage."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from batchveo.core.destination import BucketUrl
from batchveo.storage import stored_video
from batchveo.storage.objects import Objects
from batchveo.storage.stored_video import find_flaw, local_copy, locate_video, size_of
from tests.storage.test_mp4 import WHOLE

URL = BucketUrl("s3://bucket/night")


@pytest.mark.parametrize(
    ("content", "recorded", "flaw"),
    [
        (WHOLE, WHOLE, None),
        (WHOLE[:-9], WHOLE, f"{len(WHOLE) - 9} bytes, recorded were {len(WHOLE)}"),
        (WHOLE[:-1] + b"?", WHOLE, "its content has changed since it was recorded"),
        (b"<" * len(WHOLE), WHOLE, "its content has changed since it was recorded"),
        (b"<" * 40, b"<" * 40, "not an MP4: it begins with '<<<<<<<<<<<<<<<<'"),
        (WHOLE[:-9], WHOLE[:-9], "an MP4 cut short: its mdat box ends 9 bytes later"),
        (None, WHOLE, "missing"),
    ],
)
def test_a_folder_and_a_bucket_show_the_same_flaw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, recorded: bytes, flaw: str | None
) -> None:
    """The hash is of the whole content, even if its first bytes are no video's."""
    store = MemoryStore()
    monkeypatch.setattr(stored_video, "open_objects", lambda url: Objects(url, store))
    monkeypatch.setattr("batchveo.storage.objects.READ_BYTES", 7)
    if content is not None:
        store.put("a.mp4", content)
        (tmp_path / "a.mp4").write_bytes(content)
    for place in (tmp_path, URL):
        video = locate_video(place, "a.mp4")
        assert find_flaw(video, len(recorded), hashlib.sha256(recorded).hexdigest()) == flaw
        if content is not None:
            assert size_of(video) == len(content)
            with local_copy(video) as path:
                assert path.read_bytes() == content
