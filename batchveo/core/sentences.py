"""The sentences of all notices: each function takes the facts of one class of ``core.notices``.

They are in ``core`` and not in ``display``, since ``Message.text`` is for users of the Python API too, and nothing
below ``display`` may import it. Nothing here imports the classes, which import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from batchveo.core.destination import Destination
from batchveo.core.formatting import format_count, format_usd, state_words, write_value
from batchveo.core.hints import format_command
from batchveo.core.models import JobState

EXAMPLES_SHOWN = 3


def _describe_database_created(*, state: Path) -> str:
    return f"created a new database: {state}"


def _describe_cluster_starting(*, address: str) -> str:
    if address == "local":
        return "starting Ray on this machine, which takes some ten seconds"
    return f"joining {'the cluster of this machine' if address == 'auto' else f'Ray at {address}'}"


def _describe_hook_failed(*, option: str, job: str, reason: str, is_last: bool) -> str:
    more = " (the summary counts what fails from here on)" if is_last else ""
    return f"{option} failed for {job}: {reason}{more}"


def _describe_hooks_awaited(*, videos: int, seconds: float) -> str:
    what = f"the hooks of {format_count(videos, 'video')}" if videos else "the last hooks"
    return f"waiting at most {seconds:.0f} s for {what} (Ctrl-C leaves them to the next run)"


def _describe_options_remembered(*, options: Mapping[str, object]) -> str:
    return f"as the run before: {', '.join(_describe_option(name, value) for name, value in options.items())}"


def _describe_options_left_out(*, options: Sequence[str]) -> str:
    return f"the run before also had {', '.join(options)}; give them again if this run is to have them"


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


def _describe_orphans(*, jobs: int) -> str:
    if jobs == 1:
        return "1 of the chosen jobs is left out: a job before it in its chain was not chosen"
    return f"{jobs:,} of the chosen jobs are left out: jobs before them in their chains were not chosen"


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


def _describe_defaults_differ(*, jobs: int, written: Mapping[str, object], left_out: Mapping[str, object]) -> str:
    added, absent = (
        ", ".join(f"{name}: {write_value(value)}" for name, value in fields.items()) for fields in (written, left_out)
    )
    differs = " and ".join(filter(None, (added, absent and f"the absence of {absent}")))
    several = len(written) + len(left_out) > 1
    lines = "those lines" if several else "that line"
    undo = "written as before" if added and absent else f"{'without' if added else 'with'} {lines}"
    verb, they = ("differs", "it is") if jobs == 1 else ("differ", "they are")
    return (
        f"{jobs:,} of these jobs {verb} from finished ones only by {differs}, which "
        f"{'are the defaults' if several else 'is the default'}; {undo} {they} not bought again"
    )


def _describe_other_key_needed(*, jobs: int) -> str:
    return (
        f"{format_count(jobs, 'job')} in flight or in doubt: submitted with another API key; only that key can read "
        "the usage log of these jobs, so none of them is submitted again automatically"
    )


def _describe_destination_resumed(*, output: str) -> str:
    return f"videos continue in {output}"


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


def _describe_jobs_replaced(*, jobs: int, output: Destination, examples: Sequence[str]) -> str:
    shown = ", ".join(examples) + (", ..." if jobs > len(examples) else "")
    what = f"{format_count(jobs, 'job')} of the manifests got another prompt or model by `retry` before ({shown})"
    return f"{what}: cancelled again, not bought, since the videos that replace them are in {output}"


def _describe_sidecars_useless(*, sidecars: int, output: Destination, examples: Sequence[tuple[str, str]]) -> str:
    shown = _list_examples(sidecars, examples)
    what = f"{format_count(sidecars, 'sidecar')} in {output} of no use ({shown})"
    return f"{what}; these videos are bought"


def _describe_other_service_videos(*, videos: int, output: Destination) -> str:
    return (
        f"{format_count(videos, 'video')} of these jobs in {output} come from another kind of service (a sandbox video "
        "is not a paid one); they are left alone"
    )


def _describe_outage_began(*, reason: str) -> str:
    return f"{reason}: polling again"


def _describe_outage_ended(*, polls: int) -> str:
    return f"polls reach the service again, after {polls:,} in vain"


def _describe_polls_failing(*, job: str, reason: str, unknown: bool, key: str | None) -> str:
    return f"{job}: polls keep failing: {reason}{_hint_at_key(key, unknown=unknown)}"


def _describe_generation_put_aside(*, job: str, reason: str, unknown: bool, key: str | None) -> str:
    return f"{job}: put aside, and polled seldom from now on: {reason}{_hint_at_key(key, unknown=unknown)}"


def _describe_other_videos_ignored(*, job: str, others: Sequence[str]) -> str:
    return f"{job}: the service made more than one video; the first is fetched, not {', '.join(others)}"


def _describe_status_unknown(*, job: str, word: str) -> str:
    return f"{job}: the service says {word!r}, a status it does not document; polling on"


def _describe_unexpected_error(*, job: str, reason: str) -> str:
    return f"{job}: {reason}; please report this"


def _describe_download_left(*, job: str, reason: str) -> str:
    return f"{job}: left to the next run: {reason}"


def _describe_charges_unknown(*, generations: int, error: str) -> str:
    return f"neither log nor ledger tells whether {generations} generations were charged: {error}"


def _describe_clip_rejected(*, job: str, reason: str, take: str | None) -> str:
    again = "no try is left" if take is None else f"it is made again as {take}"
    return f"{job}: {reason}; {again}"


def _describe_checks_awaited(*, clips: int) -> str:
    waiting = format_count(clips, "clip")
    return f"all videos are stored; the checks of {waiting} are still to come (Ctrl-C leaves them to the next run)"


def _describe_checks_unavailable(*, error: str, state: Path) -> str:
    later = format_command("check", state=state)
    return f"clips are not checked, and gates decide nothing: {error}; `{later}` does it later"


def _describe_clip_not_measured(*, job: str, error: str) -> str:
    return f"{job}: its clip has no verdict yet, it cannot be read: {error}"


def _describe_inputs_not_removed(*, bucket: str, reason: str) -> str:
    return f"inputs of finished jobs stay in {bucket} for now: {reason}; a later try removes them"


def _describe_link_not_filled(*, job: str, parent: str, reason: str, state: Path) -> str:
    text = f"{job} still waits: what it takes from the video of {parent} cannot be had: {reason}"
    fetch = format_command("verify", "--refetch", state=state)
    return f"{text}. The next run tries again; if that video is missing or damaged, `{fetch}` lets it be fetched first"


def _describe_log_unread(*, error: str) -> str:
    return f"the usage log cannot be read yet: {error}"


def _describe_key_blocked(*, key: str, reason: str) -> str:
    return f"no more jobs are submitted with key {key!r}: {reason}"


def _describe_submits_cut_off(*, submits: int) -> str:
    were, them = ("was", "it") if submits == 1 else ("were", "them")
    return f"{format_count(submits, 'submit')} {were} cut off by the end of the last run; looking {them} up in the log"


def _describe_credits_awaited(*, reason: str) -> str:
    return f"{reason}; waiting for a top-up"


def _describe_credits_returned(*, balance_usd: float) -> str:
    return f"the balance is {format_usd(balance_usd)}; going on"


def _describe_seen_price_reserved(*, model: str, usd: float, assumed_usd: float | None) -> str:
    than = "" if assumed_usd is None else f", more than the assumed {format_usd(assumed_usd)},"
    return f"no price is listed for {model}: {format_usd(usd)}{than} is reserved for a video, by the most seen so far"


def _describe_budget_exceeded(*, committed_usd: float, budget_usd: float) -> str:
    return (
        f"videos cost more than was reserved for them: {format_usd(committed_usd)} are spent or reserved, and the "
        f"budget is {format_usd(budget_usd)}; nothing more is bought until it suffices again"
    )


def _describe_model_put_aside(*, model: str, jobs: int, reason: str) -> str:
    return f"{model} is put aside with its pending jobs, {jobs} now: {reason}"


def _describe_job_put_aside(*, job: str, reason: str) -> str:
    return f"{job}: put aside: {reason}"


def _describe_generation_unrecorded(*, job: str, generation: str) -> str:
    return f"{job}: generation {generation} was accepted, but cannot be recorded"


def _describe_stray_generation(*, job: str, generation: str, state: Path, service: Sequence[str]) -> str:
    audit = format_command("audit", state=state, service=service)
    return f"{job}: generation {generation} of an earlier attempt was accepted too; see `{audit}`"


def _describe_generation_taken_twice(*, job: str, generation: str) -> str:
    return f"{job}: {describe_taken(generation)}"


def describe_taken(generation: str) -> str:
    """Why ``generation`` cannot be the one of a job; also the reason in the job's record."""
    return f"the service names generation {generation}, which is another job's"


