"""The chained motion as nav_msgs/Odometry."""

from __future__ import annotations

import numpy as np
from nav_msgs.msg import Odometry

from ..core.frame import Estimate
from ..core.frames import body_R_optical, optical_pose_to_body
from ..core.lie import matrix_to_quat
from ..core.odometry import LOST_VARIANCE, twist
from .messages import make_header

_TWIST_SHARE, _TWIST_FLOOR = 0.5, 0.05  # as wrong as the pose: half of it, and no less than 5 cm/s or 0.05 rad/s


def odometry_to_message(estimate: Estimate, frame: str, child_frame: str) -> Odometry:
    """Make the message of an estimate whose odometry is known.

    frame: of odom. child_frame: "" = the optical frame of the images; a name = a frame at the camera's place that has
    body axes. Twist: in the child frame, over the last step; unknown (LOST_VARIANCE) without one.
    The covariances are bounds, not calibrated: see core.odometry.Odometry.
    """
    msg = Odometry(header=make_header(estimate.stamp_ns, frame), child_frame_id=child_frame or estimate.frame_id)
    odom_T_child = optical_pose_to_body(estimate.odom_T_camera) if child_frame else estimate.odom_T_camera
    place, turn = msg.pose.pose.position, msg.pose.pose.orientation
    place.x, place.y, place.z = (float(value) for value in odom_T_child[:3, 3])
    turn.x, turn.y, turn.z, turn.w = (float(value) for value in matrix_to_quat(odom_T_child[:3, :3]))
    msg.pose.covariance = estimate.covariance.reshape(-1)
    velocity, covariance = _velocity(estimate, child_frame)
    linear, angular = msg.twist.twist.linear, msg.twist.twist.angular
    linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = (float(value) for value in velocity)
    msg.twist.covariance = covariance.reshape(-1)
    return msg


def odometry_values(estimator) -> dict[str, str]:
    """What /diagnostics says about the odometry of a mono estimator; nothing in stereo."""
    motion = getattr(estimator, "motion", None)
    if motion is None:
        return {}
    if motion.engine is None:
        return {"odom": "no pose model"}
    state = "lost: a step is missing" if estimator.odometry.is_lost else "tracking"
    text = {"odom": state, "odom_covariance": "a bound, not calibrated", "odom_restarts": estimator.odometry.restarts}
    return {**text, "pose_model_hash": motion.engine.model_hash}


def _velocity(estimate: Estimate, child_frame: str) -> tuple[np.ndarray, np.ndarray]:
    """The twist (6,) in the child frame and its (6, 6) covariance."""
    if estimate.prev_T_curr is None:
        return np.zeros(6), LOST_VARIANCE * np.eye(6)
    velocity = twist(estimate.prev_T_curr, (estimate.stamp_ns - estimate.prev_stamp_ns) / 1e9).reshape(2, 3)
    sigma = _TWIST_FLOOR + _TWIST_SHARE * np.linalg.norm(velocity, axis=1)
    if child_frame:
        velocity = velocity @ body_R_optical.T
    return velocity.reshape(-1), np.diag(np.repeat(np.square(sigma), 3))
