"""Images that belong together, wherever they lie in the recording; time that starts again."""

import pytest
from bags import START_NS, STEP_NS

from depth_ros.recordings.bag import Bag
from depth_ros.recordings.matching import Stream, in_order, lag_s, match


def stream(stamps, log=None):
    kept, drops = in_order(stamps)
    return Stream(list(stamps), list(log or stamps), kept, drops)


def paired(left, right, tolerance_ns=0):
    return [(left.stamps_ns[a], right.stamps_ns[b]) for a, b in match(left, right, tolerance_ns)]


@pytest.mark.parametrize("frames", [2, 6, 20])
def test_a_loop_of_any_length_starts_again(frames):
    clip = [10 * i for i in range(frames)]
    kept, drops = in_order(clip * 3)
    assert kept == list(range(3 * frames)) and drops == {}
    assert len(match(stream(clip * 3), stream(clip * 3))) == 3 * frames


def test_late_and_repeated_stamps_are_dropped_each_with_its_cause():
    assert in_order([0, 10, 30, 20, 40]) == ([0, 1, 2, 4], {"stamp_reversed": 1})
    assert in_order([0, 0, 10, 10, 20]) == ([0, 2, 4], {"duplicate_stamp": 2})
    assert in_order([0, 10, 0, 20, 10, 30]) == ([0, 1, 3, 5], {"duplicate_stamp": 2}), (
        "a relay, one frame late"
    )
    assert in_order([0] * 5) == ([0], {"duplicate_stamp": 4})
    assert in_order([5 * 10**9, 0, 10])[0] == [0, 1, 2], "more than a second back"


def test_a_side_that_lies_far_behind_pairs_in_full():
    clip = [10 * i for i in range(100)]
    left, right = stream(clip), stream(clip, [t + 5000 for t in clip])
    assert paired(left, right) == [(t, t) for t in clip]
    assert lag_s(left, right, match(left, right)) == pytest.approx(5000e-9)


def test_a_tolerance_joins_nearest_stamps_and_no_others():
    left, right = stream([0, 100, 200, 300]), stream([3, 203, 303, 360])
    assert paired(left, right, 10) == [(0, 3), (200, 203), (300, 303)]
    assert paired(left, right, 1) == []
    assert paired(left, right, 150) == [(0, 3), (200, 203), (300, 303)], (
        "100 has lost its partner to nobody"
    )


@pytest.fixture
def looped(bag_builder, pair):
    """Three pairs, played twice, the right ones half a second late in the recording."""
    bag = bag_builder()
    for turn in range(2):
        for i in range(3):
            stamp_ns, log_ns = START_NS + i * STEP_NS, START_NS + (3 * turn + i) * STEP_NS
            for side, image in zip(("left", "right"), pair):
                bag.info(side, stamp_ns, log_ns)
                bag.image(side, stamp_ns, image, log_ns + (500_000_000 if side == "right" else 0))
    return bag.close()


def test_frames_of_a_loop_have_names_of_their_own(looped):
    source = Bag(looped)
    names = [sample.name for sample in source]
    first = [str(START_NS + i * STEP_NS) for i in range(3)]
    assert names == first + [f"{name}_2" for name in first] and source.drops == {}
    assert source.notes == [
        "the right images were recorded 0.500 s after the left ones of the same stamps"
    ]
    assert [sample.name for sample in Bag(looped, "mono")] == names


def test_each_cause_has_its_own_words(bag_builder, pair):
    bag = bag_builder()
    for side in ("left", "right"):
        bag.info(side, START_NS)
    for log, step in enumerate((0, 0, 2, 1, 3)):
        bag.image("left", START_NS + step * STEP_NS, pair[0], START_NS + log)
    for step in (0, 2):
        bag.image("right", START_NS + step * STEP_NS, pair[1])
    source = Bag(bag.close())
    assert len(list(source)) == 2
    assert source.drops == {"duplicate_stamp": 1, "stamp_reversed": 1, "unmatched": 1}
    assert len(set(source.reasons.values())) == 3
