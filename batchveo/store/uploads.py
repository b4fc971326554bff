"""Input files in a bucket of the user, where the service fetches them: which jobs they are there for.

A row is written before its object, so that a process that dies in between leaves nothing that nobody knows of.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from hmac import digest
from typing import NamedTuple

from batchveo.core.models import Job
from batchveo.store.attempt_keys import HASH_KEY
from batchveo.store.database import Part

ADD = "INSERT OR IGNORE INTO uploads (bucket, name, job) VALUES (:bucket, :name, :job)"
HAS_ANY = "SELECT EXISTS (SELECT 1 FROM uploads)"
# the service has fetched an input once its generation has ended; a pending job may be submitted again at any moment
UNNEEDED = """SELECT bucket, uploads.name FROM uploads CROSS JOIN jobs ON jobs.seq = uploads.job
    WHERE bucket NOT IN (SELECT value FROM json_each(:without)) GROUP BY bucket, uploads.name
    HAVING NOT max(jobs.state IN ('pending', 'submitting', 'in_doubt', 'generating')) LIMIT :most"""
FORGET = "DELETE FROM uploads WHERE bucket = :bucket AND name = :name"
TAG_DIGITS = 12


class UploadedFile(NamedTuple):
    """An object that may exist: its ``name`` under the URL ``bucket``."""

    bucket: str
    name: str


class Uploads(Part):
    """Which inputs may be in which bucket."""

    def read_tag(self) -> str:
        """A word for this database: what it uploads is apart from what others put into the same bucket, and remove."""
        secret = bytes(self._db.execute(HASH_KEY).fetchone()["secret"])
        return digest(secret, b"uploads", "sha256").hex()[:TAG_DIGITS]

    def add_use(self, file: UploadedFile, job: Job) -> None:
        """Note that a file is about to be uploaded for ``job``, or to be used by it."""
        with self._transaction():
            self._db.execute(ADD, {**file._asdict(), "job": job.seq})

    def has_any(self) -> bool:
        """Whether anything may be in a bucket."""
        return bool(self._db.execute(HAS_ANY).fetchone()[0])

    def list_unneeded(self, *, most: int, without: Collection[str] = ()) -> list[UploadedFile]:
        """Files that no job needs any more, at most so many; none in the buckets of ``without``."""
        wanted = {"most": most, "without": json.dumps(list(without))}
        return [UploadedFile(row["bucket"], row["name"]) for row in self._db.execute(UNNEEDED, wanted)]

    def forget_file(self, file: UploadedFile) -> None:
        """Forget a file that was removed."""
        with self._transaction():
            self._db.execute(FORGET, file._asdict())
