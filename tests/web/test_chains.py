"""The JSON of chains: places on cards, the strip of a job, filters, what waits and what is blocked."""

from __future__ import annotations

from typing import Any

import pytest

from batchveo.operations.further_takes import add_takes, plan_takes
from batchveo.provider.catalog import MODELS
from batchveo.store import Store
from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from tests.helpers.chains import make_chain, make_link
from tests.web.conftest import HOSTILE, Client, Night

SIDE = f"a side of {HOSTILE}"


@pytest.fixture
def client(night: Night) -> Client:
    night.cancel_pending()
    shots = make_chain(4)
    side = make_link(SIDE, {"last": shots[0]})
    other = make_link("other", {})
    bridge = make_link("bridge", {"last": other, "first": shots[1]})
    night.add(*shots, side, other, bridge)
    keys = Secrets()
    return Client(make_app(night.path, keys=keys), keys)


def read_cards(client: Client, **wanted: str) -> dict[str, dict[str, Any]]:
    answer = client.get("/api/jobs", params={"order": "manifest", **wanted}).json()
    return {card["name"]: card for card in answer["jobs"]}


def test_cards_name_the_chain_the_parents_and_what_is_waited_for(client: Client, night: Night) -> None:
    first, other = night.named("shot 0"), night.named("other")
    cards = read_cards(client)
    assert (cards["fox"]["chain"], cards["fox"]["link"], cards["fox"]["parents"]) == (None, 1, [])
    bridge = cards["bridge"]
    assert (bridge["chain"], bridge["link"]) == ({"id": other.id, "name": "other"}, 3)
    assert sorted((parent["name"], parent["part"]) for parent in bridge["parents"]) == [
        ("other", "last"),
        ("shot 1", "first"),
    ]
    waits = {"id": first.id, "name": "shot 0", "state": "pending"}
    assert (cards["shot 1"]["waiting_for"], cards["shot 1"]["blocked_by"]) == (waits, None)
    night.fail("refused")
    blocked = {**waits, "state": "failed"}
    cards = read_cards(client)
    assert [cards[name]["blocked_by"] for name in ("shot 1", "shot 3", SIDE, "bridge")] == [blocked] * 4
    assert cards["other"]["blocked_by"] is cards["other"]["waiting_for"] is None


def test_waiting_and_blocked_jobs_and_chains_are_filters(client: Client, night: Night) -> None:
    """Their numbers are counted with the other filters, and told with the progress."""
    assert list(read_cards(client, waits="waiting")) == ["shot 1", "shot 2", "shot 3", SIDE, "bridge"]
    night.fail("refused")
    assert list(read_cards(client, waits="blocked")) == ["shot 1", "shot 2", "shot 3", SIDE, "bridge"]
    assert list(read_cards(client, waits="blocked", chain=night.named("other").id)) == ["bridge"]
    counts = client.get("/api/jobs?state=pending").json()["counts"]
    assert counts["waits"] == {"blocked": 5}
    progress = client.get("/api/progress").json()
    assert (progress["waiting"], progress["blocked"]) == (0, 5)
    assert client.get("/api/jobs?waits=never").status_code == 400
    grouped = client.get("/api/jobs?order=chain").json()
    assert grouped["groups"] == [5, 2, 6]


def test_what_is_blocked_by_a_move_is_among_the_changes(client: Client, night: Night) -> None:
    """It has not moved itself; nor has what a retry frees."""
    cursor = client.get("/api/progress").json()["cursor"]
    night.fail("refused")
    changed = client.get(f"/api/progress?since={cursor}").json()
    names = {card["name"] for card in changed["changed"] if card["blocked_by"]}
    assert names == {"shot 1", "shot 2", "shot 3", SIDE, "bridge"}
    assert client.post("/api/retry", {"jobs": [night.named("shot 0").id]}).status_code == 200
    changed = client.get(f"/api/progress?since={changed['cursor']}").json()
    assert {card["name"] for card in changed["changed"] if card["waiting_for"]} == names


def test_the_strip_has_the_links_in_order_and_the_branches(client: Client, night: Night) -> None:
    """A clip that begins with the last frame of the one before repeats it."""

    def read_strip(name: str) -> Any:
        return client.get(f"/api/jobs/{night.named(name).id}").json()["strip"]

    for name in ("shot 0", "shot 3"):
        strip = read_strip(name)
        assert [(link["name"], link["link"]) for link in strip["links"]] == [(f"shot {n}", n + 1) for n in range(4)]
        assert [link["begins_with"] for link in strip["links"]] == [None, "last", "last", "last"]
        assert {(branch["name"], branch["parent"]) for branch in strip["branches"]} == {
            (SIDE, "shot 0"),
            ("bridge", "shot 1"),
        }
    assert [link["name"] for link in read_strip(SIDE)["links"]] == ["shot 0", SIDE]
    assert read_strip("fox") is None


def test_a_question_names_what_follows_in_the_chain(client: Client, night: Night) -> None:
    """What is blocked by a cancel, and what goes on after a retry; not what is chosen itself."""
    first, second = night.named("shot 0").id, night.named("shot 1").id
    told = client.post("/api/preview", {"act": "cancel", "jobs": [first]}).json()
    assert (told["jobs"], told["following"]["jobs"], told["made"]) == (1, 5, 0)
    told = client.post("/api/preview", {"act": "cancel", "jobs": [first, second]}).json()
    assert (told["jobs"], told["following"]["jobs"]) == (2, 4)
    other = client.post("/api/preview", {"act": "cancel", "jobs": [night.named("shot 3").id]}).json()
    assert other["following"] == {"jobs": 0, "usd": 0, "unpriced": 0}
    night.fail("refused")
    told = client.post("/api/preview", {"act": "retry", "jobs": [first]}).json()
    assert told["following"] == {"jobs": 5, "usd": 0, "unpriced": 5}


def test_a_cancelled_take_blocks_nothing_while_there_is_another(client: Client, night: Night) -> None:
    first = night.named("shot 0")
    with Store(night.path) as store:
        take = add_takes(store, plan_takes(store, [first], 1, catalog=MODELS), now=2.0)[0]
    for jobs, blocked in (([first.id], 0), ([take.id], 0), ([first.id, take.id], 5)):
        told = client.post("/api/preview", {"act": "cancel", "jobs": jobs}).json()
        assert told["following"]["jobs"] == blocked


def test_a_link_is_made_anew_with_all_that_follows(client: Client, night: Night) -> None:
    """As by ``retry --with-children``: as many videos as were told, once."""
    job = night.succeed()
    assert job.name == "shot 0"
    with Store(night.path) as store:
        for link in store.links.list_open_links(job.seq):
            store.links.fill_text(link, job, "x", run=night.run, now=70.0)
    made = night.succeed()
    told = client.post("/api/preview", {"act": "anew", "jobs": [job.id]}).json()
    assert (told["jobs"], told["usd"], told["unpriced"]) == (2, 3.12, 0)
    body = {"jobs": [job.id], "expected": told["expected"]}
    assert client.post("/api/anew", {**body, "expected": "other"}).status_code == 409
    assert client.post("/api/anew", body).json() == {"done": 2}
    assert client.post("/api/anew", body).status_code == 409
    takes = {name: state for name, state in night.states().items() if "take2" in name}
    assert takes == {"shot 0-take2": "pending", f"{made.name}-take2": "pending"}
