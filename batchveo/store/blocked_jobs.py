"""Which jobs are blocked: those that wait for a video that nobody makes any more. In SQL, for other statements."""

from __future__ import annotations

from batchveo.store.mapping import UNSETTLED
from batchveo.store.votes import PICKED, REFUSED

HAS_TAKE = """EXISTS (SELECT 1 FROM jobs AS take WHERE (take.seq = links.parent OR take.take_of = links.parent)
    AND take.take >= links.from_take AND ({}))"""
"""Whether ``links.parent`` has a ``take`` that this is true of, without those that may not fill the link."""
# not by the index of states: SQLite would look at all videos for each take
IS_GOOD = f"""(+take.state = 'succeeded'
    AND (take.seq IN ({PICKED}) OR (take.verdict IS NOT 'rejected' AND take.seq NOT IN ({REFUSED}))))"""
"""Whether the clip of ``take`` counts: people decide before gates."""
_MAY_BE_GOOD = f"take.state IN ({UNSETTLED}) OR {IS_GOOD}"
MAY_BE_MADE = f"take.state = 'pending' OR {_MAY_BE_GOOD}"
IS_LIVE = HAS_TAKE.format(MAY_BE_MADE)
"""Whether ``links.parent`` may still become a good parent: not each of its takes is failed, cancelled or rejected."""
WAITS_FOR_NOTHING = HAS_TAKE.format(f"(take.state = 'pending' AND take.waits = 0) OR {_MAY_BE_GOOD}")
"""The same, without takes that wait for the video of another job themselves."""
# the first takes of all families of which a take has ended without a good clip, if anything waits for any; the second
# parent of a job may be in no chain itself
_WAITED_FOR = "EXISTS (SELECT 1 FROM links INDEXED BY links_open WHERE value IS NULL)"
_ENDED = f"""SELECT coalesce(take_of, seq) FROM jobs INDEXED BY jobs_by_state
        WHERE state IN ('failed', 'cancelled') AND {_WAITED_FOR}
    UNION SELECT coalesce(take_of, seq) FROM jobs INDEXED BY jobs_rejected
        WHERE verdict = 'rejected' AND state = 'succeeded' AND {_WAITED_FOR}
    UNION SELECT coalesce(take_of, seq) FROM jobs WHERE seq IN ({REFUSED}) AND {_WAITED_FOR}"""
# of a link that waits for a new take of its parent, the takes before it may be good
_CAUSE = """coalesce((SELECT seq FROM jobs AS take WHERE links.from_take > 1 AND take.take_of = links.parent
        AND take.take >= links.from_take ORDER BY take LIMIT 1), links.parent)"""
BLOCKED = f"""WITH RECURSIVE ended (seq) AS ({_ENDED}), blocked (seq, cause) AS (
        SELECT links.child, {_CAUSE} FROM ended CROSS JOIN links ON links.parent = ended.seq
        CROSS JOIN jobs ON jobs.seq = links.child
        WHERE links.value IS NULL AND jobs.state = 'pending' AND NOT {IS_LIVE}
        UNION SELECT links.child, blocked.cause FROM blocked CROSS JOIN jobs AS parents ON parents.seq = blocked.seq
        CROSS JOIN links ON links.parent = coalesce(parents.take_of, parents.seq)
        CROSS JOIN jobs ON jobs.seq = links.child
        WHERE links.value IS NULL AND jobs.state = 'pending' AND NOT {WAITS_FOR_NOTHING})"""
"""The start of a statement: ``blocked`` has the jobs (``seq``) that wait for a parent that is not live, and those that
wait for them; ``cause`` is the parent that is to blame (of several takes the first that counts), or each of them. It
begins at the few parents that have ended: looking at each link takes half a second for 600,000."""
# by its own index: by another one, SQLite would read the rows of all pending jobs
WAITING = "FROM jobs INDEXED BY jobs_waiting WHERE state = 'pending' AND waits > 0"
"""The end of a statement: all jobs that wait, with the blocked ones."""
