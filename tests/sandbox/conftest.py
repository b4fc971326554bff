from __future__ import annotations

import pytest

from tests.helpers.sandbox_client import SandboxClient


@pytest.fixture
def sandbox() -> SandboxClient:
    return SandboxClient()
