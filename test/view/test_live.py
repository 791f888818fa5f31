"""Topics on the page, over real DDS: what belongs together by stamp, what is left out, and how often."""

import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="topics need ROS 2")
from nav_msgs.msg import Odometry  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from depth_ros.core.camera import Camera  # noqa: E402
from depth_ros.nodes import messages  # noqa: E402
from depth_ros.view.live import Live, odometry_to_pose  # noqa: E402

CAMERA = Camera(64, 48, 50.0, 52.0, 30.0, 25.0)


class Talker:
    """Publishes image, depth, sigma and camera_info of one stamp, 20 times a second, until it is stopped."""

    def __init__(self):
        self.node = rclpy.create_node("talker", namespace="front", enable_rosout=False)
        kinds = dict.fromkeys(("left/image_rect", "depth/image_rect", "depth/sigma"), Image)
        kinds["depth/camera_info"] = CameraInfo
        self._out = {topic: self.node.create_publisher(kind, topic, 5) for topic, kind in kinds.items()}
        self._stop, self.count = threading.Event(), 0
        self._thread = threading.Thread(target=self._talk, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _talk(self):
        while not self._stop.wait(0.05):
            self.count += 1
            header = messages.make_header(time.time_ns(), "eye")
            depth = np.full((48, 64), float(self.count), np.float32)
            image = np.full((48, 64, 3), self.count % 250, np.uint8)
            self._out["depth/camera_info"].publish(messages.camera_to_info(CAMERA, header))
            self._out["left/image_rect"].publish(messages.rgb_to_image(image, header))
            self._out["depth/sigma"].publish(messages.depth_to_image(depth / 10, header))
            self._out["depth/image_rect"].publish(messages.depth_to_image(depth, header))


@pytest.fixture
def ros():
    rclpy.init(args=[], domain_id=1 + os.getpid() % 100)
    yield rclpy
    rclpy.try_shutdown()


def test_a_moment_has_one_stamp(ros):
    shown = []
    with Talker():
        count = Live(ros, "/front", "").run(SimpleNamespace(show=shown.append), hz=8, seconds=4, way=False)
    assert count == len(shown) and 8 < count <= 33  # eight a second of twenty
    whole = [moment for moment in shown if moment.image is not None and moment.sigma is not None]
    assert len(whole) > 5
    for moment in whole:
        assert moment.image[3, 4, 0] == moment.depth[3, 4] % 250
        assert moment.sigma[3, 4] == pytest.approx(moment.depth[3, 4] / 10)
        assert (moment.camera, moment.relative, moment.odom_T_camera) == (CAMERA, False, None)
        assert 0 <= moment.figures["times_ms/age"] < 2000
    assert shown[-1].figures["rates_hz/depth"] == pytest.approx(20, abs=8)
    stamps = [moment.stamp_ns for moment in shown]
    assert stamps == sorted(set(stamps))


def test_camera_looks_ahead_in_the_base():
    message = Odometry(child_frame_id="base_link")
    message.pose.pose.position.x, message.pose.pose.orientation.w = 2.0, 1.0
    pose = odometry_to_pose(message, "eye")
    # what lies 3 m ahead of the camera (optical z) lies 3 m ahead of the base (x)
    np.testing.assert_allclose(pose @ [0, 0, 3, 1], [5, 0, 0, 1], atol=1e-12)
    message.child_frame_id = "eye"
    np.testing.assert_allclose(odometry_to_pose(message, "eye") @ [0, 0, 3, 1], [2, 0, 3, 1])
