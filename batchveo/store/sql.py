"""Every statement that reads or moves the state.

A move names its from-state and its to-state; each of them compares before it sets, so that a job taken by
someone else in the meantime is left alone.
"""

from batchveo.core.models import JobState
from batchveo.store.mapping import list_states

COLUMNS = """seq, id, name, stem, state, held, model, request, repeat_index, meta, manifest, source, line,
    attempts, troubles, tries, tried, not_before, client_request_id, generation_id, video_url,
    url_expires_at, error, cost_usd, folder, file, bytes, sha256, created_at, submitted_at, doubted_at,
    completed_at, finished_at, key_name AS key,
    (SELECT service FROM runs WHERE runs.id = jobs.run) AS service"""

UNFINISHED = list_states(state for state in JobState if not state.is_complete)
"""States of jobs that a run can do something for."""
UNSETTLED = list_states(state for state in JobState if state.is_unsettled)
ACCEPTED = list_states(state for state in JobState if state.is_accepted)
TAKES_FROM = "(SELECT coalesce(takes_from, id) FROM runs WHERE id = :run)"
"""A run takes on the jobs of all runs from here to itself: so a million jobs are taken on by one row."""

# -- runs

BEGIN_RUN = """INSERT INTO runs (command, service, version, host, pid, started_at)
    VALUES (:command, :service, :version, :host, :pid, :now) RETURNING id"""
END_RUN = "UPDATE runs SET ended_at = :now, exit_status = :status WHERE id = :run"
OPEN_RUNS = """SELECT id, host, pid FROM runs WHERE ended_at IS NULL AND command IN ('run', 'resume')
    ORDER BY id DESC LIMIT 20"""
LAST_BUDGET = "SELECT budget_usd FROM runs WHERE command IN ('run', 'resume') AND id < :run ORDER BY id DESC LIMIT 1"
SET_BUDGET = "UPDATE runs SET budget_usd = :budget WHERE id = :run"
SET_OPTIONS = "UPDATE runs SET options = :options WHERE id = :run"
LAST_OPTIONS = "SELECT options FROM runs WHERE command IN ('run', 'resume') AND id < :run ORDER BY id DESC LIMIT 1"
_RUN = "SELECT id, command, service, host, pid, started_at, ended_at, exit_status, budget_usd FROM runs"
LATEST_RUN = f"{_RUN} ORDER BY id DESC LIMIT 1"
LATEST_WORK = f"{_RUN} WHERE command IN ('run', 'resume') ORDER BY id DESC LIMIT 1"
SERVICES = "SELECT DISTINCT service FROM runs"

# -- expanding: what the manifests name goes into a temporary table, is matched with the jobs, and moves in bulk

PREPARE = (
    # what repeats the column before it is left out: half of a large file's bytes
    """CREATE TEMP TABLE IF NOT EXISTS written (
        position INTEGER PRIMARY KEY, id TEXT, name TEXT, stem TEXT, fold TEXT, model TEXT, request TEXT,
        repeat_index INTEGER, meta TEXT, manifest TEXT, source TEXT, line INTEGER, inputs TEXT,
        tries INTEGER)""",
    """CREATE TEMP VIEW IF NOT EXISTS named AS
        SELECT position, id, name, coalesce(stem, name) AS stem, coalesce(fold, stem, name) AS fold, model,
               request, repeat_index, meta, manifest, coalesce(source, manifest) AS source, line, inputs, tries
        FROM temp.written""",
    "CREATE INDEX IF NOT EXISTS temp.written_inputs ON written (inputs) WHERE inputs IS NOT NULL",
    """CREATE TEMP TABLE IF NOT EXISTS known (
        seq INTEGER PRIMARY KEY, position INTEGER, state TEXT, edited INTEGER, left_over INTEGER)""",
    "CREATE INDEX IF NOT EXISTS temp.known_edited ON known (position) WHERE edited",
    "DELETE FROM temp.written",
    "DELETE FROM temp.known",
)
NAME = """INSERT INTO temp.written (id, name, stem, fold, model, request, repeat_index, meta, manifest, source,
    line, inputs, tries)
    VALUES (?1, ?2, nullif(?3, ?2), nullif(?4, ?3), ?5, ?6, ?7, ?8, ?9, nullif(?10, ?9), ?11, ?12, ?13)"""
