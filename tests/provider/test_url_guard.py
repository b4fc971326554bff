"""Which addresses a video may be fetched from."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from batchveo.provider.url_guard import Resolve, UrlRefused, check_url

pytestmark = pytest.mark.anyio

PRIVATE = [
    "10.0.0.1", "172.16.3.4", "192.168.1.1", "127.0.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1",
    "::ffff:127.0.0.1", "2002:0a00:0001::1", "ff02::1", "2001:db8::1", "fec0::1", "192.0.2.7", "198.18.0.1",
]  # fmt: skip


def resolving(*addresses: str) -> Resolve:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("loopback", [False, True])
async def test_addresses_that_are_not_public(address: str, loopback: bool) -> None:
    """Checked on the address, whatever the name; loopback only where the service is local too."""
    local = address in ("127.0.0.1", "::1", "::ffff:127.0.0.1")
    if loopback and local:
        await check_url("https://cdn.example/v.mp4", loopback=True, resolve=resolving(address))
        return
    with pytest.raises(UrlRefused, match="not a public address"):
        await check_url("https://cdn.example/v.mp4", loopback=loopback, resolve=resolving(address))


async def test_one_private_address_among_public_ones_is_enough() -> None:
    """A name that resolves to both could be connected to either way."""
    with pytest.raises(UrlRefused):
        await check_url("https://cdn.example/v", loopback=False, resolve=resolving("93.184.216.34", "10.0.0.1"))


@pytest.mark.parametrize(
    "url",
    ["ftp://cdn.example/v", "file:///etc/passwd", "data:video/mp4;base64,AA", "//cdn.example/v", "", "https://",
     "https://user:pass@cdn.example/v", "javascript:alert(1)", "https://cdn.example:99999/v", "https://[::1/v"],
)  # fmt: skip
async def test_urls_that_are_not_https(url: str) -> None:
    """Other schemes, credentials and nonsense are refused."""
    with pytest.raises(UrlRefused):
        await check_url(url, loopback=False, resolve=resolving("93.184.216.34"))


async def test_http_only_on_this_machine() -> None:
    """And only where the service runs there."""
    with pytest.raises(UrlRefused, match="not https"):
        await check_url("http://cdn.example/v", loopback=True, resolve=resolving("93.184.216.34"))
    target = await check_url("http://localhost:80/v", loopback=True, resolve=resolving("127.0.0.1"))
    assert target.addresses == ("127.0.0.1",)


async def test_the_name_goes_on_in_the_host_header() -> None:
    """The connection goes to the address that was checked."""
    target = await check_url("https://cdn.example:444/v?s=1", loopback=False, resolve=resolving("93.184.216.34"))
    assert str(target.request_url("93.184.216.34")) == "https://93.184.216.34:444/v?s=1"
    assert target.host_header == "cdn.example:444"


async def test_tls_gets_the_name_in_ascii() -> None:
    """Python's own IDNA would ask for the certificate of another host (strasse)."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34"]

    target = await check_url("https://straße.example/v.mp4", loopback=False, resolve=resolve)
    assert target.tls_name == "xn--strae-oqa.example"
