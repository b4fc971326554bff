"""What taking in manifests came to, in words."""

from __future__ import annotations

from batchveo.core.events import Message, Reporter
from batchveo.core.formatting import format_count
from batchveo.core.hints import address_options, format_command
from batchveo.core.models import JobState
from batchveo.manifest import Summary
from batchveo.store import Added, Store


def report_import(reporter: Reporter, summary: Summary, added: Added, store: Store) -> None:
    """Say what moved in, what was there, and what a person should know of it."""
    done, cancelled = added.by_state.get(JobState.SUCCEEDED, 0), added.by_state.get(JobState.CANCELLED, 0)
    text = f"{format_count(added.named, 'job')} named: {added.new} new, {done} done already"
    if summary.choice_note:
        text = f"{summary.choice_note}: {added.new} new, {done} done already"
    if cancelled:
        back = format_command("retry", "--state-is", "cancelled", state=store.path)
        text += f", {cancelled} cancelled and skipped (`{back}` brings them back)"
    reporter(Message(text=text))
    if summary.repeated:
        first = f" ({summary.first_repeated})" if summary.first_repeated else ""
        text = f"{format_count(summary.repeated, 'job')} said word for word before; each is made and paid for{first}"
        reporter(Message(text=text, warning=True))
    if summary.shared_note:
        reporter(Message(text=summary.shared_note, warning=True))
    if added.renamed:
        reporter(Message(text=f"{format_count(added.renamed, 'job')} not submitted yet got a new name"))
    gone = ", ".join(f"{n} {state}" for state, n in added.no_longer_named.items())
    if gone:
        hint = ""
        if JobState.PENDING in added.no_longer_named:
            make = format_command("resume", state=store.path, service=address_options(store.runs.list_services()))
            drop = format_command("cancel", "JOB", state=store.path)
            hint = f"; the pending ones are left alone (`{make}` makes them, `{drop}` drops one)"
        reporter(Message(text=f"no longer named by the manifest: {gone}{hint}"))
