"""Where extrinsics come from; tf2_ros, which comes with ROS only, is a stand-in with the calls
that are made.
"""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
from geometry_msgs.msg import TransformStamped

from depth_ros.core.lie import inverse, pose_to_matrix, quat_to_matrix
from depth_ros.nodes.input.extrinsics import Extrinsics
from depth_ros.nodes.input.frame_tree import FrameTree
from depth_ros.nodes.parameters import Parameters

MAST, CAMERA, IMU = (
    (0.1, 0.2, 1.5, 0, 0, 0, 1),
    (0.05, -0.3, 0.02, -0.5, 0.5, -0.5, 0.5),
    (0, 0, 0.4, 0, 0, 0.6, 0.8),
)


@pytest.fixture
def without_tf(monkeypatch):
    for name in ("tf2_ros", "tf2_msgs", "tf2_msgs.msg"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def tf2_ros(monkeypatch, without_tf):
    """A stand-in whose buffer knows one transform."""

    class TransformException(Exception):
        pass

    class Buffer:
        def lookup_transform(self, target_frame, source_frame, time):
            if (target_frame, source_frame) != ("base_link", "camera"):
                raise TransformException(f"{target_frame} and {source_frame} are not connected")
            msg = TransformStamped().transform
            msg.translation.x, msg.translation.y, msg.translation.z = CAMERA[:3]
            msg.rotation.x, msg.rotation.y, msg.rotation.z, msg.rotation.w = CAMERA[3:]
            return SimpleNamespace(transform=msg)

    class TransformListener:
        def __init__(self, buffer, node):
            assert isinstance(buffer, Buffer)
            self.is_up = True

        def unregister(self):
            self.is_up = False

    module = ModuleType("tf2_ros")
    module.Buffer, module.TransformListener, module.TransformException = (
        Buffer,
        TransformListener,
        TransformException,
    )
    monkeypatch.setitem(sys.modules, "tf2_ros", module)


def test_the_tree_finds_its_way():
    tree = FrameTree()
    tree.add("base", "mast", pose_to_matrix(MAST))
    tree.add("/mast", "/camera", pose_to_matrix(CAMERA))
    tree.add("base", "imu", pose_to_matrix(IMU))
    base_T_camera = pose_to_matrix(MAST) @ pose_to_matrix(CAMERA)
    np.testing.assert_allclose(tree.find("base", "camera"), base_T_camera)
    np.testing.assert_allclose(tree.find("camera", "base"), inverse(base_T_camera), atol=1e-12)
    np.testing.assert_allclose(
        tree.find("camera", "imu"), inverse(base_T_camera) @ pose_to_matrix(IMU), atol=1e-12
    )
    np.testing.assert_array_equal(tree.find("imu", "imu"), np.eye(4))
    assert tree.find("base", "lidar") is None
    tree.add("base", "mast", pose_to_matrix(IMU))  # it was moved
    np.testing.assert_allclose(
        tree.find("base", "camera"), pose_to_matrix(IMU) @ pose_to_matrix(CAMERA)
    )


def test_parents_in_a_circle_end():
    tree = FrameTree()
    tree.add("a", "b", np.eye(4))
    tree.add("b", "a", np.eye(4))
    assert tree.find("a", "c") is None and tree.find("a", "b") is not None


def test_the_parameter_counts(without_tf):
    extrinsics = Extrinsics(None, Parameters(base_T_camera=list(CAMERA)))
    base_T_camera = extrinsics.base_T_camera("any")
    assert (extrinsics.source, extrinsics.why_not) == ("parameter", "")
    np.testing.assert_allclose(base_T_camera[:3, 3], CAMERA[:3])
    np.testing.assert_allclose(base_T_camera[:3, 2], [1, 0, 0], atol=1e-12)  # it looks ahead
    np.testing.assert_allclose(base_T_camera[:3, :3], quat_to_matrix(CAMERA[3:]))


def test_nothing_is_never_identity(without_tf):
    extrinsics = Extrinsics(None, Parameters())
    assert extrinsics.base_T_camera("camera") is None and extrinsics.base_T_camera("") is None
    assert extrinsics.source == "none: no tf2_msgs"
    assert extrinsics.base_T_camera("camera") is None
    assert "no transform from camera to base_link" in extrinsics.why_not
    assert "set base_T_camera" in extrinsics.why_not


def test_tf2_ros_is_asked(tf2_ros):
    extrinsics = Extrinsics(None, Parameters())
    assert extrinsics.source == "tf"
    np.testing.assert_allclose(extrinsics.base_T_camera("camera"), pose_to_matrix(CAMERA))
    assert extrinsics.base_T_camera("other") is None and "other" in extrinsics.why_not
    np.testing.assert_allclose(extrinsics.base_T_camera("camera"), pose_to_matrix(CAMERA))
    assert extrinsics.why_not == ""
    extrinsics.destroy()


def test_an_imu_in_the_base_needs_the_parameter_only(without_tf):
    extrinsics = Extrinsics(None, Parameters(base_T_camera=list(CAMERA), imu_topic="imu"))
    np.testing.assert_allclose(
        extrinsics.camera_T_imu("camera", "base_link"), inverse(pose_to_matrix(CAMERA))
    )
    assert extrinsics.camera_T_imu("camera", "imu") is None
