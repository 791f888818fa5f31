"""The trajectory that a node published while it was replayed, as a Track. No ROS."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from depth_ros.core.lie import inverse, se3_exp
from depth_ros.odometry.pose_chain import LOST_VARIANCE
from depth_ros.recordings.decode import pose_message_to_matrix

from .trajectory import Track


def odometry_to_track(
    messages: Iterable[tuple[int, object]], truth: dict[int, np.ndarray], values: dict
) -> Track:
    """Make the track of (stamp_ns, nav_msgs/Odometry) in order of stamps.

    stamp_ns, and the keys of truth, world_T_camera (4, 4): of the recording. values: the node's
    diagnostics. The child frame must be the camera's, which it is for a node without extrinsics.
    Steps are the messages' twists, times the seconds since the message before; one with a turn that
    is not known is "lost" ("initialising" at first).
    """
    track = Track(
        str(values.get("egomotion_method", "")), str(values.get("odom_scale_source", "none"))
    )
    for stamp_ns, message in messages:
        covariance = np.reshape(message.twist.covariance, (6, 6))
        span_s = 0.0
        if track.stamps_ns:
            span_s = (stamp_ns - track.stamps_ns[-1]) / 1e9
        if span_s > 0 and covariance[3, 3] < LOST_VARIANCE:
            track.states.append("tracking")
            track.steps.append(se3_exp(_twist(message) * span_s))
            track.step_covariance.append(covariance * span_s**2)
        else:
            track.states.append("lost" if "tracking" in track.states else "initialising")
            track.steps.append(None)
            track.step_covariance.append(LOST_VARIANCE * np.eye(6))
        track.stamps_ns.append(stamp_ns)
        track.odom_T_camera.append(pose_message_to_matrix(message.pose.pose))
        track.truth.append(truth.get(stamp_ns))
    return track


def off_between(track: Track, other: Track) -> tuple[float, int] | None:
    """Measure how far two tracks of one camera lie apart: (rmse of positions in metres, poses
    compared).

    Both are laid on each other at the first stamp that they share. None where they share fewer than
    two.
    """
    there = dict(zip(other.stamps_ns, other.odom_T_camera, strict=True))
    pairs = []
    for stamp_ns, pose in zip(track.stamps_ns, track.odom_T_camera, strict=True):
        if stamp_ns in there:
            pairs.append((pose, there[stamp_ns]))
    if len(pairs) < 2:
        return None
    # both begin at the first shared pose: first_T_k = inverse(odom_T_first) @ odom_T_k
    first_pose, first_other = pairs[0]
    first_T_odom = inverse(first_pose)
    first_T_other = inverse(first_other)
    gaps_m = []
    for pose, other_pose in pairs:
        here = (first_T_odom @ pose)[:3, 3]
        away = (first_T_other @ other_pose)[:3, 3]
        gaps_m.append(np.linalg.norm(here - away))
    return float(np.sqrt(np.mean(np.square(gaps_m)))), len(pairs)


def _twist(message) -> np.ndarray:
    """(6,) of an Odometry's twist: m/s, rad/s."""
    linear = message.twist.twist.linear
    angular = message.twist.twist.angular
    return np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])
