"""The open connections to a service, by the labels of the keys."""

from __future__ import annotations

import pytest

from batchveo.core.errors import KeyRejected
from batchveo.provider import ApiKey, NamedKey, ProviderError
from batchveo.provider.service import Service, label_errors, open_api_clients, open_clients, pick_client

pytestmark = pytest.mark.anyio

KEYS = tuple(NamedKey(name=name, key=ApiKey(f"sk-{name}")) for name in ("b", "a"))


async def test_a_client_for_each_key() -> None:
    """In the order of the file, each with its own key."""
    async with open_clients(Service(keys=KEYS)) as (opened, _):
        assert list(opened) == ["b", "a"]
        assert [api._headers["Authorization"] for api in opened.values()] == ["Bearer sk-b", "Bearer sk-a"]
        assert pick_client(opened) is opened["b"]


async def test_the_only_key_has_an_empty_label() -> None:
    """And without any key there is a client for what needs none."""
    async with open_api_clients(Service(key=ApiKey("sk-x"))) as opened:
        assert [(label, api._headers["Authorization"]) for label, api in opened.items()] == [("", "Bearer sk-x")]
    async with open_api_clients(Service()) as opened:
        assert [(label, "Authorization" in api._headers) for label, api in opened.items()] == [("", False)]


@pytest.mark.parametrize("kind", [KeyRejected, ProviderError])
async def test_trouble_names_its_key(kind: type[Exception]) -> None:
    """By the label, where there is one; the kind stays."""
    with pytest.raises(kind, match=r"^key 'a': no$"), label_errors("a"):
        raise kind("no")
    with pytest.raises(kind, match=r"^no$"), label_errors(""):
        raise kind("no")
