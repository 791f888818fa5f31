from types import SimpleNamespace as Message

import pytest

from depth_ros.nodes.health.statistics import Statistics
from depth_ros.nodes.input.calibration import CalibratedImage
from depth_ros.nodes.input.pair_assembler import PairAssembler, Tolerances

SIDES = ("left", "right")
TOPICS = {"left": "/l/camera_info", "right": "/r/camera_info"}
MS = 1_000_000


def image(stamp_ns, frame_id="left_optical"):
    message = Message(header=Message(frame_id=frame_id))
    return CalibratedImage(stamp_ns, message, size_bytes=100)


@pytest.fixture
def rig():
    """A PairAssembler, its statistics, and the pairs that it handed over."""
    rig = Message(statistics=Statistics(), pairs=[])
    tolerances = Tolerances(tolerance_ns=2 * MS, wait_ns=1000 * MS)
    rig.assembler = PairAssembler(SIDES, tolerances, TOPICS, rig.statistics, rig.pairs.append)
    return rig


def test_each_side_brings_the_calibration_of_its_own_stamp(rig, make_calibration):
    """Left and right differ by 1 ms; both camera_infos come last."""
    left, right = make_calibration(), make_calibration(0.2)
    rig.assembler.add_image("left", image(10 * MS))
    rig.assembler.add_image("right", image(11 * MS, "right_optical"))
    assert rig.assembler.waiting_sides() == ["left", "right"]
    rig.assembler.add_info("right", 11 * MS, right, "right_optical")
    assert rig.assembler.waiting_sides() == ["left"] and rig.pairs == []
    rig.assembler.add_info("left", 10 * MS, left, "left_optical")
    (pair,) = rig.pairs
    assert (pair.stamp_ns, pair.calibrations, pair.frame_id) == (
        10 * MS,
        (left, right),
        "left_optical",
    )
    assert pair.right.header.frame_id == "right_optical"


def test_a_pair_in_mid_stream_keeps_the_calibration_from_before_a_change(rig, make_calibration):
    """The right image comes after both cameras were set anew: its partner decides nothing."""
    old, new = make_calibration(0.1), make_calibration(0.2)
    for side in SIDES:
        rig.assembler.add_info(side, 10 * MS, old, side)
    rig.assembler.add_image("left", image(10 * MS))
    for side in SIDES:
        rig.assembler.add_info(side, 40 * MS, new, side)
    rig.assembler.add_image("left", image(40 * MS))
    rig.assembler.add_image("right", image(10 * MS))
    rig.assembler.add_image("right", image(40 * MS))
    assert [pair.calibrations for pair in rig.pairs] == [(old, old), (new, new)]


def test_a_pair_without_any_camera_info_names_the_topics(rig, make_calibration):
    rig.assembler.add_info("left", 10 * MS, make_calibration(), "left")
    for stamp_ns in (10 * MS, 40 * MS):
        for side in SIDES:
            rig.assembler.add_image(side, image(stamp_ns))
    assert rig.pairs == []
    assert rig.statistics.drops == {"no_camera_info": 1}
    assert rig.statistics.texts["no_camera_info"] == "nothing yet on /r/camera_info"


def test_images_without_partner_are_counted_since_the_last_pair(rig, make_calibration):
    for side in SIDES:
        rig.assembler.add_info(side, 0, make_calibration(), side)
    for stamp_ns in (10 * MS, 40 * MS):
        rig.assembler.add_image("left", image(stamp_ns))
    for stamp_ns in (40 * MS, 70 * MS):
        rig.assembler.add_image("right", image(stamp_ns))
    assert [pair.stamp_ns for pair in rig.pairs] == [40 * MS]
    rig.assembler.add_image("right", image(70 * MS))
    matching = rig.assembler.matching()
    assert matching.drops["unmatched"] == 1 and matching.drops_since_pair["unmatched"] == 0
    assert matching.drops_since_pair["duplicate_stamp"] == 1


def test_what_is_odd_is_remarked(rig, make_calibration):
    for side in SIDES:
        rig.assembler.add_info(side, 10 * MS, make_calibration(0.2 * (side == "right")), side)
        rig.assembler.add_image(side, image(10 * MS, "/left"))
    (remark,) = rig.assembler.remarks(is_rectified=True)
    assert remark.startswith("frame_id '/left' begins with a slash")
