"""Where sidecars stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.settings import RunSettings
from batchveo.core.sidecar_location import BESIDE, NONE, Sidecars


@pytest.mark.parametrize(
    ("said", "sidecars", "path"),
    [
        (None, BESIDE, Path("/v/a.cat.json")),
        ("beside", BESIDE, Path("/v/a.cat.json")),
        ("facts", Sidecars(folder=Path.cwd() / "facts"), Path.cwd() / "facts/a.cat.json"),
        ("/facts", Sidecars(folder=Path("/facts")), Path("/facts/a.cat.json")),
        ("none", NONE, None),
    ],
)
def test_each_choice(said: str | None, sidecars: Sidecars, path: Path | None) -> None:
    """Beside the video, in a folder, nowhere."""
    assert Sidecars.named(said) == sidecars
    assert sidecars.of(Path("/v/a.cat.mp4")) == path
    assert Sidecars.named(str(sidecars)) == sidecars
    assert RunSettings(sidecars=said or "").sidecars == sidecars  # type: ignore[arg-type]


def test_a_home_folder_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """By ``~``."""
    monkeypatch.setenv("HOME", "/home/x")
    assert Sidecars.named("~/facts").folder == Path("/home/x/facts")


@pytest.mark.parametrize("sidecars", [NONE, Sidecars(folder=Path("facts"))])
def test_a_bucket_needs_them_beside_its_videos(sidecars: Sidecars) -> None:
    """There they claim the names."""
    with pytest.raises(UsageError, match="--sidecars is for folders"):
        RunSettings(output="s3://bucket/night", sidecars=sidecars)  # type: ignore[arg-type]
