"""Fragments of SQL that statements of several modules share."""

from batchveo.core.models import JobState
from batchveo.store.mapping import list_states

COLUMNS = """seq, id, name, stem, state, held, model, request, repeat_index, meta, manifest, source, line,
    attempts, troubles, tries, tried, not_before, client_request_id, generation_id, video_url,
    url_expires_at, error, cost_usd, folder, file, bytes, sha256, created_at, submitted_at, doubted_at,
    completed_at, finished_at, key_name AS api_key_label,
    (SELECT service FROM runs WHERE runs.id = jobs.run) AS service"""
UNFINISHED = list_states(state for state in JobState if not state.is_complete)
"""States of jobs that a run can do something for."""
UNSETTLED = list_states(state for state in JobState if state.is_unsettled)
ACCEPTED = list_states(state for state in JobState if state.is_accepted)
TAKES_FROM = "(SELECT coalesce(takes_from, id) FROM runs WHERE id = :run)"
"""A run takes on the jobs of all runs from here to itself: so a million jobs are taken on by one row."""
