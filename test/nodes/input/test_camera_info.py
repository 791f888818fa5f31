import pytest

pytest.importorskip("rclpy")
from rclpy.serialization import serialize_message

from depth_ros.core.camera import Camera
from depth_ros.nodes.input.camera_info import InfoReader
from depth_ros.nodes.output.messages import camera_to_info, make_header

CAMERA = Camera(96, 56, 80.0, 84.0, 44.25, 30.5)


def raw(stamp_ns, baseline_m=0.0):
    return serialize_message(
        camera_to_info(CAMERA, make_header(stamp_ns, "left_optical"), baseline_m)
    )


def test_only_a_change_is_unpacked():
    reader = InfoReader()
    stamp_ns, first = reader.read(raw(1_700_000_000_123_456_789))
    assert stamp_ns == 1_700_000_000_123_456_789
    assert Camera.from_calibration(first) == CAMERA
    stamp_ns, second = reader.read(raw(1_700_000_001_000_000_001))
    assert (stamp_ns, second is first) == (1_700_000_001_000_000_001, True)
    assert reader.read(raw(5, baseline_m=0.5))[1].P[3] == -40.0