NAMED_INPUTS = "SELECT DISTINCT inputs FROM temp.named WHERE inputs IS NOT NULL"
COUNT_NAMED = "SELECT count(*) FROM temp.written"
ATTACH_STATE = "ATTACH ? AS state"
DETACH_STATE = "DETACH state"
# the one look at every job that is named and known; the moves below go by what it found
MATCH = f"""INSERT OR IGNORE INTO temp.known
    SELECT jobs.seq, named.position, jobs.state,
           jobs.meta != named.meta OR jobs.tries IS NOT named.tries
               OR (jobs.name != named.name AND jobs.state = 'pending'),
           jobs.run != :run AND jobs.state IN ({UNFINISHED})
    FROM temp.named AS named CROSS JOIN jobs ON jobs.id = named.id ORDER BY named.position"""
KNOWN_BY_STATE = "SELECT state, count(*) AS jobs FROM temp.known GROUP BY state"
NO_LONGER_NAMED = """SELECT state, count(*) AS jobs FROM jobs
    WHERE (SELECT count(*) FROM jobs) > (SELECT count(*) FROM temp.known)
    AND seq NOT IN (SELECT seq FROM temp.known) AND manifest IN (SELECT DISTINCT manifest FROM temp.named)
    GROUP BY state"""
# pending -> pending: a manifest may rename what is not submitted yet, and re-label anything
RENAME_PENDING = """UPDATE OR IGNORE jobs SET name = named.name, stem = named.stem, fold = named.fold
    FROM temp.known CROSS JOIN temp.named USING (position)
    WHERE edited AND jobs.seq = known.seq AND jobs.state = 'pending' AND jobs.name != named.name"""
RELABEL = """UPDATE jobs SET meta = named.meta, tries = named.tries
    FROM temp.known CROSS JOIN temp.named USING (position)
    WHERE edited AND jobs.seq = known.seq AND (jobs.meta != named.meta OR jobs.tries IS NOT named.tries)"""
# pending -> pending: the run that names a job takes it on
TAKE_ON_NAMED = "UPDATE jobs SET run = :run WHERE seq IN (SELECT seq FROM temp.known WHERE left_over)"
TAKE_ON_ALL = "UPDATE runs SET takes_from = 0 WHERE id = :run"
# (any unsettled state) -> the same: what a manifest paid for is fetched, though this run chose other jobs of it
TAKE_ON_UNSETTLED = f"""UPDATE jobs SET run = :run WHERE state IN ({UNSETTLED})
    AND manifest IN (SELECT DISTINCT manifest FROM temp.named)"""
# what is cancelled counts too: `retry` may put it back while this run goes on, which named it or did not
NAMES_ALL = f"""SELECT (SELECT count(*) FROM temp.known WHERE left_over OR state = 'cancelled')
    = (SELECT sum(jobs) FROM tallies WHERE state IN ({UNFINISHED}, 'cancelled'))"""
# (none) -> pending
ADD_NAMED = """INSERT OR IGNORE INTO jobs
    (id, name, stem, fold, state, model, request, repeat_index, meta, manifest, source, line, tries,
     run, created_at)
    SELECT id, name, stem, fold, 'pending', model, request, repeat_index, meta, manifest, source, line, tries,
           :run, :now
    FROM temp.named WHERE position NOT IN (SELECT position FROM temp.known) ORDER BY position"""
