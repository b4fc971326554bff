"""The settings of a sandbox: its limits, its times, and the faults that it can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

ANY_CALL: Mapping[str, str] = MappingProxyType(
    {"401": "A call is refused as if its key were wrong; for a submit, nothing is accepted."}
)
BEFORE_ACCEPTING: Mapping[str, str] = MappingProxyType(
    {
        "403": "A submit is refused as if the account were empty.",
        "throttle": "A submit is refused with 429.",
        "drop-before": "A submit's connection is reset before anything is accepted.",
        "answer-500": "A submit is refused with 500 in the API's own error body; nothing is accepted.",
        "answer-502": "A gateway answers a submit with 502; nothing is accepted.",
        "answer-503": "A submit is refused with 503 in the API's own error body; nothing is accepted.",
        "page-503": "A gateway answers a submit with 503 and an HTML page; nothing is accepted.",
        "402": "A submit is refused with 402, whatever the balance.",
        "403-moderated": "A submit is refused with 403 as moderated, whatever the balance.",
    }
)
MODEL: Mapping[str, str] = MappingProxyType(
    {
        "403-plan": "A model is refused with 403 as not in the plan, whatever the balance.",
        "404-withdrawn": "A model is refused with 404 as withdrawn, and the deprecation feed names another.",
    }
)
AFTER_ACCEPTING: Mapping[str, str] = MappingProxyType(
    {
        "lose-answer": "A submit is accepted, and its connection closed without a byte of answer.",
        "late-answer": "A submit is accepted, and its answer comes late.",
        "answer-502-accepted": "A submit is accepted, and a gateway answers it with 502.",
        "answer-504-accepted": "A submit is accepted, and answered with 504.",
        "unreadable-answer": "A submit is accepted, and answered with broken JSON without tracing headers.",
        "no-id": "A submit is accepted, and answered without its id, in the body as in the headers.",
        "generation-id": "A submit's answer has its id as generation_id.",
        "priced-answer": "A submit's answer names the exact price.",
    }
)
POLL: Mapping[str, str] = MappingProxyType(
    {
        "poll-500": "A poll is answered with 500 in the API's own error body.",
        "poll-502": "A gateway answers a poll with 502.",
        "poll-drop": "A poll's connection is reset without a byte of answer.",
        "odd-status": "A poll reports its status in an undocumented word.",
        "video-list": "A poll names its video in a list of objects.",
        "video-addresses": "A poll names its video in a list of addresses.",
        "usd-only": "A poll names the price in US dollars only.",
    }
)
ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        "generation-error": "A generation ends in an error and costs nothing.",
        "odd-error": "A generation ends in an error with a code and details, and costs nothing.",
        "content-filtered": "A generation ends as content_filtered without an error, and costs nothing.",
        "canceled": "A generation ends as canceled without an error, and costs nothing.",
        "charged-error": "A generation ends in an error, but is charged.",
        "no-url": "A generation completes and is charged, and no poll ever names its video.",
        "poll-403": "A generation's polls are refused with 403 as moderated, and it costs nothing.",
    }
)
"""How a generation may end without a video; the first that is drawn counts."""
VIDEO: Mapping[str, str] = MappingProxyType(
    {
        "black": "A video's picture is black.",
        "frozen": "A video's picture does not move.",
        "silent": "A video's sound is silence.",
        "short": "A video is half as long as the request asks for.",
        "small": "A video's picture is 96 by 54 pixels, or 54 by 96; the others have 320 by 180, or 180 by 320.",
    }
)
"""What may be wrong with a complete video; the first that is drawn counts."""
URL: Mapping[str, str] = MappingProxyType(
    {
        "expiring-url": "A video's URL says Expires=N (--url-ttl, or 120 seconds); after that it gets 403.",
    }
)
GENERATION: Mapping[str, str] = MappingProxyType(
    {
        "poll-404": "A generation is unknown to polls for a moment after it was accepted.",
        "late-log": "A request's row reaches the usage log ten times later than usual.",
    }
)
DOWNLOAD: Mapping[str, str] = MappingProxyType(
    {
        "short-body": "A download's connection is closed half-way through the body.",
        "reset-body": "A download's connection is reset half-way through the body.",
        "ignore-range": "A download asked for in part is sent whole, with 200.",
        "html-200": "A download is an HTML page with status 200.",
        "empty-body": "A download is empty, with status 200.",
        "cdn-503": "A download is refused with 503 and an HTML page.",
        "slow-body": "A download trickles.",
        "endless-body": "A download of no announced length does not end.",
        "changed-etag": "A download is of another encoding of the video, with another ETag.",
    }
)

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        **BEFORE_ACCEPTING,
        **MODEL,
        **AFTER_ACCEPTING,
        **POLL,
        **ENDINGS,
        **VIDEO,
        **GENERATION,
        **URL,
        **DOWNLOAD,
        **ANY_CALL,
    }
)
"""Every fault by its name, with one sentence on what it does."""

IdStyle = Literal["by-path", "short", "long"]


class RetirementStatus(StrEnum):
    """What becomes of a model: it still serves, its name leads to another one, or its requests get 404."""

    DEPRECATED = "deprecated"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A row of the list of deprecations.

    ``shutdown_at``: the day, as ``2026-06-30``; a deprecated model with such a day is no longer in the list of models.
    ``replaced_by``: another model; if it is ``None``, the sandbox names one of the same kind.
    """

    status: RetirementStatus
    shutdown_at: str | None = None
    replaced_by: str | None = None

    def __post_init__(self) -> None:
        if self.shutdown_at is not None:
            date.fromisoformat(self.shutdown_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the sandbox behaves. Times are seconds, money is US dollars, chances are between 0 and 1.

    ``key``: the only API key that is accepted; ``None`` accepts any.
    ``per_key``: each key has its own account with these limits and this balance; otherwise all share one.
    ``generation_median``, ``generation_sigma``: how long a generation takes, log-normal.
    ``queued_share``: the part of that time in which its status is ``queued``.
    ``concurrency``: with this many generations in flight, the next submit gets 429.
    ``rate_per_minute``: after this many submits in 60 seconds, the next one gets 429.
    ``retry_after``: whether a 429 has the header ``Retry-After``.
    ``balance``: money on each account; a submit that costs more than the unreserved part gets 403.
    ``log_lag``: how long it takes until a request appears in the usage log.
    ``log_calls_per_minute``: after this many calls of the usage log in 60 seconds, the next one gets 429.
    ``url_ttl``: how long the URL of a video works; ``None`` for ever.
    ``video_bytes``: the size that videos are padded to; ``None`` leaves them at 5 to 40 kilobytes.
    ``latency``: how long every answer takes.
    ``late_by``: the delay of ``late-answer``, and the duration of ``slow-body``.
    ``unknown_for``: how long ``poll-404`` lasts after a submit.
    ``faults``: the chance of each fault, by its name in ``FAULTS``.
    ``seed``: everything random follows from it.
    ``retired``: the models, by any name, that are deprecated, superseded or withdrawn.
    ``id_style``: short ids, long ones (``UUID:model``), or long ones on the legacy path only.
    """

    key: str | None = field(default=None, repr=False)
    per_key: bool = False
    generation_median: float = 3.0
    generation_sigma: float = 0.3
    queued_share: float = 0.2
    concurrency: int | None = None
    rate_per_minute: int | None = None
    retry_after: bool = True
    balance: float = 1000.0
    log_lag: float = 1.0
    log_calls_per_minute: int = 200
    url_ttl: float | None = None
    video_bytes: int | None = None
    latency: float = 0.0
    late_by: float = 90.0
    unknown_for: float = 2.0
    faults: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    retired: Mapping[str, Retirement] = field(default_factory=dict)
    id_style: IdStyle = "by-path"

    def __post_init__(self) -> None:
        for name, chance in self.faults.items():
            if name not in FAULTS:
                raise ValueError(f"no such fault: {name!r}; known are {', '.join(FAULTS)}")
            if not 0 <= chance <= 1:
                raise ValueError(f"the chance of {name} is between 0 and 1, not {chance}")
