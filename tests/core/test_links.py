"""Links in requests: their form, and finding and filling them at any depth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.links import Link, fill_links, find_beginning, find_ends, find_links, is_part

PARTS = st.sampled_from(["first", "last", "video", "id"]) | st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,6})?", fullmatch=True)
LINKS = st.builds(Link, PARTS, st.text("0123456789abcdef", min_size=20, max_size=20))


@given(LINKS)
def test_a_reference_is_read_as_it_was_written(link: Link) -> None:
    """Of any part and parent."""
    assert is_part(link.part)
    assert Link.parse(link.reference) == link
    assert link.is_frame == (link.part not in {"video", "id"})


@pytest.mark.parametrize("text", ["", "batchveo-link:", "batchveo-link:last", "batchveo-link:lst:a", "link:last:a"])
def test_other_texts_are_no_references(text: str) -> None:
    """They raise."""
    with pytest.raises(ValueError, match=r".*"):
        Link.parse(text)


@given(st.lists(LINKS, max_size=3))
def test_links_are_found_and_filled_at_any_depth(links: list[Link]) -> None:
    """In lists and mappings; all else stays as it is."""
    request = {"prompt": "last of batchveo-link:last:x", "deep": [{"url": link.reference, "n": 1} for link in links]}
    assert list(find_links(request)) == links
    filled = fill_links(request, lambda link: link.parent)
    assert filled == {**request, "deep": [{"url": link.parent, "n": 1} for link in links]}


def test_what_a_video_begins_with_and_ends_with() -> None:
    """In any field, also in a list; the name of a field says that its image is that of the end."""
    request = {
        "model": "m",
        "last_image_url": Link("first", "c").reference,
        "images": [Link("first", "a").reference, Link("2.5", "b").reference],
        "blend_url": Link("video", "d").reference,
    }
    assert find_beginning(request) == Link("2.5", "b")
    assert list(find_ends(request)) == [Link("first", "c")]
    assert find_beginning({"blend_url": Link("video", "d").reference}) == Link("video", "d")
    assert find_beginning({"tail_image_url": Link("last", "c").reference}) is None