NOT_ADDED = "SELECT * FROM temp.named WHERE id NOT IN (SELECT id FROM jobs) ORDER BY position"
ADD_ONE = """INSERT INTO jobs
    (id, name, stem, fold, state, model, request, repeat_index, meta, manifest, source, line, tries,
     run, created_at)
    VALUES (:id, :name, :stem, :fold, 'pending', :model, :request, :repeat_index, :meta, :manifest, :source,
            :line, :tries, :run, :now)"""
ADD_INPUT = "INSERT OR IGNORE INTO inputs (sha256, media_type, content) VALUES (?, ?, ?)"
HAS_INPUT = "SELECT 1 FROM inputs WHERE sha256 = ?"
INPUT = "SELECT media_type, content FROM inputs WHERE sha256 = ?"

# -- moving

NEXT_TO_CLAIM = f"""SELECT {COLUMNS} FROM jobs WHERE state = 'pending' AND held = 0 AND aside = 0
    AND run BETWEEN {TAKES_FROM} AND :run AND not_before <= :now
    AND model NOT IN (SELECT value FROM json_each(:refused)) ORDER BY run, seq LIMIT 1"""
# pending -> submitting; the attempt, with the price it reserves, is recorded in the same transaction
CLAIM = """UPDATE jobs SET state = 'submitting', attempts = attempts + 1, submitted_at = :now,
        client_request_id = 'bv.' || id || '.' || (attempts + 1) || '.' || :nonce, key_name = :key, error = NULL
    WHERE seq = :seq AND state = 'pending' RETURNING attempts, submitted_at, client_request_id, key_name AS key"""
# pending, about to become generating: the attempt that someone else made
ADOPT = f"""UPDATE jobs SET attempts = attempts + :new, client_request_id = :client_request_id,
        submitted_at = :now
    WHERE seq = :seq AND state = 'pending' RETURNING {COLUMNS}"""
# pending or in doubt, about to become generating: which key the service knows the generation by
SET_KEY = "UPDATE jobs SET key_name = :key WHERE seq = :seq AND state = :from_state AND attempts = :attempts"
ADD_ATTEMPT = """INSERT INTO attempts
    (job, run, number, client_request_id, started_at, price_usd, micros, key_name, key_print)
    VALUES (:job, :run, :number, :client_request_id, :now, :price_usd, :micros, :key, :key_print)"""
# submitting -> submitting: from here on the request may have arrived
MARK_SENT = """UPDATE attempts SET sent_at = :now WHERE client_request_id = :client_request_id
    AND EXISTS (SELECT 1 FROM jobs WHERE seq = :seq AND state = 'submitting'
                AND client_request_id = :client_request_id)"""
ATTEMPT = "SELECT 1 FROM attempts WHERE client_request_id = :client_request_id"
KEEP_STRAY = """UPDATE attempts SET generation_id = :generation_id
    WHERE client_request_id = :client_request_id AND generation_id IS NOT :generation_id"""
# an attempt that was taken to have bought nothing did: its price counts again
RESERVE_AGAIN = """UPDATE attempts SET micros = CAST(round(coalesce(price_usd, 0) * 1000000) AS INTEGER)
    WHERE client_request_id = :client_request_id AND micros = 0"""
SET_MICROS = "UPDATE attempts SET micros = :micros WHERE client_request_id = :client_request_id"
MICROS = "SELECT micros FROM money"
END_ATTEMPT = """UPDATE attempts SET ended_at = :now, outcome = :outcome, detail = :detail,
    generation_id = :generation_id WHERE client_request_id = :client_request_id"""
ADD_EVENT = """INSERT INTO events (job, run, at, from_state, to_state, detail)
    VALUES (:job, :run, :now, :from_state, :to_state, :detail)"""
