"""The sentences of all notices: each function takes the facts of one class of ``core.notices``.

They are in ``core`` and not in ``display``, since ``Message.text`` is for users of the Python API too, and nothing
below ``display`` may import it. Nothing here imports the classes, which import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from batchveo.core.destination import Destination
from batchveo.core.formatting import format_count, format_usd, state_words
from batchveo.core.hints import format_command
from batchveo.core.models import JobState

EXAMPLES_SHOWN = 3


def _describe_database_created(*, state: Path) -> str:
    return f"created a new database: {state}"


def _describe_cluster_starting(*, address: str) -> str:
    if address == "local":
        return "starting Ray on this machine, which takes some ten seconds"
    return f"joining {'the cluster of this machine' if address == 'auto' else f'Ray at {address}'}"


def _describe_options_remembered(*, options: Mapping[str, object]) -> str:
    return f"as the run before: {', '.join(_describe_option(name, value) for name, value in options.items())}"


def _describe_option(name: str, value: object) -> str:
    if value is True:
        return name
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _describe_budget_dropped(*, last_usd: float) -> str:
    return f"the last run had a budget of {format_usd(last_usd)}; this one has none: use --budget to limit it"


def _describe_jobs_imported(*, named: int, new: int, done: int, cancelled: int, choice: str | None, state: Path) -> str:
    text = f"{choice or format_count(named, 'job') + ' named'}: {new} new, {done} done already"
    if cancelled:
        back = format_command("retry", "--state-is", "cancelled", state=state)
        text += f", {cancelled} cancelled and skipped (`{back}` brings them back)"
    return text


def _describe_jobs_repeated(*, jobs: int, first: str | None) -> str:
    example = f" ({first})" if first else ""
    what = f"{format_count(jobs, 'job')} repeat an earlier job word for word"
    return f"{what}; each is made and paid for{example}"


def _describe_jobs_renamed(*, jobs: int) -> str:
    return f"{format_count(jobs, 'job')} not submitted yet got a new name"


def _describe_jobs_no_longer_named(*, by_state: Mapping[JobState, int], state: Path, service: Sequence[str]) -> str:
    text = f"no longer named by the manifest: {', '.join(f'{n} {state_words(s)}' for s, n in by_state.items())}"
    if JobState.PENDING in by_state:
        make = format_command("resume", state=state, service=service)
        drop = format_command("cancel", "JOB", state=state)
        text += f"; the pending ones are left alone (`{make}` makes them, `{drop}` drops one)"
    return text


def _describe_other_key_needed(*, jobs: int) -> str:
    return (
        f"{format_count(jobs, 'job')} in flight or in doubt: submitted with another API key; only that key can read "
        "the usage log of these jobs, so none of them is submitted again automatically"
    )


def _describe_destination_resumed(*, output: str) -> str:
    return f"videos go to {output}"


def _describe_destination_changed(*, output: str, before: str) -> str:
    return f"earlier videos of this database went to {before}, those of this run go to {output}; use --output to choose"


def _describe_checking_videos(*, videos: int, output: Destination) -> str:
    return f"checking {format_count(videos, 'video')} found in {output}, which this database lacks"


def _describe_destination_unlisted(*, output: Destination, reason: str, jobs: int) -> str:
    return (
        f"{output} cannot be listed ({reason}): finished videos that this database lacks are looked for by the names "
        f"of the first {jobs} jobs"
    )


def _describe_videos_recovered(*, videos: int, output: Destination) -> str:
    them = "it" if videos == 1 else "them"
    return f"imported {format_count(videos, 'finished video')} found in {output}; nothing is bought for {them}"


def _describe_videos_refetched(*, videos: int, output: Destination, examples: Sequence[tuple[str, str]]) -> str:
    shown = _list_examples(videos, examples)
    what = f"{format_count(videos, 'video')} damaged or missing in {output}, with a sidecar ({shown})"
    return f"{what}: downloaded again by generation id, not bought"


def _describe_sidecars_useless(*, sidecars: int, output: Destination, examples: Sequence[tuple[str, str]]) -> str:
    shown = _list_examples(sidecars, examples)
    what = f"{format_count(sidecars, 'sidecar')} in {output} of no use ({shown})"
    return f"{what}; these videos are bought"


def _describe_other_service_videos(*, videos: int, output: Destination) -> str:
    return (
        f"{format_count(videos, 'video')} of these jobs in {output} come from another kind of service (a sandbox video "
        "is not a paid one); they are left alone"
    )


def _list_examples(total: int, examples: Sequence[tuple[str, str]]) -> str:
    """``clip: it is empty, and 3 more``."""
    shown = examples[:EXAMPLES_SHOWN]
    more = f", and {total - len(shown):,} more" if total > len(shown) else ""
    return ", ".join(f"{name}: {flaw}" for name, flaw in shown) + more


SENTENCES: Mapping[str, Callable[..., str]] = {
    "BudgetDropped": _describe_budget_dropped,
    "CheckingVideos": _describe_checking_videos,
    "ClusterStarting": _describe_cluster_starting,
    "DatabaseCreated": _describe_database_created,
    "DestinationChanged": _describe_destination_changed,
    "DestinationResumed": _describe_destination_resumed,
    "DestinationUnlisted": _describe_destination_unlisted,
    "JobsImported": _describe_jobs_imported,
    "JobsNoLongerNamed": _describe_jobs_no_longer_named,
    "JobsRenamed": _describe_jobs_renamed,
    "JobsRepeated": _describe_jobs_repeated,
    "OptionsRemembered": _describe_options_remembered,
    "OtherKeyNeeded": _describe_other_key_needed,
    "OtherServiceVideos": _describe_other_service_videos,
    "SidecarsUseless": _describe_sidecars_useless,
    "VideosRecovered": _describe_videos_recovered,
    "VideosRefetched": _describe_videos_refetched,
}
"""The function of each notice, by the name of its class."""
