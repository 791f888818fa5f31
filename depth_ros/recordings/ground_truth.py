"""True poses out of a bag: /ground_truth/odometry says where the left optical frame is in some
world.
"""

from __future__ import annotations

import bisect

import numpy as np

from depth_ros.core.camera import Calibration
from depth_ros.core.lie import inverse, quat_to_matrix, se3_exp, se3_log

from .decode import stamp_to_ns

TRUTH_ODOMETRY = "ground_truth/odometry"
ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
_LONGEST_GAP_NS = (
    200_000_000  # between measured poses; over a longer one a straight line is a guess
)


def truth_topic(kinds: dict[str, str]) -> str | None:
    """Find the topic of true poses among {topic: type}, in any namespace; None where there is
    none.
    """
    fitting = (topic for topic in sorted(kinds) if f"/{topic}".endswith(f"/{TRUTH_ODOMETRY}"))
    return next((topic for topic in fitting if kinds[topic] == ODOMETRY_TYPE), None)


class TruthPoses:
    """True poses by stamp; between two measured ones, at most 0.2 s apart, along the screw that
    joins them.

    Poses without a usable rotation, or that are not finite, are left out.
    """

    def __init__(self, messages):
        """messages: (topic, message) of nav_msgs/Odometry, in any order."""
        found = {}
        for _, message in messages:
            if (pose := _pose_to_matrix(message.pose.pose)) is not None:
                found[stamp_to_ns(message.header.stamp)] = pose
        self._stamps = sorted(found)
        self._poses = [found[stamp] for stamp in self._stamps]

    def __len__(self) -> int:
        return len(self._stamps)

    def at(self, stamp_ns: int, raw: Calibration | None = None) -> np.ndarray | None:
        """Give world_T_camera (4, 4) at a time, or None.

        raw: of the left camera where its images are not rectified yet; the pose is then that of the
        rectified camera, which CameraInfo's R turns against the raw one.
        """
        pose = self._between(stamp_ns)
        if pose is None or raw is None:
            return pose
        raw_T_rectified = np.eye(4)
        raw_T_rectified[:3, :3] = np.reshape(raw.R, (3, 3)).T
        return pose @ raw_T_rectified

    def _between(self, stamp_ns: int) -> np.ndarray | None:
        k = bisect.bisect_left(self._stamps, stamp_ns)
        if k < len(self._stamps) and self._stamps[k] == stamp_ns:
            return self._poses[k]
        if not 0 < k < len(self._stamps) or self._stamps[k] - self._stamps[k - 1] > _LONGEST_GAP_NS:
            return None
        share = (stamp_ns - self._stamps[k - 1]) / (self._stamps[k] - self._stamps[k - 1])
        before, after = self._poses[k - 1], self._poses[k]
        return before @ se3_exp(share * se3_log(inverse(before) @ after))


def _pose_to_matrix(pose) -> np.ndarray | None:
    """(4, 4) of a geometry_msgs/Pose; None where it is no pose."""
    p, q = pose.position, pose.orientation
    numbers = np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w], np.float64)
    if not np.isfinite(numbers).all() or np.linalg.norm(numbers[3:]) < 0.5:
        return None
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = quat_to_matrix(numbers[3:]), numbers[:3]
    return T