def _describe_video_repeated(*, job: str, other: str) -> str:
    return f"{job}: byte for byte the same video as {other}"


def _describe_workers_started(*, started: int, wanted: int, machines: int) -> str:
    of = "" if started == wanted else f" of {wanted}"
    places = "1 machine" if machines == 1 else f"{machines} machines"
    return f"{started}{of} workers have started, on {places}"


def _describe_coordinator_lost(*, error: str) -> str:
    return f"the coordinator was lost, and starts again: {error}"


def _describe_coordinator_silent() -> str:
    return "the coordinator is silent; it is started again"


def _describe_events_missed(*, events: int) -> str:
    return f"{events:,} events came too fast to be shown"


def _describe_submits_ended(*, reason: str) -> str:
    return f"no more jobs are submitted: {reason}"


def _describe_worker_silent(*, worker: str) -> str:
    return f"worker {worker} is silent; its jobs go to others"


def _describe_worker_lost(*, worker: str, error: str) -> str:
    return f"worker {worker} was lost; its jobs go to others: {error}"


def _describe_worker_not_started(*, reason: str) -> str:
    return f"a worker cannot be started: {reason}"


def _hint_at_key(label: str | None, *, unknown: bool) -> str:
    """A hint to check the key if the service does not know a generation that was bought."""
    if not unknown:
        return ""
    key = f"key {label!r}" if label else "the key"
    return f"; is {key} one of the account that bought it? No other can ask for it"


