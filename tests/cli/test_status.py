"""What ``status`` says of a state."""

from __future__ import annotations

from pathlib import Path

from batchveo.cli.status import _text
from batchveo.report.rows import status_row
from batchveo.store import Store


def test_what_is_left_reads_as_in_the_live_display(tmp_path: Path) -> None:
    """No more digits than a forecast has; nothing of it where no run goes on."""
    with Store(tmp_path / "b.db") as store:
        row = {**status_row(store), "state": "b.db"}
    ahead = {"eta_seconds": 11_403.0, "eta_low_seconds": 10_211.0, "eta_high_seconds": 13_190.0}
    assert "left" not in _text({**row, **ahead})
    assert "about 3 h 10 min (2 h 50 min – 3 h 40 min) left" in _text({**row, **ahead, "running": True})
