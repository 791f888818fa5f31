"""Ego-motion as messages: nav_msgs/Odometry, nav_msgs/Path, and the transform for TF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from geometry_msgs.msg import PoseStamped, TransformStamped
from nav_msgs.msg import Odometry, Path

from depth_ros.core.axes import body_R_optical, carry_pose, carry_twist, turn_covariance
from depth_ros.core.lie import inverse, matrix_to_quat, so3_log
from depth_ros.nodes.output.messages import make_header

if TYPE_CHECKING:
    from depth_ros.odometry import EgoEstimate

_PATH_POSES = 1000
_PATH_STEP_M = 0.1
_PATH_STEP_RAD = 0.1


@dataclass(frozen=True, eq=False)
class BodyMotion:
    """Where the child frame is in odom, and how it moves.

    odom_T_child: (4, 4). covariance: (6, 6) of it, axes of odom. twist: (6,) m/s, rad/s, axes of
    the child frame; twist_covariance: (6, 6). frame, child_frame: their names.
    """

    stamp_ns: int
    frame: str
    child_frame: str
    odom_T_child: np.ndarray
    covariance: np.ndarray
    twist: np.ndarray
    twist_covariance: np.ndarray

    @property
    def is_finite(self) -> bool:
        """True where every number may go into a message."""
        parts = (self.odom_T_child, self.covariance, self.twist, self.twist_covariance)
        return all(np.isfinite(part).all() for part in parts)


def odom_T_ego(base_T_camera: np.ndarray) -> np.ndarray:
    """Give the pose of ego-motion's odom, which has body axes at the first camera, in an odom that
    is the first base.

    >>> base_T_camera = np.eye(4)
    >>> base_T_camera[:3, :3], base_T_camera[:3, 3] = body_R_optical, [1.0, 2.0, 3.0]
    >>> odom_T_ego(base_T_camera)[:3].tolist()
    [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 1.0, 3.0]]
    """
    start = np.eye(4)
    start[:3, :3] = body_R_optical
    return base_T_camera @ inverse(start)


def body_motion(estimate: EgoEstimate, frame: str, camera_frame: str) -> BodyMotion:
    """Give the motion of the camera's optical frame itself, for want of extrinsics; odom as
    ego-motion has it.
    """
    return BodyMotion(
        estimate.stamp_ns,
        frame,
        camera_frame,
        estimate.odom_T_camera,
        estimate.covariance,
        estimate.twist,
        estimate.twist_covariance,
    )


def base_motion(
    estimate: EgoEstimate, frame: str, base_frame: str, base_T_camera: np.ndarray
) -> BodyMotion:
    """Give the motion of the base, to which the camera is fixed; odom is where the base was at
    the start.
    """
    from_ego = odom_T_ego(base_T_camera)
    covariance = turn_covariance(estimate.covariance, from_ego[:3, :3])
    pose = carry_pose(from_ego @ estimate.odom_T_camera, covariance, inverse(base_T_camera))
    twist = carry_twist(estimate.twist, estimate.twist_covariance, base_T_camera)
    return BodyMotion(estimate.stamp_ns, frame, base_frame, *pose, *twist)


def motion_to_odometry(motion: BodyMotion) -> Odometry:
    """Make the Odometry message: twist in the child frame."""
    msg = Odometry(
        header=make_header(motion.stamp_ns, motion.frame), child_frame_id=motion.child_frame
    )
    _set_pose(msg.pose.pose.position, msg.pose.pose.orientation, motion.odom_T_child)
    msg.pose.covariance = motion.covariance.reshape(-1)
    linear = msg.twist.twist.linear
    angular = msg.twist.twist.angular
    linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = (
        float(value) for value in motion.twist
    )
    msg.twist.covariance = motion.twist_covariance.reshape(-1)
    return msg


def motion_to_transform(motion: BodyMotion) -> TransformStamped:
    """Make the transform odom -> child for TF."""
    msg = TransformStamped(
        header=make_header(motion.stamp_ns, motion.frame), child_frame_id=motion.child_frame
    )
    _set_pose(msg.transform.translation, msg.transform.rotation, motion.odom_T_child)
    return msg


class BoundedPath:
    """The way so far: a pose each 10 cm or 6 degrees; when there are 1000, every other one goes."""

    def __init__(self):
        self._poses: list[PoseStamped] = []
        self._last: np.ndarray | None = None

    def __len__(self):
        return len(self._poses)

    def add(self, motion: BodyMotion) -> bool:
        """Take a pose in; True where it was far enough from the last one."""
        last = self._last  # once: another thread may begin anew
        if last is not None:
            step = inverse(last) @ motion.odom_T_child
            if (
                np.linalg.norm(step[:3, 3]) < _PATH_STEP_M
                and np.linalg.norm(so3_log(step[:3, :3])) < _PATH_STEP_RAD
            ):
                return False
        self._last = motion.odom_T_child
        pose = PoseStamped(header=make_header(motion.stamp_ns, motion.frame))
        _set_pose(pose.pose.position, pose.pose.orientation, motion.odom_T_child)
        self._poses.append(pose)
        if len(self._poses) >= _PATH_POSES:
            self._poses = self._poses[::2]
        return True

    def clear(self) -> None:
        """Begin anew."""
        self._poses = []
        self._last = None

    def message(self, stamp_ns: int, frame: str) -> Path:
        """Make the Path message."""
        return Path(header=make_header(stamp_ns, frame), poses=list(self._poses))


def _set_pose(place, turn, T: np.ndarray) -> None:
    """Write (4, 4) into a message's place (x, y, z) and quaternion."""
    place.x, place.y, place.z = (float(value) for value in T[:3, 3])
    turn.x, turn.y, turn.z, turn.w = (float(value) for value in matrix_to_quat(T[:3, :3]))
