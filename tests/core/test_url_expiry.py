"""When a URL ends, as it says itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.url_expiry import LONGEST, expires_at, hide_signatures

NOW = 1_790_000_000.0
DAY = 86_400.0


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ("Expires=600", NOW + 600),
        ("X-Expires=86400", NOW + DAY),
        ("x-expires=86400&sig=abc", NOW + DAY),
        (f"Expires={NOW + 3600:.0f}&Signature=x&Key-Pair-Id=K", NOW + 3600),
        (f"expires={NOW + 3:.3f}&signature=x", NOW + 3),
        (f"exp={(NOW + 60) * 1000:.0f}", NOW + 60),
        ("X-Amz-Date=20260921T141320Z&X-Amz-Expires=900&X-Amz-Signature=x", NOW + 900),
        ("X-Goog-Date=20260921T141320Z&X-Goog-Expires=900", NOW + 900),
        ("x-oss-date=20260921T141320Z&x-oss-expires=900", NOW + 900),
        ("sv=2024&se=2026-09-21T14%3A23%3A20Z&sig=x", NOW + 600),
        ("se=2026-09-21T16%3A23%3A20%2B02%3A00", NOW + 600),
        ("expires_at=2026-09-21T14:23:20", NOW + 600),
        ("se=2026-09-21T16:23:20+02:00", NOW + 600),
        ("X-Amz-Expires=900&X-Amz-Signature=x", NOW + 900),
        ("X-Tos-Date=20260921T141320Z&X-Tos-Expires=900", NOW + 900),
        ("X-Amz-Date=20261399T999999Z&X-Amz-Expires=900", NOW + 900),
        ("expires_in=60", NOW + 60),
        (f"Expires={NOW + 900:.0f}&X-Amz-Expires=600", NOW + 600),
        (f"Expires={NOW - 900:.0f}&X-Amz-Expires=600", NOW + 600),
        (f"e={NOW + 60:.0f}", NOW + 60),
    ],
)
def test_each_way_to_say_it(query: str, at: float) -> None:
    """Relative, as an epoch, as a date; in any case."""
    assert expires_at(f"https://cdn.example/v.mp4?{query}", NOW) == pytest.approx(at)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "signature=x",
        "Expires=0",
        "Expires=-5",
        "Expires=NaN",
        "Expires=inf",
        "Expires=1e9",
        "Expires=999999999999999999999999",
        "Expires=soon",
        f"Expires={NOW - 10:.0f}",
        f"Expires={NOW + 2 * LONGEST:.0f}",
        "X-Amz-Expires=99999999999999",
        "X-Amz-Date=20200101T000000Z&X-Amz-Expires=900",
        "e=5",
        "exp=12",
        "Expires=٣٤",
        "Expires=9" + "9" * 5000,
        "se=2026-99-99",
    ],
)
def test_what_is_not_credible_is_not_believed(query: str) -> None:
    """It may be anything; the video is fetched as if nothing were said."""
    assert expires_at(f"https://cdn.example/v.mp4?{query}", NOW) is None


@given(st.text(), st.floats(0, 4e9))
def test_no_url_breaks_it(url: str, now: float) -> None:
    """Whatever it is, the answer is a moment to come, or none."""
    found = expires_at(url, now)
    assert found is None or now < found <= now + LONGEST


@given(st.sampled_from(["Expires", "X-Amz-Expires", "se", "exp", "x-expires"]), st.text(max_size=30))
def test_no_value_breaks_it(name: str, value: str) -> None:
    """Likewise."""
    found = expires_at(f"https://x/v?{name}={value}&X-Amz-Date=20260921T141320Z", NOW)
    assert found is None or found > NOW


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Expires=900&X-Amz-Credential=me&X-Amz-Signature=5ecret",
        "x-goog-signature=5ecret&x-goog-date=1",
        "sv=2024&se=2026&sig=5ecret%3D",
        "Expires=1&Signature=5ecret~&Key-Pair-Id=K",
    ],
)
def test_no_signature_stays_in_a_text(query: str) -> None:
    """Whatever a server says around the address, and if the text is cut within it."""
    url = f"https://b.example/a/b.png?{query}"
    for said in (f'cannot read "{url}": 403', f"<{url}> and {url}", url[:-3]):
        hidden = hide_signatures(said)
        assert "5ec" not in hidden
        assert "https://b.example/a/b.png?…" in hidden
    assert hide_signatures("see https://b.example/?q=design= and sig=x") == "see https://b.example/?q=design= and sig=x"
