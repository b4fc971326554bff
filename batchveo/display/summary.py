"""The summary at the end of a run: results, costs, failures and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

from batchveo.core.destination import Destination
from batchveo.core.errors import BudgetReached
from batchveo.core.formatting import (
    format_count,
    format_duration,
    format_usd,
    list_counts,
    shorten_middle,
    shorten_text,
)
from batchveo.core.gates import Verdict
from batchveo.core.hints import format_command
from batchveo.core.hooks import HookKind
from batchveo.core.models import JobState
from batchveo.engine.result import RunResult
from batchveo.operations.chain_rows import describe_blocked
from batchveo.operations.manage import name_job
from batchveo.store import Store
from batchveo.store.waiting_jobs import BlockedCount

REASONS_SHOWN = 5
CAUSES_SHOWN = 10
CAUSE_SHOWN = 500
"""Characters of a cause: one may end with a command, which must stay whole."""
HELD_SHOWN = 5
LEAST_USD = 0.005


def describe_outcome(result: RunResult, output: Destination) -> Iterator[str]:
    """Lines on how the run ended."""
    counts, blocked = result.counts, sum(each.jobs for each in result.blocked)
    parts = list_counts(counts.by_state, blocked=blocked)
    left = sum(counts[state] for state in JobState if not state.is_terminal)
    if result.idle and left <= blocked:
        earlier = f"; {', '.join(parts)} in earlier runs" if parts else ""
        yield f"nothing to do{earlier}; videos in {output}"
    else:
        yield f"{', '.join(parts)} after {format_duration(result.seconds)}; videos in {output}"
    if result.stopped is not None:
        larger = isinstance(result.stopped, BudgetReached)
        again = "Run the same command with a larger --budget" if larger else "Fix this and run the same command"
        yield f"stopped early: {shorten_text(str(result.stopped), 300)}. {again} to resume."
    elif result.interrupted is not None and any(counts[state] for state in JobState if not state.is_terminal):
        yield "interrupted; run the same command to resume"
    if result.rejected:
        yield f"of {format_count(result.rejected, 'job')} no clip meets the gates"
    if result.late:
        yield f"{result.late:,} still generating at the service; run the same command to download them"


def describe_account(result: RunResult, store: Store) -> Iterator[str]:
    """Lines on money, failures by reason and jobs in doubt, from the database."""
    counts = result.counts
    yield from _list_retries(result, store)
    yield from _count_chains(store)
    yield _describe_spending(store)
    if counts[JobState.FAILED]:
        yield from _list_failures(store)
    for each in result.blocked:
        yield f"{describe_blocked(each)}; {_describe_way_out(each, store)}"
    if store.verdicts.has_policies():
        yield from _list_rejected(store)
        yield from _count_open(store)
    yield from _count_due(result, store)
    if counts.held:
        yield from _list_held(store, counts.held)
    open_doubts = counts[JobState.IN_DOUBT] - counts.held
    if open_doubts:
        yield f"{open_doubts:,} in doubt: run the same command to look them up in the usage log"


def _list_retries(result: RunResult, store: Store) -> Iterator[str]:
    """Jobs that the next run tries again, a line for each cause."""
    for words, jobs in list(result.put_aside.items())[:CAUSES_SHOWN]:
        yield f"{format_count(jobs, 'job')} put aside: {shorten_text(words, CAUSE_SHOWN)}"
    if len(result.put_aside) > CAUSES_SHOWN:
        yield f"others were put aside for other reasons; `{format_command('jobs', state=store.path)}` lists them"


def _count_chains(store: Store) -> Iterator[str]:
    if store.chains.has_links():
        chains, done = store.chains.count_chains()
        which = f"all {chains:,}" if done == chains > 1 else f"{done:,} of {chains:,}"
        text = f"{which} {'chain' if chains == 1 else 'chains'} {'is' if 1 in (done, chains) else 'are'} complete"
        film = format_command("film", "--all", state=store.path)
        yield f"{text}; `{film}` joins their clips to films" if done else text


def _describe_way_out(each: BlockedCount, store: Store) -> str:
    """How blocked jobs come to be made; how failed ones do is in a line of its own."""
    follow = "it follows" if each.jobs == 1 else "they follow"
    job, those = (each.example, "it") if each.parents == 1 else ("JOB", "one of those")
    match each.state:
        case "failed":
            return f"{follow} once {'that is' if each.parents == 1 else 'those are'} made again"
        case "cancelled":
            return f"`{format_command('retry', job, state=store.path)}` brings {those} back"
        case _:
            again = format_command("retry", job, "--takes", "1", state=store.path)
            return f"`{again}` makes another take of {those}"


def _describe_spending(store: Store) -> str:
    usd, unknown = store.spend()
    work = store.runs.find_latest_work()
    budget = work["budget_usd"] if work else None
    text = f"spent {format_usd(usd)}" + (f" of {format_usd(budget)}" if budget is not None else "") + " in total"
    more = store.queries.read_committed() - usd
    if more > LEAST_USD:
        text += f", {format_usd(more)} more in flight or in doubt"
    return text + (f"; {unknown:,} of unknown price" if unknown else "")


def _list_failures(store: Store) -> Iterator[str]:
    reasons = store.progress.list_failures(most=REASONS_SHOWN + 1)
    for row in reasons[:REASONS_SHOWN]:
        example = f" ({shorten_middle(row['example'], 40)}{_count_others(row['jobs'] - 1)})"
        yield f"  {row['jobs']:,} failed: {shorten_text(row['error'], 200)}{example}"
    if len(reasons) > REASONS_SHOWN:
        listing = format_command("jobs", "--state-is", "failed", state=store.path)
        yield f"  others failed for other reasons; `{listing}` lists them"
    yield f"`{format_command('retry', state=store.path)}` sets the failed jobs to pending again"


def _count_others(others: int) -> str:
    return "" if not others else " and 1 other" if others == 1 else f" and {others:,} others"


def _list_rejected(store: Store) -> Iterator[str]:
    gates = store.verdicts.count_rejected_by_gate()
    if not gates:
        return
    rejected, again = sum(gates.values()), store.verdicts.count_made_again()
    listing = format_command("jobs", "--where", 'verdict == "rejected"', state=store.path)
    yield f"{format_count(rejected, 'clip')} rejected, {again:,} of them with another take; `{listing}` lists them"
    for gate, clips in list(gates.items())[:REASONS_SHOWN]:
        yield f"  {clips:,} rejected by {shorten_text(gate, 200)}"
    if len(gates) > REASONS_SHOWN:
        yield f"  others were rejected by other gates; `{format_command('status', state=store.path)}` counts them"


def _count_due(result: RunResult, store: Store) -> Iterator[str]:
    """How many finished videos each hook has not been told of."""
    for kind, due, failed in store.deliveries.count_due(run=result.run):
        option = HookKind(kind).option
        what = f"{option} failed for {format_count(failed, 'video')}" if failed else ""
        rest = f"{option} is not done for {format_count(due - failed, 'video')}" if due > failed else ""
        yield f"{'; '.join(filter(None, (what, rest)))}: the next run with {option} makes up for that"


def _count_open(store: Store) -> Iterator[str]:
    """How many clips the gates leave open: an export takes these."""
    undecided = store.verdicts.count_verdicts().get(Verdict.OPEN, 0)
    if undecided:
        listing = format_command("jobs", "--where", 'verdict == "open"', state=store.path)
        yield f"{format_count(undecided, 'clip')} open: a value of their gates is not known yet; `{listing}` lists them"


def _list_held(store: Store, held: int) -> Iterator[str]:
    yield f"{held:,} held in doubt: the usage log did not settle them; check what your key generated, then run"
    for job in store.progress.list_doubts(most=HELD_SHOWN):
        if job.held:
            again = format_command("resolve", name_job(store, job), "--resubmit", state=store.path)
            yield f"  {shorten_text(job.name, 40)}: `{again}`"
    if held > 1:
        yield f"  all of them: `{format_command('resolve', '--held', '--resubmit', state=store.path)}`"
    yield "  (instead of --resubmit: --generation-id ID downloads the video, if there is one; --fail gives up)"
