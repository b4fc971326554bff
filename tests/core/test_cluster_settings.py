"""How a run is spread over a cluster: addresses and numbers of workers."""

from __future__ import annotations

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.settings import Cluster


@pytest.mark.parametrize("address", [None, "local", "auto", "127.0.0.1:6379", "head.example:6379", "[::1]:6379"])
def test_addresses_that_are_some(address: str | None) -> None:
    """Local ones are those that no cluster stands behind yet."""
    assert Cluster(address=address).is_local == (address in (None, "local"))


@pytest.mark.parametrize("address", ["night.yaml", "ray://head:10001", "", "host", "a b:1", "x:1\n", "<script>:1"])
def test_addresses_that_are_none(address: str) -> None:
    """A manifest among them."""
    with pytest.raises(UsageError):
        Cluster(address=address)


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_out_of_range(workers: int) -> None:
    """There is at least one."""
    with pytest.raises(UsageError):
        Cluster(workers=workers)


def test_workers_by_nodes() -> None:
    """One each, at least two, or as many as are asked for."""
    assert [Cluster().workers_on(nodes) for nodes in (1, 2, 9)] == [2, 2, 9]
    assert Cluster(workers=1).workers_on(9) == 1
