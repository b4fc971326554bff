"""What an audit has read, beside the database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchveo.core.errors import DiskTrouble
from batchveo.store import Store
from batchveo.store.provider_records import HOUR, Charge, Listing, ProviderRecords

DAY = 24 * HOUR


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "b.db"


def add_charges(records: ProviderRecords, span: tuple[float, float], *charges: tuple[str, float], at: float) -> None:
    records.add_window("k", Listing.LEDGER, span, charges, read_at=at)


def sum_charges(records: ProviderRecords, *generations: str) -> dict[str, float]:
    records.match_keys({"k": "a"})
    return {charge.generation: charge.usd for charge in records.find_charges(generations).values()}


def test_gaps_are_what_no_window_covers(state: Path) -> None:
    """Newest first, of one key and one list."""
    with ProviderRecords(state) as records:
        assert records.list_gaps("k", Listing.LEDGER, 0.0, 100.0) == [(0.0, 100.0)]
        for span in ((10.0, 20.0), (50.0, 60.0), (60.0, 70.0), (90.0, 120.0)):
            add_charges(records, span, at=DAY * 2)
        assert records.list_gaps("k", Listing.LEDGER, 0.0, 100.0) == [(70.0, 90.0), (20.0, 50.0), (0.0, 10.0)]
        assert records.list_gaps("k", Listing.LEDGER, 15.0, 65.0) == [(20.0, 50.0)]
        assert records.list_gaps("k", Listing.LEDGER, 50.0, 70.0) == []
        assert records.list_gaps("k", Listing.LOG, 0.0, 9.0) == [(0.0, 9.0)]
        assert records.list_gaps("other", Listing.LEDGER, 0.0, 9.0) == [(0.0, 9.0)]


def test_windows_are_there_again_with_their_rows(state: Path) -> None:
    """Charges of one generation add up over windows; what nobody asked for is a stranger's."""
    with ProviderRecords(state) as records:
        add_charges(records, (0.0, 1.0), ("g1", 1.5), ("g2", 1.0), at=DAY * 2)
        add_charges(records, (1.0, 2.0), ("g1", 0.5), at=DAY * 2)
    with ProviderRecords(state) as records:
        assert records.list_gaps("k", Listing.LEDGER, 0.0, 2.0) == []
        assert sum_charges(records, "g1", "g9") == {"g1": 2.0}
        assert list(records.list_strangers()) == [Charge("g2", 1.0, "a")]


def test_windows_that_can_change_are_forgotten_with_their_rows(state: Path) -> None:
    """The last hour in any case, the last day once it was read long enough ago."""
    with ProviderRecords(state) as records:
        now = 10 * DAY
        add_charges(records, (0.0, 9 * DAY), ("settled", 1.0), at=now)
        add_charges(records, (9 * DAY, now - HOUR), ("today", 1.0), at=now)
        add_charges(records, (now - HOUR, now), ("just now", 1.0), at=now)
        records.drop_changing(read_before=now - 1.0)
        assert records.list_gaps("k", Listing.LEDGER, 0.0, now) == [(now - HOUR, now)]
        records.drop_changing(read_before=now + 1.0)
        assert records.list_gaps("k", Listing.LEDGER, 0.0, now) == [(9 * DAY, now)]
        assert sum_charges(records, "settled", "today", "just now") == {"settled": 1.0}


def test_a_window_whose_rows_cannot_be_kept_is_not_there(state: Path) -> None:
    """All or nothing."""
    with ProviderRecords(state) as records:
        rows = iter([("g1", 1.0), ("g2", object())])
        with pytest.raises(sqlite3.Error):
            records.add_window("k", Listing.LEDGER, (0.0, 1.0), rows, read_at=DAY)
        assert records.list_gaps("k", Listing.LEDGER, 0.0, 1.0) == [(0.0, 1.0)]
        assert sum_charges(records, "g1") == {}


def test_a_full_disk_is_trouble(state: Path) -> None:
    with ProviderRecords(state) as records:
        records._db.execute("PRAGMA max_page_count = 4")
        with pytest.raises(DiskTrouble, match="full"):
            add_charges(records, (0.0, 1.0), *((f"g{number}", 1.0) for number in range(1000)), at=DAY)


