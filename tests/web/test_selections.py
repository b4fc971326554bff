"""Fields that filters can be made of."""

from __future__ import annotations

from tests.helpers.factories import make_spec
from tests.web.conftest import Client, Night


def test_fields_are_offered_with_their_values(client: Client, night: Night) -> None:
    """Keys with odd characters are quoted, as conditions need it."""
    request = {"model": "google/veo3", "prompt": "a fox", "resolution": "720p"}
    night.add(make_spec("fox in ink", request=request, meta={"style": "ink"}))
    night.add(make_spec("odd", meta={'a "b"': "c", "when": 3}))
    found = client.get("/api/fields").json()["fields"]
    by_name = {field["name"]: field for field in found}
    assert by_name["meta.style"]["values"] == ["ink"]
    assert by_name['meta."a \\"b\\""']["label"] == 'a "b"'
    assert by_name["resolution"]["values"] == ["720p"]
    assert by_name["black_seconds"]["kind"] == "number"
