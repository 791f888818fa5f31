"""Odometry over the estimates of a recording, beside depth and with its results."""

from __future__ import annotations

import time

import numpy as np

from depth_ros.core.types import Estimate
from depth_ros.odometry import EgoMotion, EstimateConverter, OdometryInputs

from .trajectory import Track


class Follower:
    """Feed odometry estimate by estimate, as the node does, and keep its trajectory beside the true
    one.

    Args:
        method: of EgoMotion.
        inputs: what odometry is fed besides the estimates; None: nothing.
        ego: what is fed instead of EgoMotion: anything with its update, called by the name of
            method.

    Attributes:
        track: what it has found.

    Raises:
        InputError: for another method.
    """

    def __init__(self, method: str = "hybrid", inputs: OdometryInputs | None = None, ego=None):
        self._ego = EgoMotion(method) if ego is None else ego
        self._converter = EstimateConverter(inputs)
        self.track = Track(method)

    def update(
        self,
        estimate: Estimate,
        world_T_camera: np.ndarray | None = None,
        recorded_depth: np.ndarray | None = None,
    ) -> None:
        """Take in one estimate.

        Args:
            estimate: of the next frame.
            world_T_camera: (4, 4) its true pose, None where that is not known.
            recorded_depth: (H, W) metres of a depth camera, which stands in for the pair and for
                the estimate; None where there is none.
        """
        started = time.process_time()
        self._converter.remember(estimate)
        found = self._ego.update(*self._converter.convert(estimate, recorded_depth))
        spent_ms = 1e3 * (time.process_time() - started)
        track = self.track
        track.stamps_ns.append(estimate.stamp_ns)
        track.odom_T_camera.append(found.odom_T_camera)
        track.truth.append(world_T_camera)
        track.steps.append(found.prev_T_curr)
        track.step_covariance.append(found.step_covariance)
        track.states.append(found.state)
        track.geometry_ms.append(spent_ms)
        if found.scale != "none":
            track.scale = found.scale
