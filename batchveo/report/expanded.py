"""What taking in manifests came to, in words."""

from __future__ import annotations

from batchveo.events import Noted, Reporter
from batchveo.files import SUFFIX, made_by_job, read_sidecar
from batchveo.kept import BucketVideo
from batchveo.manifest import Summary
from batchveo.models import JobState
from batchveo.places import BucketUrl, Place
from batchveo.report.words import counted
from batchveo.store import Added, Store

LOOKED_AT = 1000
"""Jobs not submitted yet whose files are looked for; a slip in ``--state`` shows at the first of them."""
LOOKED_AT_IN_A_BUCKET = 20
"""The same where each look is a request over the network."""


def say_expanded(reporter: Reporter, summary: Summary, added: Added) -> None:
    """Say what moved in, what was there, and what a person should know of it."""
    done, cancelled = added.by_state.get(JobState.SUCCEEDED, 0), added.by_state.get(JobState.CANCELLED, 0)
    text = f"{counted(added.named, 'job')} named: {added.new} new, {done} done already"
    if summary.choice_note:
        text = f"{summary.choice_note}: {added.new} new, {done} done already"
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


def say_made_elsewhere(reporter: Reporter, store: Store, output: Place) -> None:
    """Warn where the place holds videos of these very jobs that another state bought."""
    most = LOOKED_AT_IN_A_BUCKET if isinstance(output, BucketUrl) else LOOKED_AT
    found = [name for job_id, stem, name in store.unsubmitted(most) if _maker(output, stem) == job_id]
    if found:
        text = (
            f"{counted(len(found), 'job')} not submitted yet, {found[0]} for one, have a video in {output} that "
            "another state bought; each is bought again (is --state the one you mean?)"
        )
        reporter(Noted(text=text, warning=True))


def _maker(output: Place, stem: str) -> object:
    """The id of the job that a sidecar of this name belongs to; ``None`` where there is none."""
    if not isinstance(output, BucketUrl):
        return made_by_job(output, stem)
    says = read_sidecar(BucketVideo(output, f"{stem}{SUFFIX}").sidecar() or b"")
    return says and says.get("job_id")
