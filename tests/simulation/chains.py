"""The chains of a simulated night, and what must hold for them: seen from the service, and in the database."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from batchveo.core.links import FIRST, GENERATION, LAST, LINK_PREFIX, VIDEO, Link
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.engine.result import RunResult
from batchveo.sandbox import Generation
from batchveo.sandbox.endpoints.videos import FILES_PREFIX
from batchveo.storage.stored_video import local_copy, video_at
from batchveo.store import Store
from batchveo.store.links import LinkRecord
from tests.helpers.chains import make_chain, make_link
from tests.helpers.fake_bucket import FakeBucket

S = JobState
_EXPIRES = re.compile(r"[?&]expires=([0-9.]+)")


def make_branches(name: str) -> list[JobSpec]:
    """Two jobs that begin with the end of one, and one more after the first of them."""
    first = make_link(f"{name} 0", {})
    left, right = (make_link(f"{name} {side}", {LAST: first}) for side in ("left", "right"))
    return [first, left, right, make_link(f"{name} end", {"1.5": left})]


def make_joined(name: str) -> list[JobSpec]:
    """A job between the end of one and the beginning of another, which is in no chain else, and one after it."""
    before, after = (make_link(f"{name} {place}", {}) for place in ("before", "after"))
    between = make_link(f"{name} between", {LAST: before, FIRST: after})
    return [before, after, between, make_link(f"{name} end", {VIDEO: between})]


BY_URL = "addresses"
SHAPES: Mapping[str, Callable[[str], list[JobSpec]]] = {
    BY_URL: lambda name: make_chain(3, name, by_url=True),
    "frames": lambda name: make_chain(4, name),
    "videos": lambda name: make_chain(3, name, part=VIDEO),
    "ids": lambda name: make_chain(3, name, part=GENERATION),
    "branches": make_branches,
    "joined": make_joined,
}
"""The forms of chains: jobs that take frames, videos or generation ids, frames that go through a bucket, and chains
that part or meet."""


def make_chains(shapes: Sequence[str]) -> list[JobSpec]:
    """The jobs of chains of these forms."""
    return [job for number, shape in enumerate(shapes) for job in SHAPES[shape](f"{shape} {number}")]


def check_sent(
    requests: Mapping[str, Mapping[str, object]],
    jobs: Sequence[Job],
    generations: Sequence[Generation],
    *,
    good_at: Mapping[str, float],
    is_good: Callable[[Job], bool],
    counted: Mapping[str, Mapping[str, str | None]] | None = None,
    forgotten: Collection[str] = (),
) -> None:
    """Each request that the service accepted holds exactly what its parents' good videos give.

    ``requests``: what was asked for, with its links, by the ids of jobs. ``good_at``: when the video of each job was
    verified, and accepted if it has gates. ``counted``: if people decide which videos are good, the ids of the takes
    that counted when each request was claimed, by those of the parents. ``forgotten``: the client request ids that only
    lost databases knew: their jobs, or those of their parents, may be gone.
    """
    by_seq = {job.seq: job for job in jobs}
    firsts = {job.id: by_seq[job.seq if job.take_of is None else job.take_of] for job in jobs}
    for generation in generations:
        if generation.client_request_id in forgotten:
            continue
        child = firsts[_name_job(generation)]
        for field, value in requests[child.id].items():
            if isinstance(value, str) and value.startswith(LINK_PREFIX):
                link = Link.parse(value)
                source = _find_taken(str(generation.request[field]), link.part, jobs, generations)
                assert firsts[source.id].id == link.parent, f"{child.name} takes {source.name}"
                if counted is None:
                    assert is_good(source), f"{child.name} takes the rejected {source.name}"
                    assert good_at[source.id] <= generation.submitted_at, f"{child.name} took {source.name} too early"
                else:
                    wanted = counted[str(generation.client_request_id)][link.parent]
                    assert source.id == wanted, f"{child.name} takes {source.name}, and {wanted} counts"
                end = _EXPIRES.search(str(generation.request[field]))
                assert end is None or float(end[1]) > generation.submitted_at, f"{child.name} took an address too late"


def _find_taken(sent: str, part: str, jobs: Sequence[Job], generations: Sequence[Generation]) -> Job:
    """The job whose video a value of a request was taken from."""
    if part == GENERATION:
        return next(job for job in jobs if job.generation_id == sent)
    if part == VIDEO:
        if sent.startswith("data:"):  # the sandbox keeps the hash of what it got
            return next(job for job in jobs if job.state is S.SUCCEEDED and _hash_as_data(job) in sent)
        file = sent.partition("?")[0].rpartition(FILES_PREFIX)[2].removesuffix(".mp4")
        made = next(generation for generation in generations if generation.file == file)
        return next(job for job in jobs if job.generation_id == made.id)
    if sent.startswith("https://bucket."):
        return next(job for job in jobs if hashlib.sha256(f"{part} of {job.sha256}".encode()).hexdigest() in sent)
    taken, _, sha256 = base64.b64decode(sent.partition(",")[2]).decode().partition(" of ")
    assert taken == part
    return next(job for job in jobs if job.sha256 == sha256)


def _hash_as_data(job: Job) -> str:
    with local_copy(video_at(job)) as path:
        uri = f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return hashlib.sha256(uri.encode()).hexdigest()


def check_uploads(store: Store, bucket: FakeBucket, *, once: bool) -> None:
    """What is in the bucket is on record, and there while a generation may fetch it.

    ``once``: nothing is put twice, as two takes of one job may do at the same time: both have the same frame.
    """
    fetched = store.connection.db.execute(
        "SELECT uploads.name FROM uploads JOIN jobs ON jobs.seq = job WHERE state IN ('in_doubt', 'generating')"
    )
    named = {row["name"] for row in fetched}
    # a file that could not be put was not sent: people may have decided meanwhile that another one is
    assert (named if once else named & {*bucket.puts}) <= bucket.objects.keys()
    recorded = {row["name"] for row in store.connection.db.execute("SELECT name FROM uploads")}
    assert bucket.objects.keys() <= recorded
    for name in bucket.puts if once else ():
        assert bucket.puts.count(name) <= bucket.deleted.count(name) + 1, f"{name} was put twice"


def say_nothing(seq: int) -> bool | None:
    """Nobody picks or rejects a clip."""
    return None


def check_links(store: Store, jobs: Sequence[Job], say: Callable[[int], bool | None] = say_nothing) -> None:
    """Each link was filled once for each value, ``waits`` counts the open ones, and only those are blocked that are.

    ``say``: whether people picked or rejected a clip, by number.
    """
    links = {job.seq: store.links.list_links(job) for job in jobs if job.link > 1}
    for job in jobs:
        filled = sum(link.value is not None for link in links.get(job.seq, ()))
        if not job.state.may_be_bought:
            assert job.waits == len(links.get(job.seq, ())) - filled, f"{job.name} waits for {job.waits}"
        if job.link > 1 and job.take == 1 and all(link.from_take == 1 for link in links[job.seq]):
            details = [
                move["detail"] for move in store.queries.list_moves(job) if move["from_state"] == move["to_state"]
            ]
            words = Counter(detail.split()[0] for detail in details)
            assert words["takes"] - words["waits"] == filled, details
    said, blocked = set(store.waiting.find_blocked()), find_blocked(jobs, links, say)
    assert blocked <= said
    # of a parent with a blocked take, another take that waits counts for nothing, though it may be made
    several = [family for family, takes in Counter(job.family for job in jobs if job.waits).items() if takes > 1]
    assert several or said == blocked


def find_blocked(
    jobs: Sequence[Job], links: Mapping[int, Collection[LinkRecord]], say: Callable[[int], bool | None] = say_nothing
) -> set[int]:
    """The pending jobs of which a parent cannot be had, by a rule of its own."""
    families: dict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        families[job.seq if job.take_of is None else job.take_of].append(job)
    blocked: set[int] = set()
    size = -1
    while len(blocked) > size:
        size = len(blocked)
        for job in jobs:
            wanted = [
                [take for take in families[link.parent] if take.take >= link.from_take]
                for link in links.get(job.seq, ())
                if link.value is None
            ]
            if job.state is S.PENDING and any(not _is_live(takes, blocked, say) for takes in wanted):
                blocked.add(job.seq)
    return blocked


def _is_live(takes: Collection[Job], blocked: Collection[int], say: Callable[[int], bool | None]) -> bool:
    return any(
        take.state.is_unsettled
        or (take.state is S.PENDING and take.seq not in blocked)
        or (
            take.state is S.SUCCEEDED and (say(take.seq) or (say(take.seq) is not False and take.verdict != "rejected"))
        )
        for take in takes
    )


def waits_rightly(store: Store, job: Job) -> bool:
    """Whether a pending job waits for a parent that has no good video."""
    open_links = [link for link in store.links.list_links(job) if link.value is None]
    return any(store.links.find_source(link) is None for link in open_links)


def check_result(store: Store, jobs: Sequence[Job], result: RunResult) -> None:
    """The exit status of a run says what became of the jobs."""
    assert bool(result.blocked) == bool(store.waiting.find_blocked())
    if result.stopped is not None:
        return
    wrong = any(job.state is S.FAILED or job.held for job in jobs) or result.rejected or result.blocked
    unfinished = any(not job.state.is_complete for job in jobs)
    assert result.exit_status == (1 if wrong else 3 if unfinished else 0)


def _name_job(generation: Generation) -> str:
    return str(generation.client_request_id).split(".")[1]