# any state -> the state that states.next_state chose
MOVE = """UPDATE jobs SET run = CASE :state WHEN 'pending' THEN run ELSE coalesce(
            (SELECT id FROM runs WHERE id = :run AND jobs.run >= coalesce(takes_from, id)), run) END,
        state = :state, held = :held, troubles = :troubles, tried = :tried, not_before = :not_before,
        generation_id = :generation_id, video_url = :video_url, url_expires_at = :url_expires_at,
        error = :error, cost_usd = :cost_usd,
        folder = :folder, file = :file, bytes = :bytes, sha256 = :sha256, submitted_at = :submitted_at,
        doubted_at = :doubted_at, completed_at = :completed_at, finished_at = :finished_at
    WHERE seq = :seq AND state = :from_state AND attempts = :attempts"""
# succeeded -> succeeded: the same bytes at another place
PLACE = """UPDATE jobs SET folder = :folder, file = :file
    WHERE seq = :seq AND state = 'succeeded' AND sha256 = :sha256
    AND folder IS :old_folder AND file IS :old_file"""
LEFT_SUBMITTING = f"SELECT {COLUMNS} FROM jobs WHERE state = 'submitting' ORDER BY seq"
WAS_SENT = "SELECT sent_at IS NOT NULL FROM attempts WHERE client_request_id = :client_request_id"
# clocks differ between runs: no back-off may reach further than a run's own longest one
CLAMP_PENDING = """UPDATE jobs INDEXED BY jobs_put_off SET not_before = :now
    WHERE state = 'pending' AND not_before > 0 AND not_before > :latest"""
CLAMP_UNSETTLED = f"""UPDATE jobs SET not_before = :now
    WHERE state IN ({UNSETTLED}) AND not_before > :latest"""
# pending -> pending: what the service refuses for now is left alone, by this run or until it is tried again
PUT_JOB_ASIDE = "UPDATE jobs SET aside = :run, error = :words WHERE seq = :seq AND state = 'pending'"
PUT_MODEL_ASIDE = f"""UPDATE jobs SET aside = :run, error = :words WHERE state = 'pending' AND aside = 0
    AND model = :model AND run BETWEEN {TAKES_FROM} AND :run"""
TAKE_ONE_BACK = """UPDATE jobs SET aside = 0 WHERE seq = (SELECT seq FROM jobs
    WHERE aside = :run AND model = :model AND state = 'pending'
    ORDER BY attempts, seq * 2654435761 % 4294967296 LIMIT 1)"""  # from all over the manifest
TAKE_MODEL_BACK = """UPDATE jobs SET aside = 0, error = NULL
    WHERE aside = :run AND model = :model AND state = 'pending'
    AND seq NOT IN (SELECT value FROM json_each(:but))"""
TAKE_ALL_BACK = "UPDATE jobs SET aside = 0 WHERE aside != 0"
# (none) -> pending, in bulk: what the trigger on moves does not see
TALLY_NEW = "UPDATE tallies SET jobs = jobs + :new WHERE state = 'pending' AND held = 0"

# -- looking

ATTEMPTS = """SELECT job, client_request_id, generation_id, price_usd, outcome, started_at, key_name AS key
    FROM attempts ORDER BY id"""
KEYS_UNSETTLED = f"""SELECT coalesce(key_name, '') AS key, count(*) AS jobs FROM jobs
    WHERE state IN ({UNSETTLED}) GROUP BY key ORDER BY key"""
PENDING_MODELS = f"""SELECT DISTINCT model FROM jobs WHERE state = 'pending'
    AND (:run IS NULL OR run BETWEEN {TAKES_FROM} AND :run)"""
PENDING = "SELECT model, request FROM jobs WHERE state = 'pending'"
HAS_PENDING = "SELECT 1 FROM jobs WHERE state = 'pending' LIMIT 1"
JOB_BY_ID = f"SELECT {COLUMNS} FROM jobs WHERE id = :id"
ATTEMPTS_OF_JOB = """SELECT number, client_request_id, started_at, sent_at, ended_at, outcome, detail,
    generation_id, price_usd FROM attempts WHERE job = :seq ORDER BY number"""