def test_a_second_audit_keeps_nothing(state: Path) -> None:
    """Two would keep the same rows twice."""
    with ProviderRecords(state) as records:
        with ProviderRecords(state) as other:
            add_charges(other, (0.0, 1.0), ("g1", 1.0), at=DAY * 2)
            assert sum_charges(other, "g1") == {"g1": 1.0}
        assert records.list_gaps("k", Listing.LEDGER, 0.0, 1.0) == [(0.0, 1.0)]
    with ProviderRecords(state) as records:
        assert records.list_gaps("k", Listing.LEDGER, 0.0, 1.0) == [(0.0, 1.0)]


@pytest.mark.parametrize("content", [b"not a database, but long enough to look like one" * 40, b""])
def test_a_damaged_file_is_made_anew(state: Path, content: bytes) -> None:
    Path(f"{state}.audit").write_bytes(content)
    with ProviderRecords(state) as records:
        add_charges(records, (0.0, 1.0), ("g1", 1.0), at=DAY * 2)
        assert sum_charges(records, "g1") == {"g1": 1.0}


def test_a_file_of_another_version_is_made_anew(state: Path) -> None:
    with ProviderRecords(state) as records:
        add_charges(records, (0.0, 1.0), at=DAY * 2)
    with closing(sqlite3.connect(f"{state}.audit", isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 99")
    with ProviderRecords(state) as records:
        assert records.list_gaps("k", Listing.LEDGER, 0.0, 1.0) == [(0.0, 1.0)]


def test_a_folder_that_cannot_be_written_keeps_nothing(state: Path) -> None:
    """The audit works all the same."""
    Path(f"{state}.audit").mkdir()
    with ProviderRecords(state) as records:
        add_charges(records, (0.0, 1.0), ("g1", 1.0), at=DAY * 2)
        assert sum_charges(records, "g1") == {"g1": 1.0}


def test_a_file_that_is_cut_is_made_anew(state: Path) -> None:
    """As after a power cut: its first page is whole, and others are missing. It stays private."""
    with ProviderRecords(state) as records:
        add_charges(records, (0.0, 1.0), *((f"g{number}", 1.0) for number in range(2_000)), at=DAY * 2)
    file = Path(f"{state}.audit")
    with file.open("r+b") as out:
        out.seek(3 * 4096)
        out.write(b"\xff" * 4096)
    with ProviderRecords(state) as records:
        assert sum_charges(records, "g1") == {}
        add_charges(records, (0.0, 1.0), ("g1", 1.0), at=DAY * 2)
    assert file.stat().st_mode & 0o077 == 0
    with ProviderRecords(state) as records:
        assert sum_charges(records, "g1") == {"g1": 1.0}


def test_a_file_that_is_damaged_stays_private(state: Path) -> None:
    """When it is made anew."""
    Path(f"{state}.audit").write_bytes(b"not a database, but long enough to look like one" * 40)
    with ProviderRecords(state):
        assert Path(f"{state}.audit").stat().st_mode & 0o077 == 0


def test_windows_that_were_read_in_the_future_are_forgotten(state: Path) -> None:
    """The clock was wrong: what it called long ago was perhaps not over."""
    with ProviderRecords(state) as records:
        add_charges(records, (0.0, DAY), ("g1", 1.0), at=10 * DAY)
        records.drop_changing(read_before=0.0, now=10 * DAY)
        assert records.list_gaps("k", Listing.LEDGER, 0.0, DAY) == []
        records.drop_changing(read_before=0.0, now=9 * DAY)
        assert records.list_gaps("k", Listing.LEDGER, 0.0, DAY) == [(0.0, DAY)]


def test_another_database_of_that_name_is_left_alone(state: Path) -> None:
    """A database of jobs may have any name."""
    other = Path(f"{state}.audit")
    with Store(other) as store:
        store.runs.begin_run(command="run", service="s", now=1.0)
    before = other.read_bytes()
    with ProviderRecords(state) as records:
        add_charges(records, (0.0, 1.0), ("g1", 1.0), at=DAY * 2)
        assert sum_charges(records, "g1") == {"g1": 1.0}
    assert other.read_bytes() == before
