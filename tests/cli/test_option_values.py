"""Records from the options of a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli.option_values import read_cluster, read_manifest_options, read_planned_settings
from batchveo.core.errors import UsageError
from batchveo.core.measures import CheckLevel
from batchveo.core.settings import USUAL_CONCURRENCY

OPTIONS = {
    "output": Path("videos"),
    "inputs": None,
    "concurrency": None,
    "keys": None,
    "sandbox": False,
    "rate": None,
    "budget": None,
    "assume_price": None,
    "tries": 1,
}
READING: dict[str, object] = {
    "sets": (),
    "renames": (),
    "filename": None,
    "extra": "error",
    "limit": None,
    "only": (),
    "where": None,
}


def test_several_keys_add_their_limits_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the user names a number."""
    monkeypatch.setenv("FIRST", "sk-first")
    monkeypatch.setenv("SECOND", "sk-second")
    keys = tmp_path / "keys.yaml"
    keys.write_text("keys:\n  - {name: a, env: FIRST, concurrency: 3}\n  - {name: b, env: SECOND}\n")
    assert read_planned_settings(OPTIONS).concurrency == USUAL_CONCURRENCY
    assert read_planned_settings(OPTIONS | {"keys": keys}).concurrency == 3 + USUAL_CONCURRENCY
    assert read_planned_settings(OPTIONS | {"keys": keys, "concurrency": 4}).concurrency == 4


@pytest.mark.parametrize(
    ("checks", "measures", "least"),
    [(None, True, CheckLevel.NONE), ("none", False, CheckLevel.NONE), ("basic", True, CheckLevel.BASIC)],
)
def test_none_turns_checks_off_and_the_others_ask_for_more(
    checks: str | None, measures: bool, least: CheckLevel
) -> None:
    """Without the option the manifests decide."""
    assert read_planned_settings(OPTIONS | {"checks": checks}).checks is measures
    assert read_manifest_options(READING | {"checks": checks}).checks is least


def test_workers_need_a_cluster() -> None:
    """Without one there are none."""
    assert read_cluster({"ray": None, "workers": None}) is None
    cluster = read_cluster({"ray": "auto", "workers": 3})
    assert cluster is not None
    assert (cluster.address, cluster.workers) == ("auto", 3)
    with pytest.raises(UsageError, match="--workers needs --ray"):
        read_cluster({"ray": None, "workers": 3})
