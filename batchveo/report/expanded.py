"""What taking in manifests came to, in words."""

from __future__ import annotations

from batchveo.events import Noted, Reporter
from batchveo.manifest import Summary
from batchveo.models import JobState
from batchveo.report.words import counted
from batchveo.store import Added


def say_expanded(reporter: Reporter, summary: Summary, added: Added) -> None:
    """Say what moved in, what was there, and what a person should know of it."""
    done, cancelled = added.by_state.get(JobState.SUCCEEDED, 0), added.by_state.get(JobState.CANCELLED, 0)
    text = f"{counted(added.named, 'job')} named: {added.new} new, {done} done already"
    if cancelled:
        text += f", {cancelled} cancelled and skipped (`batchveo retry JOB` brings them back)"
    reporter(Noted(text=text))
    if summary.repeated:
        first = f" ({summary.first_repeated})" if summary.first_repeated else ""
        text = f"{counted(summary.repeated, 'job')} said word for word before; each is made and paid for{first}"
        reporter(Noted(text=text, warning=True))
    if summary.shared_note:
        reporter(Noted(text=summary.shared_note, warning=True))
    if added.renamed:
        reporter(Noted(text=f"{counted(added.renamed, 'job')} not submitted yet got a new name"))
    gone = ", ".join(f"{n} {state}" for state, n in added.no_longer_named.items())
    if gone:
        hint = ""
        if JobState.PENDING in added.no_longer_named:
            hint = "; the pending ones are left alone (`batchveo resume` makes them, `batchveo cancel` drops them)"
        reporter(Noted(text=f"no longer named by the manifest: {gone}{hint}"))
