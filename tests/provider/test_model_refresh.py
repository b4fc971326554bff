"""A refresh of the catalogue: what it takes from the service, and what a bad service cannot do to it."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx
import pytest

from batchveo.provider import ApiClient, ApiKey, ProviderError
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.catalog.file_format import FORMAT
from batchveo.provider.catalog_assembly import find_losses
from batchveo.provider.model_refresh import LARGEST_DOCUMENT, WHOLE_SECONDS, Refresh, refresh_catalog
from batchveo.provider.public_calls import CALLS, TRIES
from batchveo.provider.retirement import read_kept_retirements
from tests.helpers.model_service import BASE, PROMPT, ModelService, list_asked_again, make_row
from tests.helpers.openapi_documents import make_document

pytestmark = pytest.mark.anyio

TODAY = "2026-12-01"


def make_catalog(content: Any) -> Catalog:
    return Catalog(lambda: json.dumps(content).encode())


EMPTY = make_catalog({"format": FORMAT, "made": "2026-01-01", "models": {}})


async def refresh(service: ModelService, old: Catalog = EMPTY) -> tuple[Refresh, Catalog]:
    async with ApiClient(ApiKey("secret"), base_url=BASE, transport=service.transport) as api:
        found = await refresh_catalog(api, old, today=TODAY)
    catalog = make_catalog(found.content)
    catalog.check()
    return found, catalog


def list_reasons(found: Refresh) -> dict[str, str]:
    return {trouble.model: trouble.reason for trouble in found.troubles}


async def test_models_aliases_and_the_date_come_from_the_service() -> None:
    service = ModelService("maker/one", "maker/two")
    service.rows = [make_row("maker/one", "one", "uno"), make_row("maker/two")]
    found, catalog = await refresh(service)
    assert list(catalog) == ["maker/one", "maker/two"]
    assert catalog["uno"].id == "maker/one"
    assert catalog["maker/two"].params["duration"].choices == (4, 8)
    assert (catalog.made, found.documents, found.unchanged, found.troubles) == (TODAY, 2, 0, ())


async def test_no_call_has_the_key() -> None:
    service = ModelService("maker/one")
    await refresh(service)
    assert len(service.asked) == 3
    assert not any("authorization" in request.headers for request in service.asked)


async def test_the_name_in_requests_is_the_one_that_the_document_states() -> None:
    """The names of the list become its aliases."""
    service = ModelService("listed/name")
    service.documents["listed/name"] = make_document("sent-name", {"prompt": PROMPT})
    _, catalog = await refresh(service)
    assert list(catalog) == ["sent-name"]
    assert catalog["sent-name"].aliases == ("listed/name",)


async def test_rows_of_other_types_are_left_out() -> None:
    service = ModelService("maker/one")
    service.rows += [make_row("maker/chat", type="chat"), make_row("maker/image", type="image")]
    found, catalog = await refresh(service)
    assert list(catalog) == ["maker/one"]
    assert not found.troubles


async def test_a_second_refresh_sends_etags_and_keeps_what_has_not_changed() -> None:
    service = ModelService("maker/one", "maker/two")
    service.retired = [{"id": "old", "status": "withdrawn", "shutdown_at": "2026-06-30"}]
    _, first = await refresh(service)
    service.asked.clear()
    service.documents["maker/two"] = make_document("maker/two", {"prompt": PROMPT, "seed": {"type": "integer"}})
    found, second = await refresh(service, first)
    assert len(list_asked_again(service.asked)) == len(service.asked) == 4
    assert (found.documents, found.unchanged) == (1, 1)
    assert second["maker/one"] == first["maker/one"]
    assert "seed" in second["maker/two"].params
    assert [row.id for row in read_kept_retirements(second)] == ["old"]


async def test_a_third_refresh_after_answers_of_304_knows_all_again() -> None:
    service = ModelService("maker/one")
    _, first = await refresh(service)
    _, second = await refresh(service, first)
    found, third = await refresh(service, second)
    assert (found.documents, found.unchanged) == (0, 1)
    assert third.digest == second.digest == first.digest


@pytest.mark.parametrize("key", ["service", "version"])
async def test_etags_of_another_service_or_version_are_not_sent(key: str) -> None:
    """Another version may read the same document in another way."""
    service = ModelService("maker/one")
    found, _ = await refresh(service)
    service.asked.clear()
    await refresh(service, make_catalog({**found.content, key: "another"}))
    assert not list_asked_again(service.asked)


async def test_a_few_calls_at_a_time() -> None:
    service = ModelService(*(f"maker/{number}" for number in range(40)))
    _, catalog = await refresh(service)
    assert len(catalog) == 40
    assert 1 < service.peak <= CALLS


async def test_progress_counts_the_documents() -> None:
    service = ModelService("a", "b", "c")
    seen: list[tuple[int, int]] = []
    async with ApiClient(None, base_url=BASE, transport=service.transport) as api:
        await refresh_catalog(api, EMPTY, today=TODAY, watch=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


# -- passing faults


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
async def test_a_passing_fault_is_tried_again(status: int) -> None:
    service = ModelService("maker/one")
    document = httpx.Response(200, json=service.documents["maker/one"])
    service.replace("maker/one", httpx.Response(status), httpx.Response(status), document)
    found, catalog = await refresh(service)
    assert "maker/one" in catalog
    assert not found.troubles


async def test_retry_after_holds_all_calls() -> None:
    service = ModelService("a", "b")
    begun: list[float] = []

    async def throttle(request: httpx.Request) -> httpx.Response:
        begun.append(anyio.current_time())
        if len(begun) == 1:
            return httpx.Response(429, headers={"retry-after": "60"})
        return httpx.Response(200, json=service.documents["a"])

    service.replaced["a"] = throttle
    await refresh(service)
    assert begun[1] - begun[0] >= 60


@pytest.mark.parametrize("status", [400, 403, 404, 301])
async def test_a_lasting_fault_is_not_tried_again(status: int) -> None:
    """A redirect is not followed either: it could lead anywhere."""
    service = ModelService("maker/one", "maker/two")
    service.replace("maker/one", httpx.Response(status, headers={"location": f"{BASE}/docs-json?model=maker/two"}))
    found, catalog = await refresh(service)
    assert list(catalog) == ["maker/two"]
    assert f"HTTP {status}" in list_reasons(found)["maker/one"]
    assert service.statuses["maker/one"] == 1


async def test_half_of_the_documents_fail_and_what_was_known_of_them_is_kept() -> None:
    names = [f"maker/{number}" for number in range(10)]
    service = ModelService(*names)
    _, first = await refresh(service)
    for name in names[:4]:
        service.replace(name, httpx.Response(500))
    service.replace(names[4], httpx.Response(404))
    found, second = await refresh(service, first)
    assert second.digest == first.digest
    assert [trouble.model for trouble in found.troubles if trouble.kept] == names[:5]
    assert service.statuses[names[0]] == 1 + TRIES
    assert find_losses(first, second) == []


async def test_what_failed_is_asked_for_again_at_the_next_refresh() -> None:
    service = ModelService("a", "b")
    service.replace("b", httpx.Response(404))
    _, first = await refresh(service)
    del service.replaced["b"]
    found, second = await refresh(service, first)
    assert list(second) == ["a", "b"]
    assert not found.troubles


async def test_a_slow_document_fails_alone() -> None:
    service = ModelService("quick", "slow")
    service.replace("slow", httpx.Response(200), seconds=3600.0)
    found, catalog = await refresh(service)
    assert list(catalog) == ["quick"]
    assert "no answer within 30 s" in list_reasons(found)["slow"]


async def test_a_refresh_ends_after_ten_minutes() -> None:
    service = ModelService("quick", *(f"slow/{number}" for number in range(60)))
    for number in range(60):
        service.replace(f"slow/{number}", httpx.Response(503, headers={"retry-after": "100"}), seconds=20.0)
    began = anyio.current_time()
    found, catalog = await refresh(service)
    assert anyio.current_time() - began == pytest.approx(WHOLE_SECONDS, abs=1.0)
    assert list(catalog) == ["quick"]
    assert "was not read within 10 minutes" in list_reasons(found)["slow/59"]


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(500),
        httpx.Response(200, html="<html><title>Welcome</title></html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"data": None}),
        httpx.Response(200, json={"data": []}),
        httpx.Response(200, json={"data": [make_row("chat", type="chat"), None, 5, {"id": "x"}]}),
        httpx.Response(304),
    ],
)
async def test_no_list_of_models_is_an_error(response: httpx.Response) -> None:
    service = ModelService("maker/one")
    service.replace("/v1/models", response)
    with pytest.raises(ProviderError, match="GET /v1/models"):
        await refresh(service)


async def test_no_readable_document_at_all_is_an_error() -> None:
    service = ModelService("a", "b")
    for name in "ab":
        service.replace(name, httpx.Response(404))
    with pytest.raises(ProviderError, match="no document of 2 models can be read; the first: GET its document"):
        await refresh(service)


async def test_the_feed_of_models_that_end_may_fail() -> None:
    """Those that are known stay."""
    service = ModelService("maker/one")
    service.retired = [{"id": "old", "status": "withdrawn"}]
    _, first = await refresh(service)
    service.replace("/v1/models/deprecations", httpx.Response(500))
    found, second = await refresh(service, first)
    assert [row.id for row in read_kept_retirements(second)] == ["old"]
    assert list_reasons(found).keys() == {"models that end"}


async def test_a_model_that_ends_stays_and_one_in_neither_list_goes() -> None:
    """A deprecated model is taken off the list and still makes videos."""
    service = ModelService("stays", "ends", "alias", "goes")
    _, first = await refresh(service)
    service.rows = [make_row("stays")]
    service.retired = [
        {"id": "ends", "status": "deprecated", "shutdown_at": "2027-01-31", "replaced_by": "stays"},
        {"id": "other", "aliases": ["alias"], "status": "withdrawn"},
    ]
    _, second = await refresh(service, first)
    assert list(second) == ["alias", "ends", "stays"]
    assert find_losses(first, second) == ["goes"]


# -- a service that lies


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.test/docs-json?model=a",
        "http://service.test/docs-json?model=a",
        "https://service.test:8443/docs-json?model=a",
        "https://service.test@elsewhere.test/docs-json",
        "https://user:password@service.test/docs-json?model=a",
        "https://service.test.elsewhere.test/",
        "https://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:8642/docs-json?model=a",
        "file:///etc/passwd",
        "https://[::1",
        "https://service.test\\@elsewhere.test/",
        "javascript:alert(1)",
        " https://service.test/\n",
        "",
    ],
)
async def test_a_document_on_another_address_is_refused(url: str) -> None:
    service = ModelService("good", "a")
    service.rows[1]["info"]["docsJson"] = url
    found, catalog = await refresh(service)
    assert list(catalog) == ["good"]
    assert "not on the service's own address" in list_reasons(found)["a"] or not url
    assert {request.url.host for request in service.asked} == {"service.test"}
    assert service.statuses["a"] == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://SERVICE.test:443/docs-json?model=a",
        "/docs-json?model=a",
        "https://api.aimlapi.com/docs-json?model=a",
    ],
)
async def test_other_spellings_of_its_own_address_are_taken(url: str) -> None:
    """And the real service's, as a proxy hands them on: they are asked for at the proxy."""
    service = ModelService("a")
    service.rows[0]["info"]["docsJson"] = url
    assert list((await refresh(service))[1]) == ["a"]
    assert {request.url.host for request in service.asked} == {"service.test"}