def _list_examples(total: int, examples: Sequence[tuple[str, str]]) -> str:
    """``clip: it is empty, and 3 more``."""
    shown = examples[:EXAMPLES_SHOWN]
    more = f", and {total - len(shown):,} more" if total > len(shown) else ""
    return ", ".join(f"{name}: {flaw}" for name, flaw in shown) + more


SENTENCES: Mapping[str, Callable[..., str]] = {
    "BudgetDropped": _describe_budget_dropped,
    "BudgetExceeded": _describe_budget_exceeded,
    "ChargesUnknown": _describe_charges_unknown,
    "CheckingVideos": _describe_checking_videos,
    "ClusterStarting": _describe_cluster_starting,
    "CoordinatorLost": _describe_coordinator_lost,
    "CoordinatorSilent": _describe_coordinator_silent,
    "CreditsAwaited": _describe_credits_awaited,
    "CreditsReturned": _describe_credits_returned,
    "DatabaseCreated": _describe_database_created,
    "DestinationChanged": _describe_destination_changed,
    "DestinationResumed": _describe_destination_resumed,
    "DestinationUnlisted": _describe_destination_unlisted,
    "DownloadLeft": _describe_download_left,
    "EventsMissed": _describe_events_missed,
    "GenerationPutAside": _describe_generation_put_aside,
    "GenerationTakenTwice": _describe_generation_taken_twice,
    "GenerationUnrecorded": _describe_generation_unrecorded,
    "JobPutAside": _describe_job_put_aside,
    "JobsImported": _describe_jobs_imported,
    "DefaultsDiffer": _describe_defaults_differ,
    "JobsNoLongerNamed": _describe_jobs_no_longer_named,
    "JobsRenamed": _describe_jobs_renamed,
    "JobsRepeated": _describe_jobs_repeated,
    "OrphansLeftOut": _describe_orphans,
    "KeyBlocked": _describe_key_blocked,
    "ChecksAwaited": _describe_checks_awaited,
    "HookFailed": _describe_hook_failed,
    "HooksAwaited": _describe_hooks_awaited,
    "ChecksUnavailable": _describe_checks_unavailable,
    "ClipNotMeasured": _describe_clip_not_measured,
    "ClipRejected": _describe_clip_rejected,
    "InputsNotRemoved": _describe_inputs_not_removed,
    "LinkNotFilled": _describe_link_not_filled,
    "LogUnread": _describe_log_unread,
    "ModelPutAside": _describe_model_put_aside,
    "OptionsLeftOut": _describe_options_left_out,
    "OptionsRemembered": _describe_options_remembered,
    "OtherKeyNeeded": _describe_other_key_needed,
    "OtherServiceVideos": _describe_other_service_videos,
    "OtherVideosIgnored": _describe_other_videos_ignored,
    "OutageBegan": _describe_outage_began,
    "OutageEnded": _describe_outage_ended,
    "PollsFailing": _describe_polls_failing,
    "SeenPriceReserved": _describe_seen_price_reserved,
    "JobsReplaced": _describe_jobs_replaced,
    "SidecarsUseless": _describe_sidecars_useless,
    "StatusUnknown": _describe_status_unknown,
    "StrayGeneration": _describe_stray_generation,
    "SubmitsCutOff": _describe_submits_cut_off,
    "SubmitsEnded": _describe_submits_ended,
    "UnexpectedError": _describe_unexpected_error,
    "VideoRepeated": _describe_video_repeated,
    "VideosRecovered": _describe_videos_recovered,
    "VideosRefetched": _describe_videos_refetched,
    "WorkerLost": _describe_worker_lost,
    "WorkerNotStarted": _describe_worker_not_started,
    "WorkerSilent": _describe_worker_silent,
    "WorkersStarted": _describe_workers_started,
}
"""The function of each notice, by the name of its class."""
