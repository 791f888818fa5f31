"""Topics on the page, over real DDS: what belongs together by stamp, what is left out, and how
often.
"""

import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="topics need ROS 2")
from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from depth_ros.core.camera import Camera  # noqa: E402
from depth_ros.core.lie import pose_to_matrix  # noqa: E402
from depth_ros.nodes.output import messages  # noqa: E402
from depth_ros.viewer.camera_pose import Place  # noqa: E402
from depth_ros.viewer.live import Live  # noqa: E402

CAMERA = Camera(64, 48, 50.0, 52.0, 30.0, 25.0)


class Talker:
    """Publishes image, depth, sigma and camera_info of one stamp, 20 times a second, until it is
    stopped.
    """

    def __init__(self):
        self.node = rclpy.create_node("talker", namespace="front", enable_rosout=False)
        kinds = dict.fromkeys(("left/image_rect", "depth/image_rect", "depth/sigma"), Image)
        kinds["depth/camera_info"] = CameraInfo
        self._out = {
            topic: self.node.create_publisher(kind, topic, 5) for topic, kind in kinds.items()
        }
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
    with Talker() as talker:
        page = SimpleNamespace(show=shown.append, note=lambda words: None)
        live = Live(ros, "/front", "")
        said, started = talker.count, time.monotonic()
        count = live.run(page, hz=8, seconds=4, way=False)
        rate_hz = (talker.count - said) / (time.monotonic() - started)  # 20, less on a busy machine
    assert count == len(shown) and 8 < count <= 33  # eight a second of twenty
    whole = [moment for moment in shown if moment.image is not None and moment.sigma is not None]
    assert len(whole) > 5
    for moment in whole:
        assert moment.image[3, 4, 0] == moment.depth[3, 4] % 250
        assert moment.sigma[3, 4] == pytest.approx(moment.depth[3, 4] / 10)
        assert (moment.camera, moment.relative, moment.odom_T_camera) == (CAMERA, False, None)
        assert 0 <= moment.figures["times_ms/age"] < 2000
    assert shown[-1].figures["rates_hz/depth"] == pytest.approx(rate_hz, rel=0.4)
    stamps = [moment.stamp_ns for moment in shown]
    assert stamps == sorted(set(stamps))


class Robot:
    """Publishes odometry of base_link, 2 m ahead, and has a depth_node's parameter
    base_T_camera, if it is given.
    """

    def __init__(self, base_T_camera=None):
        self.node = rclpy.create_node("depth_node", namespace="front", enable_rosout=False)
        if base_T_camera is not None:
            self.node.declare_parameter("base_T_camera", base_T_camera)
        self._odom = self.node.create_publisher(Odometry, "odom", 5)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.node.create_timer(0.1, self._say)
        threading.Thread(target=self._executor.spin, daemon=True).start()

    def _say(self):
        self._odom.publish(odometry("base_link"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._executor.shutdown(2)


def odometry(child):
    """A robot 2 m ahead that has turned left by 90 degrees."""
    message = Odometry(child_frame_id=child)
    message.pose.pose.position.x, message.pose.pose.orientation.z = 2.0, 0.5**0.5
    message.pose.pose.orientation.w = 0.5**0.5
    return message


MOUNT = [0.4, 0.1, 1.5, -0.5, 0.5, -0.5, 0.5]  # looks ahead
AHEAD_IN_ODOM = [2.0 - 0.1, 0.4 + 3.0, 1.5, 1.0]  # 3 m ahead of the camera


@pytest.mark.parametrize("mount", [MOUNT, None])
def test_the_camera_stands_where_the_node_says(ros, mount):
    shown, notes = [], []
    wanted = "placed by the node's base_T_camera" if mount else "no transform to eye is known"

    def note(words):
        notes.append(words)
        if wanted in words:
            raise KeyboardInterrupt

    with Robot(mount), Talker(), pytest.raises(KeyboardInterrupt):
        Live(ros, "/front", "").run(
            SimpleNamespace(show=shown.append, note=note), hz=8, seconds=30, way=True
        )
    pose = shown[-1].odom_T_camera
    if mount is None:
        assert pose is None and "points in the camera's frame" in notes[-1]
    else:
        np.testing.assert_allclose(pose @ [0, 0, 3, 1], AHEAD_IN_ODOM, atol=1e-9)
        assert "base_link" in notes[-1]


def test_the_camera_stands_where_tf_says(ros):
    place = Place(ros.create_node("page", enable_rosout=False))
    assert place.odom_T_camera(None, "eye") is None and "no odometry" in place.words
    assert place.odom_T_camera(odometry("base_link"), "eye") is None
    place._extrinsics._buffer = None  # of tf2_ros, where there is one: here its own tree is asked
    place._extrinsics._tree.add("base_link", "mast", pose_to_matrix([0.4, 0.1, 0.5, 0, 0, 0, 1]))
    place._extrinsics._tree.add("mast", "eye", pose_to_matrix([0, 0, 1, *MOUNT[3:]]))
    pose = place.odom_T_camera(odometry("base_link"), "eye")
    np.testing.assert_allclose(pose @ [0, 0, 3, 1], AHEAD_IN_ODOM, atol=1e-9)
    assert "TF" in place.words
    # odometry of the camera itself needs no extrinsics; optical z is up where nothing else is said
    np.testing.assert_allclose(
        place.odom_T_camera(odometry("eye"), "eye") @ [0, 0, 3, 1], [2, 0, 3, 1], atol=1e-9
    )
