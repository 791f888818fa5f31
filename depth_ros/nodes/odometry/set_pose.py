"""~/set_pose: somebody else says where the robot is.

A service, and a topic for those who only publish.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.srv import SetMap
from rclpy.qos import QoSProfile

from depth_ros.core.axes import carry_pose, turn_covariance
from depth_ros.core.lie import inverse, pose_to_matrix
from depth_ros.nodes.input.extrinsics import Extrinsics
from depth_ros.nodes.parameters import Parameters

from .messages import odom_T_ego

_UNIT_SLACK = 0.01
_ROUNDING = 1e-9  # a covariance may be so little below zero, as a share of its largest entry


class SetPose:
    """Takes odom_T_base with its covariance, in odom_frame, and hands on what it means for the
    camera.

    The service is of type nav_msgs/srv/SetMap: of the packages of every ROS only this one has a
    service with a pose, its covariance and an answer. The pose is initial_pose; map stays empty.
    The topic is of the type that RViz' "2D Pose Estimate" and robot_localization use; a refusal is
    then seen in the log and /diagnostics only. apply: called with (ego_T_camera (4, 4), covariance
    (6, 6) of it, axes of ego-motion's odom). refused: how often.
    """

    def __init__(self, node, parameters: Parameters, extrinsics: Extrinsics, apply: Callable):
        self._node, self._parameters, self._extrinsics, self._apply = (
            node,
            parameters,
            extrinsics,
            apply,
        )
        self.camera_frame = ""  # whose pose follows from the base's; the images tell
        self.refused = 0
        self.why_refused = ""
        self._service = node.create_service(SetMap, "~/set_pose", self._on_call)
        kind = PoseWithCovarianceStamped
        self._subscription = node.create_subscription(
            kind, "~/set_pose", self._take, QoSProfile(depth=1)
        )

    def destroy(self) -> None:
        """Take service and topic down."""
        self._node.destroy_service(self._service)
        self._node.destroy_subscription(self._subscription)

    def _on_call(self, request, response):
        """Answer whether the pose was taken."""
        if request.map.data:
            self._refuse(f"expected an empty map, got one of {len(request.map.data)} cells")
            response.success = False
        else:
            response.success = self._take(request.initial_pose)
        return response

    def _take(self, msg: PoseWithCovarianceStamped) -> bool:
        """Take odom_T_base as a message has it; False where it is refused."""
        t = msg.pose.pose.position
        q = msg.pose.pose.orientation
        numbers = [t.x, t.y, t.z, q.x, q.y, q.z, q.w]
        covariance = np.reshape(msg.pose.covariance, (6, 6)).astype(np.float64)
        base_T_camera = self._extrinsics.base_T_camera(self.camera_frame)
        frame = msg.header.frame_id.lstrip("/")
        if frame != self._parameters.odom_frame.lstrip("/"):
            return self._refuse(f"expected frame_id {self._parameters.odom_frame!r}, got {frame!r}")
        if not np.isfinite(numbers).all() or abs(np.linalg.norm(numbers[3:]) - 1) > _UNIT_SLACK:
            return self._refuse(
                f"expected finite numbers and a quaternion of length 1, got {numbers}"
            )
        if not is_covariance(covariance):
            return self._refuse(
                "expected a covariance that is symmetric, finite and not negative, got another"
            )
        if base_T_camera is None:
            return self._refuse(self._extrinsics.why_not)
        self._apply(*camera_pose(pose_to_matrix(numbers), covariance, base_T_camera))
        self._node.get_logger().info(f"set_pose: {self._parameters.base_frame} is at {numbers}")
        return True

    def _refuse(self, why: str) -> bool:
        """Say why, and count it."""
        self.refused += 1
        self.why_refused = why
        self._node.get_logger().warning(f"set_pose refused: {why}")
        return False


def camera_pose(odom_T_base, covariance, base_T_camera) -> tuple[np.ndarray, np.ndarray]:
    """Give the camera's pose (4, 4) in ego-motion's odom, and its covariance (6, 6), from those of
    the base in odom.

    >>> base_T_camera = pose_to_matrix([1, 0, 0, 0, 0, 0, 1])  # a metre ahead of the base
    >>> camera_pose(np.eye(4), np.diag([0, 0, 0, 0, 0, 0.01]), base_T_camera)[1].diagonal().round(
    ...     3
    ... ).tolist()
    [0.0, 0.0, 0.01, 0.0, 0.01, 0.0]
    """
    odom_T_camera, at_camera = carry_pose(odom_T_base, covariance, base_T_camera)
    ego_T_odom = inverse(odom_T_ego(base_T_camera))
    return ego_T_odom @ odom_T_camera, turn_covariance(at_camera, ego_T_odom[:3, :3])


def is_covariance(matrix: np.ndarray) -> bool:
    """Tell whether (6, 6) is finite, symmetric and nowhere negative; all zeros mean exactly known.

    >>> is_covariance(np.zeros((6, 6))), is_covariance(-np.eye(6))
    (True, False)
    """
    if not np.isfinite(matrix).all():
        return False
    slack = _ROUNDING * np.abs(matrix).max()
    return np.abs(matrix - matrix.T).max() <= slack and np.linalg.eigvalsh(matrix)[0] >= -slack
