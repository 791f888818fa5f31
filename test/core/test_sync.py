import pytest

from depth_ros.core.errors import InputError
from depth_ros.core.sync import StampMatcher

MS = 1_000_000


def feed(matcher, *items):
    return [
        match for stream, stamp in items if (match := matcher.add(stream, stamp, (stream, stamp)))
    ]


def pending(matcher, given, handed_out):
    return given - handed_out - sum(matcher.drops.values())


def test_pairs_equal_stamps_in_any_order():
    matcher = StampMatcher(("l", "r"))
    matches = feed(matcher, ("l", 1), ("r", 1), ("r", 2), ("l", 2))
    assert matches == [{"l": ("l", 1), "r": ("r", 1)}, {"l": ("l", 2), "r": ("r", 2)}]
    assert sum(matcher.drops.values()) == 0


def test_newest_match_drops_what_is_older():
    matcher = StampMatcher(("l", "r"))
    assert feed(matcher, ("l", 1), ("l", 2), ("l", 3), ("r", 3)) == [{"l": ("l", 3), "r": ("r", 3)}]
    assert matcher.drops["unmatched"] == 2


def test_tolerance_is_inclusive_and_takes_the_nearest():
    matcher = StampMatcher(("l", "r"), tolerance_ns=5)
    assert feed(matcher, ("l", 100), ("l", 107), ("r", 112))[0]["l"] == ("l", 107)
    assert feed(matcher, ("l", 200), ("r", 206)) == []
    assert matcher.closest_gap_ns == 6


def test_three_streams_must_all_be_within_the_tolerance_of_each_other():
    matcher = StampMatcher(("a", "b", "c"), tolerance_ns=5)
    assert feed(matcher, ("a", 100), ("b", 104), ("c", 96)) == []
    assert matcher.closest_gap_ns == 8
    assert len(feed(matcher, ("c", 101))) == 1


def test_reversed_and_duplicate_stamps():
    matcher = StampMatcher(("l", "r"))
    assert feed(matcher, ("l", 30 * MS), ("l", 30 * MS), ("l", 20 * MS)) == []
    assert (matcher.drops["duplicate_stamp"], matcher.drops["stamp_reversed"]) == (1, 1)
    assert len(feed(matcher, ("r", 30 * MS), ("r", 30 * MS))) == 1
    assert matcher.drops["duplicate_stamp"] == 2


def test_stamps_that_never_meet_are_bounded_counted_and_diagnosed():
    matcher = StampMatcher(("l", "r"), tolerance_ns=1 * MS, capacity=4)
    items = [item for k in range(50) for item in (("l", k * 33 * MS), ("r", (k * 33 + 12) * MS))]
    assert feed(matcher, *items) == []
    assert matcher.drops["overflow"] == 100 - 2 * 4
    assert matcher.closest_gap_ns == 12 * MS
    assert pending(matcher, 100, 0) == 8


def test_a_bag_that_starts_again():
    matcher = StampMatcher(("l", "r"))
    late = 100_000 * MS
    feed(matcher, ("l", late), ("r", late), ("l", late + 1))
    assert len(feed(matcher, ("l", 5), ("r", 5), ("l", 6), ("r", 6))) == 2
    assert matcher.time_jumps == 1
    assert matcher.drops["time_jump"] == 1
    assert matcher.drops["stamp_reversed"] == 0


def test_a_jump_of_the_second_stream_keeps_the_new_items_of_the_first():
    matcher = StampMatcher(("l", "r"))
    feed(matcher, ("l", 9_000 * MS), ("r", 8_000 * MS), ("l", 5))
    assert len(feed(matcher, ("r", 5))) == 1


def test_one_stream_matches_at_once():
    assert StampMatcher(("image",)).add("image", 3, "x") == {"image": "x"}


def test_a_silent_stream_gives_no_gap():
    matcher = StampMatcher(("l", "r"))
    feed(matcher, ("l", 1), ("l", 2))
    assert matcher.closest_gap_ns is None


def test_refuses():
    with pytest.raises(InputError, match="expected one of the streams"):
        StampMatcher(("l", "r")).add("x", 1, None)
    for arguments in ((("l", "l"),), ((),), (("l",), -1), (("l",), 0, 0)):
        with pytest.raises(InputError, match="expected"):
            StampMatcher(*arguments)
