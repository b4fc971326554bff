"""How requests are built."""

from __future__ import annotations

import httpx
import pytest

from batchveo.provider.http_messages import HEADERS, build_request


@pytest.mark.parametrize("url", ["https://api.example/v", "http://127.0.0.1:8642/v?generation_id=g%2F1"])
@pytest.mark.parametrize("body", [None, {"prompt": "Ein Füchslein", "seed": 7}])
def test_a_request_is_what_httpx_would_have_made_of_it(url: str, body: dict[str, object] | None) -> None:
    """Built by hand, for speed alone."""
    method = "GET" if body is None else "POST"
    ours = build_request(method, url, HEADERS, json=body, extensions={"timeout": 1})
    theirs = httpx.Request(method, url, headers=HEADERS, json=body, extensions={"timeout": 1})
    assert (ours.method, ours.url, ours.content) == (theirs.method, theirs.url, theirs.content)
    assert ours.headers == theirs.headers
    assert ours.extensions == theirs.extensions


def test_a_host_that_is_named_stands_for_that_of_the_url() -> None:
    """A video is asked of an address, under the name it has."""
    assert (
        build_request("GET", "http://1.2.3.4/", {"Host": "cdn.example"}, extensions={}).headers["host"] == "cdn.example"
    )
