import numpy as np
import pytest

pytest.importorskip("rclpy")
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.errors import ImageError
from depth_ros.nodes.output import messages
from depth_ros.recordings.decode import (
    image_to_depth,
    image_to_rgb,
    info_to_calibration,
    stamp_to_ns,
)

HEADER = messages.make_header(12_000_000_034, "left_optical")
DEPTH = np.array([[1.5, np.nan, 2.0], [0.5, 4.0, 70.0]], np.float32)


def over_the_wire(msg, kind):
    """As a subscriber gets it."""
    return deserialize_message(serialize_message(msg), kind)


def test_header():
    msg = over_the_wire(messages.rgb_to_image(np.zeros((2, 3, 3), np.uint8), HEADER), Image)
    assert stamp_to_ns(msg.header.stamp) == 12_000_000_034
    assert msg.header.frame_id == "left_optical"


def test_depth_round_trip():
    msg = over_the_wire(messages.depth_to_image(DEPTH, HEADER), Image)
    assert (msg.encoding, msg.step, msg.height, msg.width) == ("32FC1", 12, 2, 3)
    assert np.array_equal(image_to_depth(msg), DEPTH, equal_nan=True)


def test_depth_in_millimetres():
    msg = over_the_wire(messages.depth_to_image(DEPTH, HEADER, "16UC1"), Image)
    assert np.frombuffer(msg.data, np.uint16).tolist() == [
        1500,
        0,
        2000,
        500,
        4000,
        0,
    ]  # 70 m do not fit in 16 bits


def test_an_array_of_the_wrong_type_is_refused():
    with pytest.raises(ImageError, match="float64"):
        messages.depth_to_image(DEPTH.astype(np.float64), HEADER)


def test_rgb_round_trip():
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)[
        :, ::-1
    ]  # not contiguous
    assert np.array_equal(
        image_to_rgb(over_the_wire(messages.rgb_to_image(rgb, HEADER), Image)), rgb
    )


def test_camera_info_is_that_of_the_resized_image():
    camera = Camera(96, 56, 80.0, 84.0, 44.25, 30.5).resized(28, 48)
    msg = over_the_wire(messages.camera_to_info(camera, HEADER, baseline_m=0.5), CameraInfo)
    calibration = info_to_calibration(msg)
    assert (calibration.width, calibration.height) == (48, 28)
    assert calibration.K == (40.0, 0, (44.25 + 0.5) / 2 - 0.5, 0, 42.0, 15.0, 0, 0, 1)
    assert calibration.P[3] == -20.0
    assert Camera.from_calibration(calibration) == camera


def test_disparity_fields_give_depth_back():
    rig = StereoRig(Camera(96, 56, 80.0, 84.0, 44.25, 30.5), 0.25, doffs_px=2.0)
    disparity = np.full((56, 96), np.nan, np.float32)
    disparity[10:20, 30:90] = 8.125
    disparity[12, 31] = 140.5  # beyond the range that was asked for
    msg = over_the_wire(messages.disparity_to_message(disparity, rig, HEADER, 128), DisparityImage)
    values = np.frombuffer(msg.image.data, np.float32).reshape(56, 96)
    assert msg.f * msg.t / values[15, 50] == pytest.approx(80.0 * 0.25 / (8.125 + 2.0))
    window = msg.valid_window
    assert (window.x_offset, window.y_offset, window.width, window.height) == (30, 10, 60, 10)
    assert (msg.min_disparity, msg.max_disparity) == (2.0, 142.5)
    known = values[np.isfinite(values)]
    assert msg.min_disparity <= known.min() <= known.max() <= msg.max_disparity
    assert 0 < msg.delta_d < 1e-4
    assert messages.disparity_to_message(disparity, rig, HEADER, 128, 1 / 16).delta_d == 0.0625


def test_disparity_that_knows_nothing_has_an_empty_window():
    rig = StereoRig(Camera(6, 4, 8.0, 8.0, 2.0, 1.0), 0.25)
    msg = messages.disparity_to_message(np.full((4, 6), np.nan, np.float32), rig, HEADER, 64)
    assert (msg.valid_window.width, msg.valid_window.height, msg.max_disparity) == (0, 0, 64.0)


def test_cloud():
    camera = Camera(3, 2, 2.0, 4.0, 1.0, 0.5)
    rgb = np.full((2, 3, 3), (1, 2, 3), np.uint8)
    msg = over_the_wire(messages.depth_to_points(DEPTH, camera, rgb, HEADER), PointCloud2)
    assert (msg.height, msg.width, msg.point_step, msg.row_step, msg.is_dense) == (
        2,
        3,
        16,
        48,
        False,
    )
    assert [(f.name, f.offset) for f in msg.fields] == [("x", 0), ("y", 4), ("z", 8), ("rgb", 12)]
    points = np.frombuffer(msg.data, np.float32).reshape(2, 3, 4)
    assert points[1, 2, :3].tolist() == [70.0 * (2 - 1) / 2, 70.0 * (1 - 0.5) / 4, 70.0]
    assert np.isnan(points[0, 1, :3]).all()
    assert points[1, 2, 3:].view(np.uint32)[0] & 0xFFFFFF == 0x010203


def test_colour():
    color = messages.depth_to_color(np.array([[0.5, 50.0, np.nan, 0.1]], np.float32))
    assert color[0, 2].tolist() == [0, 0, 0]
    assert color[0, 0, 0] > color[0, 0, 2]  # near is red
    assert color[0, 1, 2] > color[0, 1, 0]  # far is blue
    assert color[0, 3].tolist() == color[0, 0].tolist()
