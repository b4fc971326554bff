"""Cases of which ``make test`` runs a sample, and ``make exhaustive`` the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sample_cases(cases: Iterable[Any], *, size: int) -> list[Any]:
    """Arguments for ``parametrize``: the first ``size`` cases as they are, the others marked ``exhaustive``.

    A case with several values is a tuple.
    """
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=pytest.mark.exhaustive if number >= size else (),
        )
        for number, case in enumerate(cases)
    ]
