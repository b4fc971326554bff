"""The films of chains: which clips, in which order, and which take of each."""

from __future__ import annotations

from batchveo.core.models import Job
from batchveo.core.votes import VoteKind
from batchveo.dataset.film_plans import FilmPlan, list_films
from tests.helpers.finished_jobs import Morning

LAST, FIRST = ("image_url", "last"), ("image_url", "first")
END = ("last_image_url", "first")


def take(parent: Job, how: tuple[str, str] = LAST) -> tuple[str, Job, str]:
    return how[0], parent, how[1]


def plans(morning: Morning, of: Job | None = None) -> list[FilmPlan]:
    with morning.store(writing=False) as store:
        return list_films(store, of)


def names(morning: Morning, of: Job | None = None) -> dict[str, list[str]]:
    """The clips of each film."""
    return {plan.stem: [shot.clip.name if shot.clip else "-" for shot in plan.shots] for plan in plans(morning, of)}


def test_a_film_for_each_end(morning: Morning) -> None:
    """Named by it; a job that is in no chain makes none."""
    morning.make("alone")
    one = morning.make("one")
    two = morning.link("two", take(one))
    three = morning.link("three", take(two))
    other = morning.link("other", take(two))
    longer = morning.link("longer", take(other))
    assert names(morning) == {"three": ["one", "two", "three"], "longer": ["one", "two", "other", "longer"]}
    assert [shot.part for shot in plans(morning)[0].shots] == [None, "last", "last"]
    assert list(names(morning, two)) == ["three", "longer"]
    assert list(names(morning, three)) == ["three"]
    assert list(names(morning, other)) == list(names(morning, longer)) == ["longer"]
    assert names(morning, morning.job("alone")) == {}


def test_a_shot_between_two_others(morning: Morning) -> None:
    """It begins with the last frame of one, and ends with the first of another, which comes after it."""
    dawn, dusk = morning.make("dawn"), morning.make("dusk")
    day = morning.link("day", take(dawn), take(dusk, END))
    night = morning.link("night", take(dusk))
    assert names(morning) == {"night": ["dawn", "day", "dusk", "night"]}
    assert [shot.part for shot in plans(morning)[0].shots] == [None, "last", "first", "last"]
    assert names(morning, day) == names(morning, night) == names(morning)


def test_two_ways_to_an_end(morning: Morning) -> None:
    """The first, or that through the job that is named."""
    dawn, dusk = morning.make("dawn"), morning.make("dusk")
    morning.link("day", take(dawn), take(dusk, END))
    other = morning.link("other day", take(dawn), take(dusk, END))
    assert names(morning) == {"dusk": ["dawn", "day", "dusk"]}
    assert names(morning, other) == {"dusk": ["dawn", "other day", "dusk"]}


def test_a_shot_that_begins_as_another_does_makes_no_film_with_it(morning: Morning) -> None:
    one = morning.make("one")
    twin = morning.link("twin", take(one, FIRST))
    morning.link("three", take(twin))
    assert names(morning) == {"three": ["twin", "three"]}


def test_a_shot_that_ends_as_it_began(morning: Morning) -> None:
    """A loop has an end, too."""
    one = morning.make("one")
    morning.link("back", take(one), take(one, END))
    assert names(morning) == {"back": ["one", "back"]}


def test_an_earlier_frame_and_a_whole_video(morning: Morning) -> None:
    one = morning.make("one")
    two = morning.link("two", ("image_url", one, "2.5"))
    morning.link("three", ("video_url", two, "video"))
    (plan,) = plans(morning)
    assert [shot.part for shot in plan.shots] == [None, "2.5", "video"]


def test_what_is_not_made_yet(morning: Morning) -> None:
    """The clips so far are those up to the first that is missing."""
    one = morning.make("one")
    two = morning.link("two", take(one))
    three = morning.link("three", take(two), is_made=False)
    morning.link("four", take(three), is_made=False)
    (plan,) = plans(morning)
    assert [shot.job.name for shot in plan.missing] == ["three", "four"]
    begun = plan.cut_to_begun()
    assert [shot.job.name for shot in begun.shots] == ["one", "two"]
    assert (begun.stem, begun.is_whole) == ("four", False)
    assert begun.cut_to_begun().shots == begun.shots
    assert plan.is_within({"one"}) is False
    assert begun.is_within({one.id, two.id})


def test_the_take_that_the_next_clip_was_made_from(morning: Morning) -> None:
    """Also if people picked another since; but none that they rejected."""
    one = morning.make("one")
    two = morning.link("two", take(one))
    other = morning.make_again(morning.read(one.seq), "black_seconds < 1")
    morning.vote(VoteKind.PICK, other)
    assert names(morning, other) == names(morning) == {"two": ["one", "two"]}
    morning.vote(VoteKind.REJECT, one)
    assert names(morning) == {"two": [other.name, "two"]}
    best = morning.make_again(morning.read(two.seq), "black_seconds < 1")
    morning.vote(VoteKind.PICK, best)
    assert names(morning) == {"two": [other.name, best.name]}
