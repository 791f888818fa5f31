import numpy as np
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
    matcher = StampMatcher(("l", "r"), tolerance_ns=1 * MS, wait_ns=99 * MS)
    items = [item for k in range(50) for item in (("l", k * 33 * MS), ("r", (k * 33 + 12) * MS))]
    assert feed(matcher, *items) == []
    assert matcher.drops["overflow"] == 100 - 2 * 4  # four stamps of 33 ms reach over 99 ms
    assert matcher.closest_gap_ns == 12 * MS
    assert pending(matcher, 100, 0) == 8


@pytest.mark.parametrize("late_frames", [1, 9, 12, 45, 59])
def test_a_stream_that_arrives_late_with_equal_stamps_is_matched(late_frames):
    """The right camera's messages come up to 1.97 s after the left's of the same stamp."""
    matcher, period = StampMatcher(("l", "r")), 33_333_333
    arrivals = [(k * period, "l", k * period) for k in range(120)]
    arrivals += [((k + late_frames) * period + 1, "r", k * period) for k in range(120)]
    matches = feed(matcher, *((stream, stamp) for _, stream, stamp in sorted(arrivals)))
    assert [match["r"][1] // period for match in matches] == list(range(120))
    assert all(match["l"][1] == match["r"][1] for match in matches)
    assert sum(matcher.drops.values()) == 0
    assert matcher.lag()[0] == "r"
    # while the left still runs, it is late_frames ahead; at the end it stands and the right catches
    # up
    assert 0 < matcher.lag()[1] <= late_frames * period


def test_the_lag_is_named_while_both_run():
    matcher, period = StampMatcher(("l", "r")), 100 * MS
    for k in range(40):
        matcher.add("l", k * period, None)
        if k >= 4:
            matcher.add("r", (k - 4) * period, None)
    assert matcher.lag() == ("r", 400 * MS)
    both = StampMatcher(("l", "r"))
    feed(both, *((stream, k) for k in range(40) for stream in "lr"))
    assert both.lag() == ("", 0)


def test_what_comes_after_its_partner_was_dropped_is_late_and_not_a_stamp_that_never_meets():
    matcher, period = StampMatcher(("l", "r"), wait_ns=500 * MS), 100 * MS
    for k in range(60):
        matcher.add("l", k * period, None)
        if k >= 30:
            assert matcher.add("r", (k - 30) * period, None) is None
    assert matcher.drops["late"] == 30
    assert matcher.drops["overflow"] == 60 - 6  # six lefts reach over 500 ms
    assert matcher.lag() == ("r", 3_000 * MS)
    assert pending(matcher, 90, 0) == 6


def test_bytes_bound_what_waits():
    matcher = StampMatcher(("l", "r"), max_bytes=10 << 20)
    for k in range(40):
        matcher.add("l", k * MS, k, size_bytes=1 << 20)
    assert matcher.drops["overflow"] == 30
    assert matcher.add("r", 29 * MS, "r", size_bytes=1 << 20) is None  # the oldest ten are gone
    assert matcher.drops["late"] == 1
    assert matcher.add("r", 31 * MS, "r", size_bytes=1 << 20) == {"l": 31, "r": "r"}


def test_tiny_items_are_bounded_in_number():
    matcher = StampMatcher(("l", "r"), max_bytes=1 << 20)
    feed(matcher, *(("l", k) for k in range(2000)))
    assert pending(matcher, 2000, 0) == (1 << 20) // 4096


def test_without_a_limit_a_recording_written_side_by_side_matches_in_full():
    matcher, period = StampMatcher(("l", "r"), wait_ns=None, max_bytes=1), 100 * MS
    sides = [(stream, k * period) for stream in "lr" for k in range(300)]
    assert len(feed(matcher, *sides)) == 300
    assert sum(matcher.drops.values()) == 0


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


@pytest.mark.parametrize("frames", [4, 6, 10])
def test_a_loop_of_less_than_a_second_is_followed_in_every_turn(frames):
    matcher, period = StampMatcher(("l", "r")), 100 * MS
    turn = [(stream, k * period) for k in range(frames) for stream in "lr"]
    assert len(feed(matcher, *turn)) == frames
    for _ in range(5):
        matches = feed(matcher, *turn)
        assert [match["l"][1] // period for match in matches] == list(
            range(1, frames)
        )  # the first may be a straggler
        assert all(match["l"] == ("l", match["r"][1]) for match in matches)
    assert matcher.time_jumps == 10  # each side in each turn
    assert matcher.drops["stamp_reversed"] == 10


def test_a_clock_that_steps_back_once_costs_one_pair():
    matcher, period = StampMatcher(("l", "r")), 100 * MS
    stamps = [k * period for k in range(10)] + [k * period - 450 * MS for k in range(10, 20)]
    matches = feed(matcher, *((stream, stamp) for stamp in stamps for stream in "lr"))
    assert len(matches) == 19


def test_one_message_that_was_overtaken_begins_nothing():
    matcher = StampMatcher(("l", "r"))
    feed(matcher, *(("l", k * MS) for k in (1, 2, 5, 3, 6, 4, 7)))
    assert matcher.time_jumps == 0
    assert matcher.drops["stamp_reversed"] == 2
    assert len(feed(matcher, *(("r", k * MS) for k in (1, 2, 5, 6, 7)))) == 5


def test_every_item_of_any_order_is_accounted_for():
    rng = np.random.default_rng(0)
    for wait_ns in (50, 500, None):
        matcher, given, handed_out = StampMatcher(("l", "r"), tolerance_ns=3, wait_ns=wait_ns), 0, 0
        for _ in range(3000):
            stamp = (
                int(rng.integers(0, 40))
                if rng.random() < 0.3
                else given * 5 + int(rng.integers(-60, 60))
            )
            handed_out += 2 * (matcher.add("lr"[rng.integers(2)], stamp, None) is not None)
            given += 1
        waiting = sum(len(items) for items in matcher._pending.values())
        assert given == handed_out + waiting + sum(matcher.drops.values())


def test_one_stream_matches_at_once():
    assert StampMatcher(("image",)).add("image", 3, "x") == {"image": "x"}


def test_a_silent_stream_gives_no_gap():
    matcher = StampMatcher(("l", "r"))
    feed(matcher, ("l", 1), ("l", 2))
    assert matcher.closest_gap_ns is None


def test_refuses():
    with pytest.raises(InputError, match="expected one of the streams"):
        StampMatcher(("l", "r")).add("x", 1, None)
    for arguments in ((("l", "l"),), ((),), (("l",), -1), (("l",), 0, -1), (("l",), 0, 0, 0)):
        with pytest.raises(InputError, match="expected"):
            StampMatcher(*arguments)
