"""Access to the page's server: only a browser of this machine may use it, and only from the page itself.

Three checks refuse other web sites: the Host header (against names rebound to this machine), the browser's
``sec-fetch`` headers, and a secret of the page on every change. On an address beyond loopback, or if other users of
the machine are not trusted, a token is required too.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "batchveo_token"
CSRF_HEADER = "x-batchveo-csrf"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """``csrf`` is in the page and on every change; ``token``, if not ``None``, opens the page."""

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    token: str | None = field(default=None, repr=False)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host.strip("[]") in LOOPBACK


def make_secrets(host: str, *, token: bool = False) -> Secrets:
    """Secrets for a server on ``host``; they have a token beyond loopback, and with ``token`` in any case."""
    return Secrets(token=None if is_loopback(host) and not token else secrets.token_urlsafe(32))


class Guard:
    """Refuses requests that may not use ``app``, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, *, keys: Secrets) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._refuse(scope) or self._app
        await answer(scope, receive, send_guarded)

    def _refuse(self, scope: Scope) -> Response | None:
        """The answer to a request that is refused; ``None`` if it is allowed."""
        headers = Headers(scope=scope)
        wrong = _check_host(headers) if self._keys.token is None else None
        wrong = wrong or _check_site(scope, headers)
        if wrong is None and scope["method"] not in ("GET", "HEAD"):
            wrong = self._check_change(scope, headers)
        if wrong is not None:
            return PlainTextResponse(f"{wrong}\n", status_code=403)
        return self._check_token(scope, headers)

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        token = self._keys.token
        if token is None or _is_same(cookie_parser(headers.get("cookie", "")).get(COOKIE), token):
            return None
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and _is_same(offered, token):
            opened = RedirectResponse("/", status_code=303)
            # lax: with strict the browser would not send it after a click on the link in a mail
            opened.set_cookie(COOKIE, token, httponly=True, samesite="lax", path="/")
            return opened
        return PlainTextResponse("open the page by the address that `batchveo ui` printed\n", status_code=401)

    def _check_change(self, scope: Scope, headers: Headers) -> str | None:
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope['scheme']}://{headers.get('host', '')}":
            return "this comes from another site"
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return "this is not JSON"
        if not _is_same(headers.get(CSRF_HEADER), self._keys.csrf):
            return "the page is of an earlier server; load it again"
        return None


def _check_host(headers: Headers) -> str | None:
    host = headers.get("host", "")
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    return None if is_loopback(name) else "this server answers to its own name only"


def _check_site(scope: Scope, headers: Headers) -> str | None:
    """Refuse requests that the browser attributes to another site; links to the page are allowed."""
    link = scope["method"] == "GET" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
    foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    return "this comes from another site" if foreign and not link else None


def _is_same(offered: str | None, secret: str) -> bool:
    return offered is not None and hmac.compare_digest(offered.encode(), secret.encode())
