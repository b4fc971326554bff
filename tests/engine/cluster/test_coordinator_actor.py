"""The coordinator's actor: the events that its driver reads."""

from __future__ import annotations

import pytest

from batchveo.core.events import Message
from batchveo.engine.cluster.coordinator_actor import MOST_EVENTS, EventBuffer


@pytest.mark.anyio
async def test_news_come_in_order_and_once() -> None:
    """From the beginning after a restart of the coordinator; gaps in the numbers show what was dropped."""
    news = EventBuffer()
    first = await news.read_since("", 0)
    assert first.events == ()
    for number in range(MOST_EVENTS + 5):
        news(Message(text=str(number)))
    some = await news.read_since(first.edition, 0)
    assert some.first == 5
    assert some.events[0] == Message(text="5")
    rest = await news.read_since(first.edition, some.first + len(some.events))
    assert rest.first == some.first + len(some.events)
    assert (await news.read_since("another", MOST_EVENTS)).first == 5
