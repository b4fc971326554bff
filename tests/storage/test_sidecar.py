"""Finished videos in a bucket that may not be listed, or is too large for that."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from batchveo.core.destination import BucketUrl
from batchveo.operations.recovery import recover_videos
from batchveo.sandbox import Settings
from batchveo.storage import sidecar
from batchveo.storage.base import at_once
from batchveo.storage.sidecar import list_sidecars
from batchveo.store import Store
from tests.helpers.virtual_run import Night, specs
from tests.storage.conftest import Bucket

pytestmark = pytest.mark.anyio
NOW = 1_900_000_000.0


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_cannot_be_listed_is_looked_for_by_name(bucket: Bucket, tmp_path: Path) -> None:
    """Credentials that may read and write need not be allowed to list."""
    night = Night(tmp_path, Settings(generation_median=0.0, log_lag=0.0))  # obstore takes real time
    await _put(bucket, night)
    with mock.patch.object(sidecar, "MOST_IN_A_BUCKET", 2), Store(tmp_path / "new.db") as store:
        with pytest.raises(OSError, match="more than 2 objects"):
            await list_sidecars(bucket.url)
        run = store.runs.begin_run(command="run", service="x", now=NOW)
        store.imports.add_jobs(specs(3), run=run, now=NOW)
        found = await recover_videos(store, bucket.url, run=run, now=NOW, sandbox=False, disk=at_once)
    assert len(found.taken_in) == 2
    assert [notice.warning for notice in found.list_notices(bucket.url)] == [True, False]


async def _put(bucket: Bucket, night: Night) -> None:
    """Two finished videos, put there as a run does."""
    from obstore.store import S3Store

    store = S3Store(bucket.name, prefix="my night", client_options={"allow_http": True})
    await night.run(specs(2), poll_rate=None)
    for path in (night.folder / "videos").iterdir():
        store.put(path.name, path.read_bytes())
    assert isinstance(bucket.url, BucketUrl)
