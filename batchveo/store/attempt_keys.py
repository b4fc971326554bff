"""Which API key each attempt left with: fingerprints, under a secret that only this database has."""

from __future__ import annotations

from collections.abc import Mapping

from batchveo.core.models import Job
from batchveo.store.connection import Part
from batchveo.store.sql import UNSETTLED

KEYS_UNSETTLED = f"""SELECT coalesce(key_name, '') AS key, count(*) AS jobs FROM jobs
    WHERE state IN ({UNSETTLED}) GROUP BY key ORDER BY key"""

ROW = "SELECT secret FROM key_secret"
PRINT_OF = "SELECT key_print FROM attempts WHERE client_request_id = ?"
# any unsettled state -> the same: the key that it was bought with has another label now
RELABEL = f"""UPDATE jobs SET key_name = :label WHERE state IN ({UNSETTLED}) AND key_name IS NOT :label
    AND EXISTS (SELECT 1 FROM attempts
                WHERE attempts.client_request_id = jobs.client_request_id AND key_print = :print)"""
PRINTS_UNSETTLED = f"""SELECT attempts.key_print, count(*) AS jobs FROM jobs
    JOIN attempts ON attempts.client_request_id = jobs.client_request_id
    WHERE jobs.state IN ({UNSETTLED}) AND attempts.key_print IS NOT NULL GROUP BY attempts.key_print"""


class AttemptKeys(Part):
    """The API keys of attempts, by label and by fingerprint: ``ApiKey.fingerprint`` under ``read_secret``."""

    def read_secret(self) -> bytes:
        """Random bytes of this database, by which it tells keys apart without knowing them."""
        return bytes(self._db.execute(ROW).fetchone()["secret"])

    def find_fingerprint(self, job: Job) -> str | None:
        """The fingerprint of the key that the latest attempt of ``job`` left with; ``None`` where none is kept."""
        row = self._db.execute(PRINT_OF, (job.client_request_id,)).fetchone()
        return row["key_print"] if row else None

    def count_by_fingerprint(self) -> dict[str, int]:
        """How many jobs are under way or in doubt with each key, by its fingerprint, as far as that is kept."""
        return {row["key_print"]: row["jobs"] for row in self._db.execute(PRINTS_UNSETTLED)}

    def relabel_jobs(self, labels: Mapping[str, str]) -> None:
        """Let what is under way or in doubt go by the label that its key has now; ``labels`` by fingerprint.

        The empty label is that of an only key.
        """
        with self._transaction():
            for key_print, label in labels.items():
                self._db.execute(RELABEL, {"print": key_print, "label": label or None})

    def count_by_label(self) -> dict[str, int]:
        """How many jobs are under way or in doubt with each API key, by its label; empty for the only one."""
        return {row["key"]: row["jobs"] for row in self._db.execute(KEYS_UNSETTLED)}
