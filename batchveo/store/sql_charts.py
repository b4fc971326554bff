"""The statements behind the charts.

Events are numbered in the order they happened, so a stretch of time is a range of their ids: no statement here
sorts the history or needs an index on its times.
"""

RUN_SPANS = """SELECT id, host, pid, started_at, ended_at, budget_usd FROM runs
    WHERE command IN ('run', 'resume') ORDER BY id DESC LIMIT :most"""
MONEY = "SELECT micros, spent FROM money"
# the newest event with the tallies it led to, in one look: a run may go on meanwhile
STANDING = """SELECT (SELECT coalesce(max(id), 0) FROM events) AS newest, state, sum(jobs) AS jobs
    FROM tallies GROUP BY state"""

EVENT_AT = "SELECT at FROM events WHERE id >= :id ORDER BY id LIMIT 1"
ATTEMPT_AT = "SELECT started_at FROM attempts WHERE id >= :id ORDER BY id LIMIT 1"
NEWEST_ATTEMPT = "SELECT coalesce(max(id), 0) FROM attempts"

MOVES = """SELECT from_state, to_state, count(*) AS moves FROM events WHERE id > :after AND id <= :upto
    GROUP BY from_state, to_state"""
# how far above its level at the beginning the number of generations rose
PEAK = """SELECT max(level) FROM (
    SELECT sum(iif(to_state = 'generating', 1, -1)) OVER (ORDER BY id) AS level FROM events
    WHERE id > :after AND id <= :upto AND (from_state = 'generating') != (to_state = 'generating'))"""
COMMITTED = "SELECT coalesce(sum(micros), 0) FROM attempts WHERE id > :after AND id <= :upto"

# every so-many-th job that moved, with all its moves
MOVES_OF_JOBS = """WITH shown AS MATERIALIZED (
        SELECT DISTINCT job FROM events WHERE id > :after AND id <= :upto AND job % :every = 0)
    SELECT events.job, at, from_state, to_state FROM shown CROSS JOIN events ON events.job = shown.job
    WHERE events.id > :after AND events.id <= :upto ORDER BY events.job, events.id LIMIT :most"""
NAMES = "SELECT seq, name, model FROM jobs WHERE seq IN (SELECT value FROM json_each(:jobs))"

# each model by one step through the index, however many videos it has made
MODELS = """WITH RECURSIVE made (model) AS (
        SELECT min(model) FROM jobs WHERE completed_at IS NOT NULL
        UNION ALL SELECT (SELECT min(model) FROM jobs WHERE completed_at IS NOT NULL AND model > made.model)
        FROM made WHERE made.model IS NOT NULL)
    SELECT model FROM made WHERE model IS NOT NULL"""
COSTS = """SELECT coalesce(sum(CAST(round(cost_usd * 1e6) AS INTEGER)), 0) AS micros,
        coalesce(sum(cost_usd IS NULL), 0) AS unpriced
    FROM jobs WHERE model IN (SELECT value FROM json_each(:models))
    AND completed_at IS NOT NULL AND completed_at >= :since AND completed_at < :until"""
COMPLETED = """SELECT count(*) FROM jobs
    WHERE model = :model AND completed_at IS NOT NULL AND completed_at >= :since AND completed_at <= :until"""
SECONDS = """SELECT completed_at - submitted_at AS seconds FROM jobs
    WHERE model = :model AND completed_at IS NOT NULL AND completed_at >= :since AND completed_at <= :until
    AND submitted_at IS NOT NULL ORDER BY completed_at DESC LIMIT :most"""
