"""The steps before a purchase: the question, and the warning that there is no budget any more."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

import batchveo
from batchveo.core.errors import Declined
from batchveo.core.notices import BudgetDropped, DatabaseCreated
from batchveo.operations.quote import PurchaseQuote
from batchveo.provider.catalog import MODELS, load_catalog
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Store
from tests.operations.runs import MANIFEST, settings


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


def test_takes_of_clips_that_gates_may_reject_are_offered(using: batchveo.Service, tmp_path: Path) -> None:
    """Also if nothing is to be made otherwise: the clips are there, and not judged yet; by run and by resume."""
    gated = MANIFEST.replace("repeat: 2", "repeat: 2, tries: 3, gates: cost_usd < 99")
    (tmp_path / "m.yaml").write_text(gated)
    usual = settings(tmp_path)
    state, offers = tmp_path / "s.db", list[PurchaseQuote]()
    unjudged = replace(usual, checks=False)
    assert batchveo.run([tmp_path / "m.yaml"], state=state, settings=unjudged, using=using).exit_status == 0
    with pytest.raises(Declined):
        batchveo.run([tmp_path / "m.yaml"], state=state, settings=usual, using=using, approve=declining(offers))
    with pytest.raises(Declined):
        batchveo.resume(state=state, settings=usual, using=using, approve=declining(offers))
    assert [(offer.new, offer.usd, offer.most_usd) for offer in offers] == 2 * [(0, 0.0, pytest.approx(2 * 4.55))]
    assert batchveo.resume(state=state, settings=usual, using=using).exit_status == 0
    asked = batchveo.resume(state=state, settings=usual, using=using, approve=declining(offers))
    assert (asked.exit_status, len(offers)) == (0, 2)


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


FREE = MANIFEST.replace("budget: 9\n", "")


def test_a_dropped_budget_is_reported_before_the_question(using: batchveo.Service, tmp_path: Path) -> None:
    """As long as nobody says yes, each run warns; then the last run is one without a budget."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "free.yaml").write_text(FREE.replace("fox", "hen"))
    heard: list[object] = []

    def run(manifest: str, *, answer: bool) -> list[object]:
        def approve(offer: PurchaseQuote) -> bool:
            heard.append(offer)
            return answer

        heard.clear()
        with contextlib.suppress(Declined):
            batchveo.run(
                [tmp_path / manifest],
                state=tmp_path / "s.db",
                settings=settings(tmp_path),
                using=using,
                reporter=heard.append,
                approve=approve,
            )
        return [item for item in heard if isinstance(item, BudgetDropped | PurchaseQuote)]

    warning = BudgetDropped(last_usd=9.0)
    assert warning not in run("m.yaml", answer=True)
    for answer in (False, True):
        first, second = run("free.yaml", answer=answer)
        assert first == warning
        assert isinstance(second, PurchaseQuote)
    assert run("free.yaml", answer=True) == []


def test_a_dropped_budget_is_reported_before_anything_is_bought(
    using: batchveo.Service, service: Service, tmp_path: Path
) -> None:
    """Also where nobody is asked; a budget of the manifest or of the settings is one, a larger one too."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "free.yaml").write_text(FREE.replace("fox", "hen"))
    bought: list[int] = []

    def note(event: batchveo.Event) -> None:
        if isinstance(event, BudgetDropped):
            bought.append(len(service.generations))

    def run(manifest: str, budget: float | None) -> None:
        batchveo.run(
            [tmp_path / manifest],
            state=tmp_path / "s.db",
            settings=replace(settings(tmp_path), budget=budget),
            using=using,
            reporter=note,
        )

    run("m.yaml", None)
    run("m.yaml", None)
    run("free.yaml", 20.0)
    assert bought == []
    run("free.yaml", None)
    assert bought == [4]


def test_resume_drops_no_budget(using: batchveo.Service, tmp_path: Path) -> None:
    """It restores the last one, so there is nothing to warn of."""
    (tmp_path / "m.yaml").write_text(MANIFEST.replace("9", "3"))
    state = tmp_path / "s.db"
    batchveo.run([tmp_path / "m.yaml"], state=state, settings=settings(tmp_path), using=using)
    events: list[batchveo.Event] = []
    for given in (settings(tmp_path), None):
        result = batchveo.resume(state=state, settings=given, using=using, reporter=events.append)
        assert result.exit_status == 3
    assert not any(isinstance(event, BudgetDropped) for event in events)
    assert [event.budget for event in events if isinstance(event, batchveo.RunStarted)] == [3.0, 3.0]


def test_a_new_database_has_no_budget_to_drop(using: batchveo.Service, tmp_path: Path) -> None:
    """An empty file is a new one, and stays empty until the run begins."""
    (tmp_path / "m.yaml").write_text(FREE)
    (tmp_path / "s.db").touch()
    events: list[batchveo.Event] = []
    batchveo.run(
        [tmp_path / "m.yaml"], state=tmp_path / "s.db", settings=settings(tmp_path), using=using, reporter=events.append
    )
    assert DatabaseCreated(state=tmp_path / "s.db") in events
    assert not any(isinstance(event, BudgetDropped) for event in events)


def test_a_run_that_ends_within_its_import_leaves_its_budget(
    using: batchveo.Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For resume to restore, and for the next run to miss."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    state, given = tmp_path / "s.db", settings(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("batchveo.store.importer.Importer.add_jobs", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            batchveo.run([tmp_path / "m.yaml"], state=state, settings=given, using=using)
    events: list[batchveo.Event] = []
    batchveo.resume(state=state, settings=given, using=using, reporter=events.append)
    assert [event.budget for event in events if isinstance(event, batchveo.RunStarted)] == [9.0]


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_run_records_the_catalogue_that_it_validates_against(using: batchveo.Service, tmp_path: Path) -> None:
    """In the database, beside the video and in a dataset; a later run with another one changes only what it adds."""
    manifest, state, own = tmp_path / "m.yaml", tmp_path / "s.db", tmp_path / "own.json"
    content = json.loads((resources.files("batchveo.provider.catalog") / "models.json").read_bytes())
    del content["models"]["luma/ray-2"]
    own.write_text(json.dumps(content))
    catalog = load_catalog(own)
    manifest.write_text(FREE.replace("veo2", "luma/ray-2"))
    with pytest.raises(batchveo.ManifestError, match="luma/ray-2"):
        batchveo.run([manifest], state=state, settings=settings(tmp_path), using=using, catalog=catalog)
    manifest.write_text(FREE)
    batchveo.run([manifest], state=state, settings=settings(tmp_path), using=using, catalog=catalog)
    manifest.write_text(f"{FREE}  - {{model: veo2, prompt: A hen that came later}}\n")
    batchveo.run([manifest], state=state, settings=settings(tmp_path), using=using)
    with Store(state, writing=False) as store:
        jobs = list(store.jobs())
        assert store.queries.list_catalogs() == [catalog.info, MODELS.info]
        batchveo.export(store, tmp_path / "dataset")
    assert [job.catalog for job in jobs] == [*[catalog.digest] * (len(jobs) - 1), MODELS.digest]
    assert (catalog.info.source, MODELS.info.source) == (str(own), f"batchveo {batchveo.__version__}")
    for job in jobs:
        sidecar = json.loads(Path(job.folder or "", f"{job.stem}.json").read_text())
        assert sidecar["catalogue"] == job.catalog
    lines = (tmp_path / "dataset/train/metadata.jsonl").read_text().splitlines()
    assert [json.loads(line)["catalogue"] for line in lines] == [job.catalog for job in jobs]
