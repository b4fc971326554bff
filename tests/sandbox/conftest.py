from __future__ import annotations

import pytest

from tests.helpers.manual_sandbox import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
