"""Odometry: each frame is compared with the last keyframe, keyframes are adjusted together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from depth_ros.core.axes import carry_pose
from depth_ros.core.errors import InputError
from depth_ros.core.lie import inverse

from .geometric_odometry import GeometricOdometry
from .trajectory import KnownPose
from .types import METHODS, EgoEstimate, EgoFrame, ImuSample


class EgoMotion(GeometricOdometry):
    """Follow a camera: poses, velocities and their covariances, frame by frame.

    The same frames give the same estimates: what OpenCV draws at random begins alike every time.

    Args:
        method: "network" (the steps of a pose network), "geometric" (tracked points and depth) or
            "hybrid" (geometry, with the network's motion as prediction and fallback).
        window: keyframes that are adjusted together, 0 = none.

    Raises:
        InputError: for another method or a negative window.
    """

    def __init__(self, method: str = "hybrid", window: int = 6):
        if method not in METHODS:
            raise InputError(f"egomotion method: expected one of {METHODS}, got {method!r}")
        if window < 0:
            raise InputError(f"egomotion window: expected 0 or more keyframes, got {window}")
        super().__init__(method, window)
        self._last_seen_ns: int | None = None

    def update(self, frame: EgoFrame, imu: Sequence[ImuSample] = ()) -> EgoEstimate:
        """Estimate the motion up to a frame.

        Args:
            frame: the next frame; a stamp that is not later than the last one begins anew.
            imu: readings of an IMU up to the frame's stamp, about the last second of them.

        Returns:
            The estimate. What a picture shows is never an error, but makes the estimate lost, with
            a reason.
        """
        started = time.perf_counter()
        # 1. a recording that loops: begin anew
        if self._last_seen_ns is not None and frame.stamp_ns <= self._last_seen_ns:
            self._chain.restarts += 1
            self.reset()
        # 2. wheels and the network measure on, whether the picture is of use or not
        if self._mono.exists:
            self._mono.scale.travel(frame, self.method == "hybrid")
        # 3. the network's step begins at the frame before: it is of use if that one's pose is known
        if self._last is None or self._last.stamp_ns != self._last_seen_ns:
            frame = replace(frame, network_motion=None)
        self._last_seen_ns = frame.stamp_ns
        self._imu = imu
        # 4. the motion itself
        try:
            estimate = self._network(frame) if self.method == "network" else self._geometric(frame)
        except Exception:
            # half of a step may have been taken: the next frame names the gap
            self._keys.clear()
            self._mono.clear()
            raise
        estimate.timing_ms.update(total=1e3 * (time.perf_counter() - started))
        return estimate

    def reset(self, odom_T_camera: np.ndarray | None = None) -> None:
        """Forget everything.

        Args:
            odom_T_camera: (4, 4) where the next frame stands, metres; None = the origin of odom.
        """
        self._chain.reset(odom_T_camera)
        self._keys.clear()
        self._mono.clear()
        self._inertial.reset()
        self._last = None
        self._velocity = None
        self._since_key = None
        self._had_metres = False
        self._held = self._chain.odom_T_camera[:3, 3].copy()

    def set_pose(self, odom_T_camera: np.ndarray, covariance: np.ndarray | None = None) -> None:
        """Set where the camera is now. Tracking goes on; the gap and the covariance begin anew.

        Args:
            odom_T_camera: (4, 4) metres.
            covariance: (6, 6) m^2 and rad^2, axes of odom; None = exactly known.
        """
        odom_T_camera = np.array(odom_T_camera, np.float64)
        if covariance is None:
            covariance = np.zeros((6, 6))
        # the chain stands at the keyframe, which lies before the last pose
        key_T_last = np.eye(4)
        if self._last is not None:
            key_T_last = inverse(self._chain.odom_T_camera) @ self._last.odom_T_camera
        self._chain.reset(*carry_pose(odom_T_camera, covariance, inverse(key_T_last)))
        self._map_start = self._chain.odom_T_camera[:3, 3].copy()
        if self._last is not None:
            self._last = KnownPose(self._last.stamp_ns, odom_T_camera)
        self._held = odom_T_camera[:3, 3].copy()
