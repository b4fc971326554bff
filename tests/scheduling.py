"""How the tests are spread over workers: what takes long first, what shares a costly start together."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "tests/engine/cluster/test_ray.py": "ray",
        "tests/engine/cluster/test_ray_keys.py": "ray",
        "tests/web/test_browser.py": "browser",
        "tests/web/test_charts_js.py": "browser",
        "tests/web/test_contrast.py": "browser",
        "tests/test_examples.py::test_a_page_followed_word_by_word_works": "",
        "tests/crash/test_crashes.py": "",
        "tests/engine/test_sockets.py": "",
        "tests/storage/objects/test_client.py": "bucket",
        "tests/storage/test_bucket_run.py": "bucket",
        "tests/dataset/test_loaders.py": "loaders",
        "tests/contract/test_runs.py": "contract",
        "tests/simulation/test_nights.py": "",
    }
)
"""What begins first, in this order; tests with one name go to one worker, and start one cluster, one browser."""


def unit(nodeid: str) -> str:
    """What is sent to a worker in one piece: a test alone, unless it shares a costly start with others."""
    return next((name for begin, name in UNITS.items() if name and nodeid.startswith(begin)), nodeid)


def rank(nodeid: str) -> int:
    """The place in the order in which tests begin; the same for all that are quick."""
    return next((place for place, begin in enumerate(UNITS) if nodeid.startswith(begin)), len(UNITS))


def longest_first(items: list[pytest.Item]) -> None:
    """Sort, so that no long test is begun when all others are done, and one worker has to be waited for."""
    items.sort(key=lambda item: rank(item.nodeid))


def scheduler(config: pytest.Config, log: Producer | None) -> LoadScopeScheduling:
    """Send units in the order of the items, each to the worker that has least to do.

    The marks of ``--dist loadgroup`` are not used: pytest 9.2 loses them on their way from xdist 3.8.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    config.option.loadscopereorder = False
    return Units(config, log)
