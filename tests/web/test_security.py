"""Who may speak with the page's server."""

from __future__ import annotations

import pytest

from batchveo.web.app import make_app
from batchveo.web.security import CSRF_HEADER, Secrets, make_secrets
from tests.web.conftest import Client, Night

RETRY = {"jobs": ["nobody"]}


def test_every_answer_has_the_security_headers(client: Client) -> None:
    """Errors and refusals too."""
    for path in ("/", "/api/jobs", "/nowhere", "/static/page.js"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] in ("no-store", "no-cache")
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8700", "127.0.0.1.evil.example", "", "[::2]"])
def test_a_rebound_name_is_refused(client: Client, host: str) -> None:
    """The server answers to this machine's own names."""
    assert client.get("/api/jobs", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8700", "localhost", "[::1]:8700"])
def test_its_own_names(client: Client, host: str) -> None:
    """With any port, which may be forwarded."""
    assert client.get("/api/jobs", headers={"host": host}).status_code == 200


def test_other_sites_may_only_link_to_the_page(client: Client) -> None:
    """Not embed its videos, nor read its data."""
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert client.get("/api/jobs", headers=foreign).status_code == 403
    assert client.get("/", headers=foreign).status_code == 403
    assert client.get("/", headers={**foreign, "sec-fetch-mode": "navigate"}).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {CSRF_HEADER: "guessed"},
        {CSRF_HEADER: "gué".encode()},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"content-type": "text/plain"},
    ],
)
def test_a_change_must_come_from_the_page(client: Client, changes: dict[str, str | bytes]) -> None:
    """Its secret, its origin, as JSON."""
    headers = {**client.trusted, "content-type": "application/json"}
    assert client("POST", "/api/retry", json=RETRY, headers=headers).status_code == 404
    assert client("POST", "/api/retry", json=RETRY, headers={**headers, **changes}).status_code == 403


def test_a_change_without_the_secret_is_refused(client: Client) -> None:
    """Scripts of this machine need it too."""
    assert client("POST", "/api/retry", json=RETRY).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_get_nowhere(client: Client, method: str) -> None:
    """There is nothing for them."""
    assert client(method, "/api/jobs").status_code in (403, 405)


def test_beyond_loopback_a_token_is_asked_for(night: Night) -> None:
    """The address with it leaves a cookie that opens the rest."""
    keys = make_secrets("0.0.0.0")
    client = Client(make_app(night.path, keys=keys), keys, "http://10.0.0.5:8700")
    for path in ("/", "/api/jobs", "/static/page.js", "/?token=guess", f"/api/jobs?token={keys.token}"):
        assert client.get(path).status_code == 401
    opened = client.get(f"/?token={keys.token}")
    cookie = opened.headers["set-cookie"]
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    inside = {"cookie": cookie.partition(";")[0]}
    assert client.get("/", headers=inside).status_code == 200
    assert client.get("/api/jobs", headers=inside).status_code == 200


def test_on_loopback_there_is_none() -> None:
    """Nor are secrets shown by a repr."""
    assert [make_secrets(host).token for host in ("127.0.0.1", "::1", "localhost")] == [None] * 3
    keys = Secrets(token="hush")
    assert "hush" not in repr(keys)
    assert keys.csrf not in repr(keys)
