"""The question before a purchase."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import batchveo
from batchveo.core.errors import Declined
from batchveo.operations.quote import PurchaseQuote
from batchveo.sandbox import Service, Settings, running

MANIFEST = "budget: 9\njobs:\n  - {model: veo2, prompt: A fox, name: 'fox-{index}', repeat: 2}\n"


@pytest.fixture
def service() -> Service:
    return Service(Settings(generation_median=0.1))


@pytest.fixture
def using(service: Service) -> Iterator[batchveo.Service]:
    with running(service) as url:
        yield batchveo.service(base_url=url, key="key")


def settings(folder: Path) -> batchveo.RunSettings:
    return batchveo.RunSettings(output=folder / "videos", poll_interval=0.05)


def declining(offers: list[PurchaseQuote]) -> Callable[[PurchaseQuote], bool]:
    """Whoever is asked declines; ``offers`` gets what was offered."""

    def decline(offer: PurchaseQuote) -> bool:
        offers.append(offer)
        return False

    return decline


def test_no_buys_and_writes_nothing(using: batchveo.Service, service: Service, tmp_path: Path) -> None:
    """Whoever is asked sees jobs, price, balance and budget."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    offers: list[PurchaseQuote] = []
    with pytest.raises(Declined, match="nothing was written or bought") as declined:
        batchveo.run(
            [tmp_path / "m.yaml"],
            state=tmp_path / "s.db",
            settings=settings(tmp_path),
            using=using,
            approve=declining(offers),
        )
    assert declined.value.exit_status == 130
    assert [path.name for path in tmp_path.iterdir()] == ["m.yaml"]
    assert not service.generations
    assert (offers[0].new, offers[0].usd, offers[0].unpriced) == (2, pytest.approx(4.55), 0)
    assert (offers[0].balance_usd, offers[0].budget_usd) == (1000.0, 9.0)


def test_yes_buys_and_what_is_bought_is_not_asked_about_again(
    using: batchveo.Service, service: Service, tmp_path: Path
) -> None:
    """Run again, there is nothing to say yes to; resume neither."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    asked: list[PurchaseQuote] = []

    def yes(offer: PurchaseQuote) -> bool:
        asked.append(offer)
        return True

    for _ in range(2):
        result = batchveo.run(
            [tmp_path / "m.yaml"],
            state=tmp_path / "s.db",
            settings=settings(tmp_path),
            using=using,
            approve=yes,
        )
        assert result.exit_status == 0
    batchveo.resume(state=tmp_path / "s.db", settings=settings(tmp_path), using=using, approve=yes)
    assert len(asked) == 1
    assert len(service.generations) == 2


def test_resume_offers_all_that_waits_with_the_last_budget(using: batchveo.Service, tmp_path: Path) -> None:
    """A manifest's budget of 3 let one of the videos through."""
    (tmp_path / "m.yaml").write_text(MANIFEST.replace("9", "3"))
    state = tmp_path / "s.db"
    batchveo.run([tmp_path / "m.yaml"], state=state, settings=settings(tmp_path), using=using)
    offers: list[PurchaseQuote] = []
    with pytest.raises(Declined):
        batchveo.resume(state=state, settings=settings(tmp_path), using=using, approve=declining(offers))
    assert (offers[0].new, offers[0].budget_usd) == (1, 3.0)
    assert offers[0].committed_usd == pytest.approx(2.275)
    assert offers[0].over_usd == pytest.approx(1.55)


def test_without_the_service_the_last_prices_are_offered(using: batchveo.Service, tmp_path: Path) -> None:
    """With their date; the run before kept them."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    state = tmp_path / "s.db"
    batchveo.run([tmp_path / "m.yaml"], state=state, settings=settings(tmp_path), using=using)
    (tmp_path / "m.yaml").write_text(MANIFEST.replace("fox", "hen").replace("fox", "hen"))
    offers: list[PurchaseQuote] = []
    with pytest.raises(Declined):
        batchveo.run(
            [tmp_path / "m.yaml"],
            state=state,
            using=batchveo.service(base_url="http://127.0.0.1:9", key="key"),
            settings=settings(tmp_path),
            approve=declining(offers),
        )
    assert offers[0].usd == pytest.approx(4.55)
    assert offers[0].prices_since == pytest.approx(time.time(), abs=60)
    assert offers[0].balance_usd is None


def test_the_balances_of_several_keys_are_offered(tmp_path: Path) -> None:
    """Each, and what they hold together."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "keys.yaml").write_text("keys: [{name: a, key: sk-a}, {name: b, key: sk-b}]")
    service = Service(Settings(per_key=True))
    service.account("sk-b").opening += 2_000_000  # credits
    offers: list[PurchaseQuote] = []
    with running(service) as url, pytest.raises(Declined):
        batchveo.run(
            [tmp_path / "m.yaml"],
            state=tmp_path / "s.db",
            settings=settings(tmp_path),
            using=batchveo.service(base_url=url, keys=tmp_path / "keys.yaml"),
            approve=declining(offers),
        )
    assert (offers[0].balance_usd, dict(offers[0].balances)) == (2001.0, {"a": 1000.0, "b": 1001.0})
