"""How the camera sits on the robot: from a parameter, or from TF.

What is not known is never taken as identity.
"""

from __future__ import annotations

import contextlib
from importlib import import_module

import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time

from depth_ros.core.lie import inverse, pose_to_matrix
from depth_ros.nodes.fast_path.event_callbacks import NO_SUBSCRIPTION_EVENTS
from depth_ros.nodes.parameters import Parameters

from .camera_info import MessageError, read_message
from .frame_tree import FrameTree

_TREE_DEPTH = 100  # transforms on /tf_static, as tf2_ros keeps them


def tf_message():
    """Return tf2_msgs.msg.TFMessage, or None where tf2_msgs is not installed (no wheel has it;
    every robot does).
    """
    try:
        return import_module("tf2_msgs.msg").TFMessage
    except ImportError:
        return None


class Extrinsics:
    """base_T_camera from parameters.base_T_camera; without it, and for an IMU, from TF: tf2_ros,
    else /tf_static.

    Attributes:
        source: "parameter", "tf", "tf_static", or why there is none.
        why_not: why base_T_camera was not known the last time that somebody asked; "" where it was.
    """

    def __init__(self, node, parameters: Parameters):
        self._node = node
        self._base_frame = parameters.base_frame
        self._given = None
        self.source = ""
        if parameters.base_T_camera:
            self._given = pose_to_matrix(parameters.base_T_camera)
            self.source = "parameter"
        self._tree = FrameTree()
        self._subscription = None
        self._buffer = None
        self._listener = None
        self.why_not = ""
        if self._given is None or parameters.imu_topic:
            self._listen()

    def base_T_camera(self, camera_frame: str) -> np.ndarray | None:
        """Return the pose (4, 4) of a camera's optical frame in the base frame, metres; None where
        it is not known.
        """
        found = self._given
        if found is None:
            found = self._find(self._base_frame, camera_frame)
        self.why_not = ""
        if found is None:
            camera = camera_frame or "the nameless frame of the images"
            self.why_not = (
                f"no transform from {camera} to {self._base_frame} ({self.source}): "
                "set base_T_camera, or publish it on /tf_static"
            )
        return found

    def camera_T_imu(self, camera_frame: str, imu_frame: str) -> np.ndarray | None:
        """Return the pose (4, 4) of an IMU in a camera's optical frame, metres; None where it is
        not known.
        """
        found = self._find(camera_frame, imu_frame)
        if found is not None or self._given is None:
            return found
        base_T_imu = self._find(self._base_frame, imu_frame)
        if base_T_imu is None:
            return None
        return inverse(self._given) @ base_T_imu

    def destroy(self) -> None:
        """Stop listening."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        if self._listener is not None:
            self._listener.unregister()
        self._subscription = self._buffer = self._listener = None

    def _listen(self) -> None:
        """Listen to all of TF with tf2_ros where there is one, else to /tf_static, else to
        nothing.
        """
        found = "none: no tf2_msgs"
        try:
            tf2_ros = import_module("tf2_ros")
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, self._node)
            found = "tf"
        except ImportError:
            kind = tf_message()
            if kind is not None:
                qos = QoSProfile(depth=_TREE_DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
                self._subscription = self._node.create_subscription(
                    kind,
                    "/tf_static",
                    self._on_static,
                    qos,
                    raw=True,
                    event_callbacks=NO_SUBSCRIPTION_EVENTS,
                )
                found = "tf_static"
        self.source = self.source or found

    def _on_static(self, raw: bytes) -> None:
        """Take the transforms of a message in; one that cannot be read changes nothing."""
        with contextlib.suppress(MessageError):
            self._take(read_message(raw, tf_message()))

    def _take(self, msg) -> None:
        """Add transforms to the tree."""
        for item in msg.transforms:
            self._tree.add(
                item.header.frame_id, item.child_frame_id, transform_to_matrix(item.transform)
            )

    def _find(self, target: str, source: str) -> np.ndarray | None:
        """target_T_source (4, 4) from TF, the newest where it moves, or None."""
        target = target.lstrip("/")  # tf2 refuses a leading slash
        source = source.lstrip("/")
        if not target or not source:
            return None
        if self._buffer is None or target == source:
            return self._tree.find(target, source)
        with contextlib.suppress(import_module("tf2_ros").TransformException):
            return transform_to_matrix(
                self._buffer.lookup_transform(target, source, Time()).transform
            )
        return None


def transform_to_matrix(transform) -> np.ndarray:
    """Make (4, 4) of a geometry_msgs/Transform."""
    t = transform.translation
    q = transform.rotation
    return pose_to_matrix([t.x, t.y, t.z, q.x, q.y, q.z, q.w])