NESTED: Any = {"type": "object"}
for _ in range(400):
    NESTED = {"type": "object", "properties": {"deeper": NESTED}}


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(200, html="<html><title>Welcome</title></html>"), "it has no 'paths'"),
        (httpx.Response(200, content=b"{" + b" " * LARGEST_DOCUMENT), "more than"),
        (httpx.Response(200, content=b"[" * 100_000), "it has no 'paths'"),
        (httpx.Response(200, content=b'{"paths": ' + b"9" * 5_000 + b"}"), "it has no 'paths'"),
        (httpx.Response(200, json=make_document("bad", {"prompt": NESTED})), "nested deeper than 8"),
        (httpx.Response(200, json=make_document("bad\x1b[2J", {"prompt": PROMPT})), "it does not name one model"),
        (httpx.Response(200, json=make_document(" bad", {"prompt": PROMPT})), "not a short text"),
        (httpx.Response(200, json=make_document("x" * 300, {"prompt": PROMPT})), "not a short text"),
        (httpx.Response(200, json=make_document("bad", {})), "requires 'prompt'"),
        (httpx.Response(200, json=make_document("bad", {}, ())), "describes no parameters"),
        (httpx.Response(200, content=b"", headers={"content-encoding": "br"}), "br-encoded"),
    ],
)
async def test_a_strange_document_harms_only_its_model(response: httpx.Response, reason: str) -> None:
    service = ModelService("bad", "good")
    service.replace("bad", response)
    found, catalog = await refresh(service)
    assert "good" in catalog
    said = [*found.troubles, *found.notes]
    assert any(reason in each.reason for each in said if each.model == "bad")


