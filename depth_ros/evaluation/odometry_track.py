"""The way that a node published while it was replayed: its odometry messages as a Track. No ROS."""

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
        known = bool(track.stamps_ns) and covariance[3, 3] < LOST_VARIANCE
        span_s = (stamp_ns - track.stamps_ns[-1]) / 1e9 if track.stamps_ns else 0.0
        known = known and span_s > 0
        track.states.append(
            "tracking" if known else "lost" if "tracking" in track.states else "initialising"
        )
        track.steps.append(se3_exp(_twist(message) * span_s) if known else None)
        track.step_covariance.append(covariance * span_s**2 if known else LOST_VARIANCE * np.eye(6))
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
    pairs = [
        (pose, there[t])
        for t, pose in zip(track.stamps_ns, track.odom_T_camera, strict=True)
        if t in there
    ]
    if len(pairs) < 2:
        return None
    first, first_there = (inverse(pose) for pose in pairs[0])
    gaps = [
        np.linalg.norm((first @ here)[:3, 3] - (first_there @ away)[:3, 3]) for here, away in pairs
    ]
    return float(np.sqrt(np.mean(np.square(gaps)))), len(pairs)


def _twist(message) -> np.ndarray:
    """(6,) of an Odometry's twist: m/s, rad/s."""
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    return np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])
