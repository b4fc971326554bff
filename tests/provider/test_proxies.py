"""Certificates and proxies that the environment names, by real TLS on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from batchveo.provider.http_messages import HEADERS, build_request, make_timeouts, send_request
from batchveo.provider.transport import _tls, find_proxy, open_transport

NAME = "api.example"
HOSTS = (NAME, "localhost")


@pytest.fixture(autouse=True)
def _fresh_certificates(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test reads its own, and leaves none behind."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    _tls.cache_clear()
    yield
    _tls.cache_clear()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that signs itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a company's proxy")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "bundle.pem"
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def serving(certificate: Path) -> AsyncIterator[int]:
    """A service over TLS that answers every request; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def proxying(target: int, asked: list[str]) -> AsyncIterator[int]:
    """A proxy that leads every tunnel to one port of this machine, and notes who was asked for; its port."""

    tunnels: list[asyncio.Task[None] | None] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnels.append(asyncio.current_task())
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().partition("\r\n")[0])
        there, back = await asyncio.open_connection("127.0.0.1", target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer))
        await asyncio.gather(back.wait_closed(), writer.wait_closed(), return_exceptions=True)

    async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*filter(None, tunnels))


async def ask(url: str) -> int:
    async with open_transport(proxy=find_proxy(url)) as transport:
        request = build_request("GET", url, HEADERS, extensions={"timeout": make_timeouts(connect=5, other=5)})
        response = await send_request(transport, request)
        await response.aread()
        await response.aclose()
        return response.status_code


def test_a_bundle_of_ones_own_is_trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SSL_CERT_FILE``, as companies have one whose proxy opens TLS."""

    async def main() -> int:
        async with serving(certificate) as port:
            return await ask(f"https://localhost:{port}/")

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert anyio.run(main) == 200


def test_what_nobody_vouches_for_is_not_trusted(certificate: Path) -> None:
    """Without the variable the same service is refused, before anything is sent to it."""

    async def main() -> None:
        async with serving(certificate) as port:
            await ask(f"https://localhost:{port}/")

    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        anyio.run(main)


def test_a_tunnel_through_a_proxy(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``HTTPS_PROXY``: the proxy resolves the name, TLS goes through it; ``NO_PROXY`` goes around it."""
    asked: list[str] = []

    async def main() -> int:
        async with serving(certificate) as port, proxying(port, asked) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy}")
            return await ask(f"https://{NAME}/v2/billing")

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert anyio.run(main) == 200
    assert asked == [f"CONNECT {NAME}:443 HTTP/1.1"]
    monkeypatch.setenv("NO_PROXY", NAME)
    assert find_proxy(f"https://{NAME}/") is None