# by their number, which is the order: the index of the states would have to be sorted for every page
SUCCEEDED_AFTER = f"""SELECT {COLUMNS} FROM jobs WHERE seq > :after AND +state = 'succeeded'
    ORDER BY seq LIMIT :most"""
DUE_PENDING = f"""SELECT 1 FROM jobs WHERE state = 'pending' AND held = 0 AND aside = 0
    AND run BETWEEN {TAKES_FROM} AND :run AND not_before <= :now
    AND model NOT IN (SELECT value FROM json_each(:refused)) LIMIT 1"""
NEXT_PENDING = f"""SELECT min(not_before) FROM jobs INDEXED BY jobs_put_off WHERE state = 'pending' AND held = 0
    AND aside = 0 AND run BETWEEN {TAKES_FROM} AND :run AND not_before > 0
    AND model NOT IN (SELECT value FROM json_each(:refused))"""
# what waits for another run or a person, by its words
PUT_ASIDE = f"""SELECT error, count(*) AS jobs FROM (
        SELECT error FROM jobs WHERE aside != 0 AND state = 'pending'
        UNION ALL SELECT error FROM jobs WHERE state IN ({ACCEPTED}) AND error IS NOT NULL)
    GROUP BY error ORDER BY jobs DESC, error LIMIT :most"""
# failed generations that may be made again, or whose price is reserved, until it is known what they were charged
UNSETTLED_FAILURES = f"""SELECT {COLUMNS} FROM jobs WHERE state = 'failed' AND generation_id IS NOT NULL
    AND cost_usd IS NULL AND (tried < coalesce(tries, :tries) OR (:reserved AND EXISTS (SELECT 1 FROM attempts
        WHERE attempts.client_request_id = jobs.client_request_id AND attempts.micros > 0)))
    AND run BETWEEN {TAKES_FROM} AND :run ORDER BY seq"""
JOBS = f"SELECT {COLUMNS} FROM jobs ORDER BY seq"
JOBS_IN_STATE = f"""SELECT {COLUMNS} FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE state = :state)
    ORDER BY seq"""
JOB = f"SELECT {COLUMNS} FROM jobs WHERE seq = :seq"
SAME_FILE = f"SELECT {COLUMNS} FROM jobs WHERE sha256 = :sha256 AND sha256 IS NOT NULL AND seq != :seq LIMIT 1"
UNPRICED = "SELECT seq, generation_id FROM jobs WHERE completed_at IS NOT NULL AND cost_usd IS NULL"
SET_COST = "UPDATE jobs SET cost_usd = :usd WHERE seq = :seq AND cost_usd IS NULL"
FIND = f"""SELECT {COLUMNS} FROM jobs WHERE id = :key OR name = :key OR generation_id = :key
    OR client_request_id = :key OR stem = :key ORDER BY seq LIMIT 2"""
FIND_PREFIX = f"SELECT {COLUMNS} FROM jobs WHERE id >= :key AND id < :after ORDER BY id LIMIT 2"
COUNTS = "SELECT state, held, jobs FROM tallies WHERE jobs > 0"
COUNTS_OF_RUN = f"""SELECT state, held, count(*) AS jobs FROM jobs
    WHERE state IN ({UNFINISHED}) AND run BETWEEN {TAKES_FROM} AND :run GROUP BY state, held
    UNION ALL SELECT state, held, count(*) FROM jobs
    WHERE state IN ('succeeded', 'cancelled') AND held = 0 AND run = :run GROUP BY state, held"""
SPEND = "SELECT spent, unpriced FROM money"
GENERATION_SECONDS = """SELECT completed_at - submitted_at AS seconds FROM jobs
    WHERE model = :model AND completed_at IS NOT NULL AND submitted_at IS NOT NULL
    ORDER BY completed_at DESC LIMIT :most"""
EVENTS_OF_JOB = "SELECT at, from_state, to_state, detail FROM events WHERE job = :seq ORDER BY id"
