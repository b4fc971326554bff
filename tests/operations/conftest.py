"""A service of its own for each test, and how to reach it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import batchveo
from batchveo.sandbox import Service, Settings, running


@pytest.fixture
def service() -> Service:
    return Service(Settings(generation_median=0.1))


@pytest.fixture
def using(service: Service) -> Iterator[batchveo.Service]:
    with running(service) as url:
        yield batchveo.service(base_url=url, key="key")