async def test_numbers_of_many_digits_are_not_bounds() -> None:
    service = ModelService("odd")
    huge = 10**400
    service.documents["odd"] = make_document(
        "odd",
        {
            "prompt": {"type": "string", "maxLength": huge},
            "seed": {"type": "integer", "enum": [1, huge], "default": huge},
        },
    )
    found, catalog = await refresh(service)
    assert catalog["odd"].params["prompt"].max_length is None
    assert catalog["odd"].params["seed"].choices == (1,)
    assert len(found.notes) == 3


async def test_names_that_control_a_terminal_are_left_out() -> None:
    service = ModelService("good")
    service.rows += [make_row("evil\x1b]0;x\x07"), make_row("evil\u202e"), make_row(""), make_row(" "), make_row(7)]  # type: ignore[arg-type]
    service.rows[0]["aliases"] = ["fine", "evil\x1b[2J", 5, None, "x" * 300]
    service.documents["good"]["paths"]["/v2/video/generations"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]["properties"]["style"] = {"type": "string", "enum": ["plain", "\x1b[2J", "half \ud800"]}
    found, catalog = await refresh(service)
    assert catalog["good"].aliases == ("fine",)
    assert catalog["good"].params["style"].choices == ("plain",)
    assert all(text.isprintable() for each in found.troubles for text in (each.model, each.reason))
    assert len(found.troubles) == 5


