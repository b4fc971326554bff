"""Every statement by which a person looks through the jobs: a page at a time, never all."""

CARD = """seq, id, name, state, held, model, manifest, attempts, error, cost_usd, bytes, folder, file,
    generation_id, not_before, submitted_at, completed_at, finished_at, repeat_index,
    CAST(substr(CAST(json_extract(request, '$.prompt') AS TEXT), 1, :clip) AS BLOB) AS prompt,
    iif(json_type(request, '$.seed') = 'integer', json_extract(request, '$.seed'), NULL) AS seed,
    iif(json_type(meta, '$.split') = 'text', CAST(json_extract(meta, '$.split') AS BLOB), NULL) AS split"""
"""What a card shows of a job; the prompt in its first ``:clip`` characters.

What comes out of JSON comes as bytes: it may have halves of characters, which are no UTF-8 to Python.
"""

_MATCHES = """(:model IS NULL OR model = :model) AND (:manifest IS NULL OR manifest = :manifest)
    AND (:split IS NULL OR json_extract(meta, '$.split') = :split)
    AND (:hint IS NULL OR request LIKE :hint OR name LIKE :hint OR error LIKE :hint OR id LIKE :hint
         OR generation_id LIKE :hint)
    AND (NOT :searching
         OR mentions(name, CAST(json_extract(request, '$.prompt') AS BLOB), error, id, generation_id))"""
_IN_STATES = "state IN (SELECT value FROM json_each(:states))"
_ALL = _MATCHES
_COMMON_STATES = f"+{_IN_STATES} AND {_MATCHES}"  # the plus keeps the index out: a page is full after a few steps
# few jobs are in these states: an index finds them, where a walk through all jobs would take its time
_RARE_STATES = f"""seq IN (SELECT seq FROM jobs INDEXED BY jobs_by_state WHERE {_IN_STATES}) AND {_MATCHES}"""


def _older_and_newer(matches: str) -> tuple[str, str]:
    """A page in manifest order, and one from the end backwards; both go on beyond ``:after``."""
    return (
        f"SELECT {CARD} FROM jobs WHERE seq > :after AND {matches} ORDER BY seq LIMIT :most",
        f"SELECT {CARD} FROM jobs WHERE seq < :after AND {matches} ORDER BY seq DESC LIMIT :most",
    )


PAGE_OF_ALL = _older_and_newer(_ALL)
PAGE_OF_COMMON = _older_and_newer(_COMMON_STATES)
PAGE_OF_RARE = _older_and_newer(_RARE_STATES)
MATCHING_ALL = f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {_ALL} LIMIT :most)"
MATCHING_COMMON = f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {_COMMON_STATES} LIMIT :most)"
MATCHING_RARE = f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {_RARE_STATES} LIMIT :most)"

BY_STATE = f"""SELECT state, count(*) AS jobs FROM (SELECT state FROM jobs WHERE {_ALL} LIMIT :most) GROUP BY state"""

LATEST_EVENT = "SELECT coalesce(max(id), 0) FROM events"
MOVED_SINCE = f"""SELECT {CARD} FROM jobs WHERE seq IN (SELECT job FROM events WHERE id > :since) LIMIT :most"""
MODELS = "SELECT model AS value, count(*) AS jobs FROM jobs GROUP BY model ORDER BY jobs DESC LIMIT :most"
MANIFESTS = "SELECT manifest AS value, count(*) AS jobs FROM jobs GROUP BY manifest ORDER BY jobs DESC LIMIT :most"
SPLITS = """SELECT CAST(json_extract(meta, '$.split') AS BLOB) AS value, count(*) AS jobs FROM jobs
    WHERE json_type(meta, '$.split') = 'text' GROUP BY value ORDER BY jobs DESC LIMIT :most"""
# texts that differ only in an id are many: the commonest tell the causes
ERRORS = """SELECT coalesce(error, '') AS error, model, count(*) AS jobs, min(seq) AS example FROM jobs
    WHERE state = 'failed' GROUP BY error, model ORDER BY jobs DESC LIMIT :most"""
FOLDERS = """SELECT folder, count(*) AS jobs FROM (SELECT folder FROM jobs WHERE state = 'succeeded' LIMIT 10000)
    GROUP BY folder ORDER BY jobs DESC LIMIT 1"""
