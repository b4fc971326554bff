from __future__ import annotations

import pytest

from batchveo.sandbox.times import iso
from tests.helpers.manual_sandbox import OPENED, Desk


def balance(desk: Desk) -> object:
    return desk.get("/v2/billing").json()


def test_the_balance_falls_on_completion(desk):
    """A running generation has cost nothing yet."""
    desk.submit()
    assert balance(desk) == {"current_balance": 1000.0, "currency": "USD"}
    desk.now += 10
    assert balance(desk) == {"current_balance": 999.22, "currency": "USD"}


def test_a_charge(desk):
    """A charge lands when the generation completes and refers to it."""
    generation_id = desk.submit()
    assert len(desk.transactions()["data"]) == 1
    desk.now += 60
    assert desk.transactions(("type", "MODEL_USAGE"))["data"] == [
        {
            "created_at": iso(OPENED + 10),
            "direction": "CHARGE",
            "type": "MODEL_USAGE",
            "amount": {"usd": 0.78, "credits": 1_560_000},
            "model": "google/veo-3.1-t2v-fast",
            "reference_id": generation_id,
        }
    ]
    assert [charge.generation_id for charge in desk.service.charges()] == [generation_id]


def test_a_failed_generation_is_not_charged():
    """An error costs nothing."""
    desk = Desk(faults={"generation-error": 1.0})
    desk.submit()
    desk.now += 10
    assert desk.service.charges() == ()
    assert balance(desk)["current_balance"] == 1000.0


def test_the_ledger_starts_with_the_opening_balance(desk):
    """The oldest entry is money coming in."""
    entry = desk.transactions(("direction", "TOPUP"))["data"][0]
    assert (entry["type"], entry["amount"]["usd"], entry["reference_id"]) == ("INIT", 1000.0, None)


def test_pages_hold_still_while_new_charges_arrive(desk):
    """Following the cursors lists every entry of the start once, whatever comes in between."""
    submitted = []
    for _ in range(7):
        submitted.append(desk.submit())
        desk.now += 1
    desk.now += 10
    seen, query = [], [("limit", 3), ("direction", "CHARGE")]
    while query:
        page = desk.transactions(*query)
        seen += [entry["reference_id"] for entry in page["data"]]
        desk.submit()
        desk.now += 10
        cursor = page["pagination"]["next_cursor"]
        assert page["pagination"]["has_more"] is (cursor is not None)
        query = [*query[:2], ("cursor", cursor)] if cursor else []
    assert seen == submitted[::-1]


def test_moments(desk):
    """From is included, to is not."""
    for _ in range(3):
        desk.submit()
        desk.now += 10
    first, last = iso(OPENED + 20), iso(OPENED + 30)
    assert [entry["created_at"] for entry in desk.transactions(("from", first), ("to", last))["data"]] == [first]
    assert len(desk.transactions(("from", first))["data"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        (("from", "2026-07-01T00:00:00"),),
        (("from", "then"),),
        (("from", "2026-07-02T00:00:00Z"), ("to", "2026-07-01T00:00:00Z")),
        (("direction", "charge"),),
        (("type", "USAGE"),),
        (("limit", 0),),
        (("cursor", "abc"),),
        (("cursor", "é"),),
        (("cursor", "eyJ2IjogMSwgInAiOiA5OX0"),),
        (("offset", 5),),
    ],
)
def test_wrong_queries(desk, query):
    """What the schema does not allow is 400, a cursor that is not ours too."""
    assert desk.get("/v2/billing/transactions", *query).status == 400
