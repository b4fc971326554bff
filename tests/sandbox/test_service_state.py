from __future__ import annotations

from pathlib import Path

from tests.helpers.sandbox_client import OPENED, SandboxClient


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """Status, log, ledger and files are the same from the journal alone."""
    journal = tmp_path / "journal.jsonl"
    before = SandboxClient(journal, generation_sigma=0.5, faults={"generation-error": 0.3})
    ids = [before.submit(prompt=f"Take {n}") for n in range(10)]
    before.post(duration=5)
    after = SandboxClient(journal, now=OPENED + 20)
    before.now = after.now
    assert after.service.generations == before.service.generations
    assert after.service.requests() == before.service.requests()
    assert after.service.charges() == before.service.charges()
    assert after.logs() == before.logs()
    assert after.transactions() == before.transactions()
    assert [after.poll(one) for one in ids] == [before.poll(one) for one in ids]


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    """A restarted sandbox gives out new ids."""
    journal = tmp_path / "journal.jsonl"
    ids = [SandboxClient(journal).submit() for _ in range(3)]
    assert len(set(ids)) == 3
    assert [generation.id for generation in SandboxClient(journal).service.generations] == ids


def test_a_torn_line_is_dropped(tmp_path: Path) -> None:
    """What a kill in the middle of a write left is gone, and the journal goes on."""
    journal = tmp_path / "journal.jsonl"
    kept = SandboxClient(journal).submit()
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"ordinal": 1, "crea')
    added = SandboxClient(journal).submit()
    assert [generation.id for generation in SandboxClient(journal).service.generations] == [kept, added]


def test_long_values_are_kept_short(tmp_path: Path) -> None:
    """A data URI of megabytes leaves only its start and its hash behind."""
    journal = tmp_path / "journal.jsonl"
    model = "google/veo-3-1-lite-generate-preview"
    SandboxClient(journal).submit(model=model, image_url="data:image/png;base64," + "A" * 1_000_000)
    assert journal.stat().st_size < 2000
    assert "SHA-256" in str(SandboxClient(journal).service.generations[0].request["image_url"])