async def test_models_whose_rows_name_one_document_are_kept_if_it_fails() -> None:
    service = ModelService("a", "b", "c")
    _, first = await refresh(service)
    service.rows = [make_row(name, info={"docsJson": "https://elsewhere.test/"}) for name in "ab"] + [make_row("c")]
    found, second = await refresh(service, first)
    assert list(second) == ["a", "b", "c"]
    assert [trouble.kept for trouble in found.troubles] == [True]


async def test_models_that_become_names_of_one_count_as_lost() -> None:
    service = ModelService("a", "b", "c")
    _, first = await refresh(service)
    service.rows = [make_row(name, info=make_row("a")["info"]) for name in "abc"]
    _, second = await refresh(service, first)
    assert find_losses(first, second) == ["b", "c"]


async def test_no_model_takes_the_name_of_another() -> None:
    """Neither by an alias nor by a second document: a request must not go to another model than the one named."""
    service = ModelService("cheap", "dear", "thief")
    service.rows = [make_row("cheap", "low"), make_row("dear", "cheap", "low", "high"), make_row("thief")]
    service.documents["thief"] = make_document("cheap", {"prompt": PROMPT, "steal": PROMPT})
    found, catalog = await refresh(service)
    assert catalog["cheap"].aliases == ("low",)
    assert catalog["dear"].aliases == ("high",)
    assert "steal" not in catalog["cheap"].params
    assert "another document of the same name" in list_reasons(found)["cheap"]


async def test_a_document_that_does_not_fit_what_is_known_harms_only_its_model() -> None:
    """This version knows the values of the parameter ``provider``, which are texts."""
    service = ModelService("google/veo3", "good")
    service.documents["google/veo3"] = make_document("google/veo3", {"provider": {"type": "integer"}}, ())
    found, catalog = await refresh(service, MODELS)
    assert "good" in catalog
    assert catalog.read_entry("google/veo3") == MODELS.read_entry("google/veo3")
    assert "does not fit" in list_reasons(found)["google/veo3"]


async def test_a_model_that_lost_most_parameters_counts_as_lost() -> None:
    service = ModelService("one", "two")
    _, first = await refresh(service)
    service.documents["one"] = make_document("one", {"other": PROMPT}, ())
    _, second = await refresh(service, first)
    assert find_losses(first, second) == ["one"]


@pytest.mark.parametrize("etag", ["x" * 5_000, 'W/"ü"', "a\tb"])
async def test_an_etag_that_cannot_be_sent_back_is_not_kept(etag: str) -> None:
    service = ModelService("one")
    answer = httpx.Response(200, json=service.documents["one"], headers=[(b"etag", etag.encode("latin-1"))])
    service.replace("one", answer)
    found, _ = await refresh(service)
    assert found.content["sources"][0]["etag"] == ""


async def test_a_file_with_strange_keys_of_an_earlier_refresh_is_no_obstacle() -> None:
    service = ModelService("one")
    found, _ = await refresh(service)
    for extra in (
        {"etags": 5, "sources": "x", "retired": {}},
        {"etags": {"models": ["x"]}, "sources": [None, {"id": 1}, {"id": "a", "url": "b", "etag": 5, "aliases": 7}]},
    ):
        _, catalog = await refresh(service, make_catalog({**found.content, **extra}))
        assert list(catalog) == ["one"]


async def test_a_document_that_is_too_long_is_asked_for_once() -> None:
    """The same call would bring the same megabytes."""
    service = ModelService("maker/one", "maker/two")
    service.replace("maker/one", httpx.Response(200, content=b"{" + b" " * LARGEST_DOCUMENT))
    found, catalog = await refresh(service)
    assert list(catalog) == ["maker/two"]
    assert "more than" in list_reasons(found)["maker/one"]
    assert service.statuses["maker/one"] == 1
