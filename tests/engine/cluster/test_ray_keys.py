"""Several API keys on a real cluster: each has an account of its own at the sandbox, which looks who asks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import batchveo
from batchveo.core.models import JobState
from batchveo.provider import ApiKey, NamedKey
from batchveo.sandbox import Service, Settings, running
from batchveo.sandbox.http_messages import Request, Response
from tests.engine.cluster.conftest import Machines
from tests.engine.cluster.test_ray_backend import notes

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive, pytest.mark.xdist_group("ray")]
LIMITS = {"small": 2, "large": 6}
JOBS = 40
SOLD_BEFORE = 5
"""What the small key buys before it is withdrawn; the last of it is under way then."""
MANIFEST = f'jobs:\n  - {{model: veo2, prompt: "A fox, {{index}}", name: "fox-{{index}}", repeat: {JOBS}}}\n'


def secret(label: str) -> str:
    return f"sk-{label}-of-nobody-else"


class Shop(Service):
    """A sandbox that can withdraw a key."""

    def __init__(self) -> None:
        super().__init__(Settings(per_key=True, generation_median=0.6, generation_sigma=0.1, log_lag=0.1))
        self.withdraws = True
        self.withdrawn: set[str] = set()
        self.polls: Counter[str] = Counter()
        """By status; a generation of another's account would be 404."""

    def handle(self, request: Request) -> Response:
        """As the service does, but for a key that is withdrawn."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key in self.withdrawn:
            request = replace(request, headers={**request.headers, "authorization": ""})
        answer = super().handle(request)
        if request.method == "GET" and request.path.endswith("/generations"):
            self.polls[f"{key} {answer.status}"] += 1
        if self.withdraws and len(self.account(secret("small")).generations) == SOLD_BEFORE:
            self.withdrawn.add(secret("small"))
        return answer


def run(folder: Path, machines: Machines, url: str, events: list[batchveo.Event]) -> batchveo.RunResult:
    (folder / "m.yaml").write_text(MANIFEST)
    keys = [NamedKey(name=label, key=ApiKey(secret(label)), concurrency=limit) for label, limit in LIMITS.items()]
    return batchveo.run(
        [folder / "m.yaml"],
        state=folder / "b.db",
        settings=batchveo.RunSettings(output=folder / "videos", concurrency=100, poll_interval=0.1),
        using=batchveo.service(base_url=url, keys=keys),
        reporter=events.append,
        cluster=batchveo.Cluster(address=machines.address, workers=2),
    )


def test_one_of_two_keys_is_withdrawn(tmp_path: Path, machines: Machines) -> None:
    """Its limit held over both workers until then; the other key does the rest, and the next run what it left."""
    shop = Shop()
    events: list[batchveo.Event] = []
    with running(shop) as url:
        result = run(tmp_path, machines, url, events)
        assert result.exit_status == 3
        assert "no more jobs are submitted with key 'small'" in notes(events)
        assert 0 < result.late <= LIMITS["small"]
        assert result.counts[JobState.GENERATING] == result.late
        assert result.counts[JobState.SUCCEEDED] == JOBS - result.late
        assert shop.polls[f"{secret('small')} 401"] >= 3, "a single one may be a gateway's hiccup"
        shop.withdraws = False
        shop.withdrawn.clear()
        assert run(tmp_path, machines, url, events).exit_status == 0
    accounts = {label: shop.account(secret(label)) for label in LIMITS}
    assert {label: account.peak_in_flight for label, account in accounts.items()} == LIMITS
    assert len(accounts["small"].generations) == SOLD_BEFORE
    assert len(shop.generations) == JOBS, "each was bought once"
    assert len(list((tmp_path / "videos").glob("*.mp4"))) == JOBS
    assert {line.rpartition(" ")[2] for line in shop.polls} == {"200", "401"}, "each was asked for by its key"
    assert not [path for label in LIMITS for path in machines.mentions(secret(label))]
