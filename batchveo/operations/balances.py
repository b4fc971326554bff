"""The money there is, over all keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from batchveo.core.errors import KeyRejected
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.service import label_errors

BALANCE_SECONDS = 30.0
"""How long the service may take for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the accounts hold, in US dollars: together, and of each key that told it.

    ``notes`` say what could not be found out, and what was assumed.
    """

    usd: float | None = None
    by_key: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = field(default=())


async def fetch_balances(apis: Mapping[str, ApiClient], *, has_key: bool = True) -> Balance:
    """Ask every key. A balance that nobody tells counts as nothing, where another does tell."""
    if not has_key:
        return Balance(notes=["no API key, so no balance"])
    told: dict[str, float] = {}
    notes: list[str] = []
    with anyio.move_on_after(BALANCE_SECONDS):
        for label, api in apis.items():
            await _ask(label, api, told, notes)
    if len(told) + len(notes) < len(apis):
        notes.append("no balance: no answer in time")
    return Balance(usd=sum(set(told.values())) if told else None, by_key=told, notes=[*notes, *_shared(told)])


async def _ask(label: str, api: ApiClient, told: dict[str, float], notes: list[str]) -> None:
    try:
        with label_errors(label):
            told[label] = await api.fetch_balance()
    except (ProviderError, KeyRejected) as error:
        notes.append(f"no balance: {error}")


def _shared(told: Mapping[str, float]) -> Iterator[str]:
    """Keys that seem to have one account: no call tells, and money that is counted twice is not there."""
    for usd in dict.fromkeys(told.values()):
        labels = [label for label, other in told.items() if other == usd]
        if len(labels) > 1 and usd:
            yield f"the same balance with {', '.join(map(repr, labels))}: taken for one account, and counted once"
