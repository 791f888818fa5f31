"""The live doctor's rules, on what was seen of a graph;
test/nodes/introspection/test_graph_probe.py has a real one.
"""

import pytest

from depth_ros.doctor.checks import OK, PROBLEM, WARNING, ImageFact
from depth_ros.doctor.graph_snapshot import Look, Node, Stream
from depth_ros.doctor.live import examine_graph

IMAGE, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
PERIOD_NS = 33_333_333


@pytest.fixture
def make_look(make_calibration):
    """A factory: a look at two sound cameras; late_s: how much later the right images come."""

    def make(late_s=0.0, **changes):
        streams = {}
        for side, baseline_m in (("left", 0.0), ("right", 0.21)):
            calibration = make_calibration(baseline_m)
            image = Stream(f"{side} image", f"/{side}/image_rect", IMAGE, publishers=["/camera"])
            image.stamps = [k * PERIOD_NS for k in range(1, 31)]
            image.arrivals_s = [
                t / 1e9 + (late_s if side == "right" else 0.0) for t in image.stamps
            ]
            image.ages_s = [0.01] * 30
            image.facts = [
                ImageFact(t, "left", "mono8", (96, 56), 100.0) for t in image.stamps[-3:]
            ]
            info = Stream(
                f"{side} camera_info", f"/{side}/camera_info", INFO, publishers=["/camera"]
            )
            info.stamps, info.arrivals_s, info.ages_s = (
                image.stamps,
                list(image.arrivals_s),
                image.ages_s,
            )
            info.infos = [("left", calibration)]
            streams |= {image.name: image, info.name: info}
        node = Node(
            "/depth_node", state="active", parameters={"rectify": False, "sync_tolerance_s": 0.0}
        )
        look = Look(1.0, "graph", ("left", "right"), streams, node)
        for name, values in changes.items():
            for key, value in values.items():
                setattr(streams[name.replace("_", " ", 1)], key, value)
        return look

    return make


def lines(look, level):
    return [
        f"{finding.where}: {finding.words}"
        for finding in examine_graph(look)
        if finding.level == level
    ]


def test_sound_cameras_have_no_fault(make_look):
    look = make_look()
    assert lines(look, PROBLEM) == []
    assert lines(look, WARNING) == []


@pytest.mark.parametrize(
    "late_s, words",
    [
        (0.4, "right images arrive 0.40 s after the left ones of the same stamp"),
        (1.7, "right images arrive 1.70 s after the left ones of the same stamp"),
        (-0.4, "left images arrive 0.40 s after the right ones of the same stamp"),
    ],
)
def test_the_side_that_is_late_is_named(make_look, late_s, words):
    assert any(words in line for line in lines(make_look(late_s), WARNING))
    assert not any("equal on both sides" in line for line in lines(make_look(late_s), PROBLEM))


def test_a_frame_with_a_slash_is_named(make_look):
    facts = [ImageFact(7, "/left", "mono8", (96, 56), 100.0)]
    (line,) = [
        line for line in lines(make_look(left_image={"facts": facts}), WARNING) if "slash" in line
    ]
    assert line.startswith(
        "/left/image_rect: frame_id '/left' begins with a slash, which tf2 refuses"
    )


def test_bits_are_named(make_look):
    def facts(*ranges):
        return [
            ImageFact(PERIOD_NS, "left", "mono16", (96, 56), 100.0, grey_range=pair)
            for pair in ranges
        ]

    look = make_look(
        left_image={"facts": facts((3, 700), (5, 1001))}, right_image={"facts": facts((0, 65535))}
    )
    found = [line for line in lines(look, OK) if "bits" in line]
    assert found == [
        "/left/image_rect: the 16-bit images use 10 bits: values 3 to 1001; node and offline "
        "runs scale by them (grey_bits)"
    ]


def test_images_that_are_there_compressed_are_named(make_look):
    transports = {"/left/image_rect/compressed": "sensor_msgs/msg/CompressedImage"}
    look = make_look(
        left_image={"publishers": [], "transports": transports, "parameter": "left_image_topic"}
    )
    (line,) = [line for line in lines(look, PROBLEM) if line.startswith("/left/image_rect")]
    assert line.endswith(
        "it is there as /left/image_rect/compressed: set image_transport: compressed"
    )


def test_messages_that_cannot_be_read_are_named(make_look):
    look = make_look(left_image={"errors": ["expected a message with a header, got 3 bytes"] * 9})
    assert lines(look, PROBLEM) == [
        "/left/image_rect: expected a message with a header, got 3 bytes"
    ]


def test_numbers_that_no_camera_has_are_found_on_either_side(make_look, make_calibration):
    odd = make_calibration(0.21, P=(80.0, 0, 47.5, -0.21 * 80, 0, 40.0, 27.5, 0, 0, 0, 1, 0))
    left = make_calibration(0.0, P=(80.0, 0, 47.5, 0, 0, 40.0, 27.5, 0, 0, 0, 1, 0))
    look = make_look(
        right_camera_info={"infos": [("left", odd)]}, left_camera_info={"infos": [("left", left)]}
    )
    found = lines(look, WARNING) + lines(look, PROBLEM)
    for side in ("left", "right"):
        assert any(
            line.startswith(f"/{side}/camera_info") and "square pixels" in line for line in found
        ), found


def test_a_node_that_is_idle_is_said_and_no_problem(make_look):
    look = make_look()
    look.node.status = (0, "nobody subscribes to an output, so nothing is computed")
    assert lines(look, PROBLEM) == []
    assert any("nobody subscribes" in line for line in lines(look, WARNING))
