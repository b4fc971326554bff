"""The API key of each attempt, as a fingerprint under a secret that only this database has."""

from __future__ import annotations

from collections.abc import Mapping

from batchveo.core.models import Job
from batchveo.store.database import Part
from batchveo.store.mapping import UNSETTLED

COUNT_BY_LABEL = f"""SELECT coalesce(key_name, '') AS key, count(*) AS jobs FROM jobs
    WHERE state IN ({UNSETTLED}) GROUP BY key ORDER BY key"""

HASH_KEY = "SELECT secret FROM key_secret"
FINGERPRINT_OF = "SELECT key_print FROM attempts WHERE client_request_id = ?"
# any unsettled state -> the same: the key of its attempt has another label now
RELABEL = f"""UPDATE jobs SET key_name = :label WHERE state IN ({UNSETTLED}) AND key_name IS NOT :label
    AND EXISTS (SELECT 1 FROM attempts
                WHERE attempts.client_request_id = jobs.client_request_id AND key_print = :print)"""
COUNT_BY_FINGERPRINT = f"""SELECT attempts.key_print, count(*) AS jobs FROM jobs
    JOIN attempts ON attempts.client_request_id = jobs.client_request_id
    WHERE jobs.state IN ({UNSETTLED}) AND attempts.key_print IS NOT NULL GROUP BY attempts.key_print"""


class AttemptKeys(Part):
    """The API keys of attempts, by label and by fingerprint: ``ApiKey.fingerprint`` under ``read_secret``."""

    def read_secret(self) -> bytes:
        """Random bytes of this database, by which fingerprints tell keys apart."""
        return bytes(self._db.execute(HASH_KEY).fetchone()["secret"])

    def find_fingerprint(self, job: Job) -> str | None:
        """The fingerprint of the key of the latest attempt of ``job``; ``None`` if none is kept."""
        row = self._db.execute(FINGERPRINT_OF, (job.client_request_id,)).fetchone()
        return row["key_print"] if row else None

    def count_by_fingerprint(self) -> dict[str, int]:
        """How many unsettled jobs each key has, by its fingerprint, without attempts that have none."""
        return {row["key_print"]: row["jobs"] for row in self._db.execute(COUNT_BY_FINGERPRINT)}

    def relabel_jobs(self, labels: Mapping[str, str]) -> None:
        """Give unsettled jobs the label that their key has now; ``labels`` by fingerprint, empty for an only key."""
        with self._transaction():
            for key_print, label in labels.items():
                self._db.execute(RELABEL, {"print": key_print, "label": label or None})

    def count_by_label(self) -> dict[str, int]:
        """How many unsettled jobs each API key has, by its label; empty for an only key."""
        return {row["key"]: row["jobs"] for row in self._db.execute(COUNT_BY_LABEL)}
