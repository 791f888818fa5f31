"""Ego-motion from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.errors import InputError
from .frame import METHODS, EgoEstimate, EgoFrame, ImuSample


class EgoMotion:
    """Follow the camera.

    method: "network" (the pose network's steps), "geometric" (tracked points and depth) or "hybrid" (geometry, with the
    network's motion as prediction and fallback). window: keyframes of the sliding window, 0 = none.
    seed: of every random draw. Raises InputError for another method.
    """

    def __init__(self, method: str = "hybrid", window: int = 8, seed: int = 0):
        if method not in METHODS:
            raise InputError(f"egomotion method: expected one of {METHODS}, got {method!r}")
        self.method, self.window, self.seed = method, window, seed

    def update(self, frame: EgoFrame, imu: Sequence[ImuSample] = ()) -> EgoEstimate:
        """Take a frame in; what a picture shows is never an error, but makes the estimate lost, with a reason."""
        raise NotImplementedError

    def reset(self, odom_T_camera: np.ndarray | None = None) -> None:
        """Forget everything; the next frame stands at odom_T_camera (4, 4), None = the origin of odom."""

    def set_pose(self, odom_T_camera: np.ndarray) -> None:
        """Say where the camera is now: (4, 4). Tracking goes on; covariance and the gap begin anew."""
