"""Odometry by the steps of a pose network alone, chained."""

from __future__ import annotations

import numpy as np

from depth_ros.core.lie import inverse

from .pose_chain import twist
from .trajectory import KnownPose, Tracked, Trajectory
from .types import INITIALISING, LOST, EgoEstimate, EgoFrame

# Of a network without a sigma of its own, chosen too large: a share of the path and of the
# angle, and at least so many metres and radians.
_SIGMA_SHARE = 0.3
_LEAST_SIGMA = 0.02


class NetworkOdometry(Trajectory):
    """Chains the steps of a pose network: the method network, and what hybrid falls back to."""

    def _scale(self, frame: EgoFrame) -> str:
        """Where metres come from."""
        if frame.scale:
            return frame.scale
        return "none" if frame.network_motion is None else "network"

    def _network(self, frame: EgoFrame) -> EgoEstimate:
        """Chain the network's step of a frame."""
        motion = frame.network_motion
        if motion is None:
            return self._without_network(frame)
        # what was seen since the keyframe was not seen exactly: its error stays in the chain
        if self._since_key is not None:
            self._advance(self._since_key)
            self._since_key = None
        key_T_last = inverse(self._chain.odom_T_camera) @ self._last.odom_T_camera
        covariance = np.diag(np.square(_network_sigma(frame)))
        self._chain.advance(key_T_last @ motion, covariance, self._chain.scale_sigma)
        pose = self._chain.odom_T_camera
        scale = self._scale(frame)
        found = Tracked(pose, self._chain.covariance, covariance, 0, "network", scale)
        return self._tracked(frame, found)

    def _without_network(self, frame: EgoFrame) -> EgoEstimate:
        """The estimate of a frame without a step: the first one, or a gap."""
        if self._last is None:
            self._last = KnownPose(frame.stamp_ns, self._chain.odom_T_camera)
            return self._without_step(frame, INITIALISING, "")
        self._chain.lose()
        self._last = KnownPose(frame.stamp_ns, self._last.odom_T_camera)
        return self._without_step(frame, LOST, "the network gives no motion")


def _network_sigma(frame: EgoFrame) -> np.ndarray:
    """Standard deviations (6,) of the network's motion, metres then radians."""
    if frame.network_sigma is not None:
        return np.asarray(frame.network_sigma, np.float64)
    moved, turned = np.linalg.norm(twist(frame.network_motion, 1.0).reshape(2, 3), axis=1)
    return np.repeat(_LEAST_SIGMA + _SIGMA_SHARE * np.array([moved, turned]), 3)
