"""Failures by their cause."""

from __future__ import annotations

from batchveo.web.serializers import group_failures


def test_the_commonest_comes_first() -> None:
    """With the first of its jobs for an example, and all its models."""
    rows = [
        {"error": "no", "model": "a", "jobs": 2, "example": 5},
        {"error": "code 1", "model": "a", "jobs": 2, "example": 1},
        {"error": "code 2", "model": "b", "jobs": 1, "example": 2},
    ]
    first, second = group_failures(rows)
    assert (first.cause, first.jobs, first.example, first.models) == ("code N", 3, 1, {"a": 2, "b": 1})
    assert (second.cause, second.jobs) == ("no", 2)
