from __future__ import annotations

import pytest

from batchveo.provider.catalog.price_list import PriceList
from tests.helpers.sandbox_client import SandboxClient, read_json


@pytest.fixture
def sandbox() -> SandboxClient:
    return SandboxClient()


@pytest.fixture(scope="session")
def prices() -> PriceList:
    """The sandbox's list, as the client reads it."""
    return PriceList.read(read_json(SandboxClient().get("/v1/models", ("include", "pricing"), headers={})))
