"""The way so far: poses and steps chained, what is predicted from them, and the estimates that
come out.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.lie import inverse

from .inertial_filter import Inertial
from .pose_chain import LOST_VARIANCE, PoseChain, twist
from .types import INITIALISING, LOST, TRACKING, EgoEstimate, EgoFrame, unscaled


class Way:
    """Where the camera was, and when.

    _chain: the pose of the last keyframe. _last: stamp and pose of the last frame whose pose is
    known. _velocity: the last step and its seconds. _map_start: where the map of one camera without
    depth began, in odom. _inertial, _imu: what an IMU adds, and its readings up to now.
    _scale(frame) names where metres come from.
    """

    def __init__(self):
        self._chain = PoseChain()
        self._last: tuple[int, np.ndarray] | None = None
        self._velocity: tuple[np.ndarray, float] | None = None
        self._map_start = np.zeros(3)
        self._since_key: tuple | None = (
            None  # the last arguments of advance that were not advanced: no keyframe
        )
        self._held: np.ndarray | None = None  # the last position that was metric
        self._inertial, self._imu = Inertial(), ()

    def _scale(self, frame: EgoFrame) -> str:
        """Where metres come from."""
        raise NotImplementedError

    def _known(
        self, frame, pose, covariance, step_covariance, inliers: int, model: str, scale=""
    ) -> EgoEstimate:
        """The estimate of a frame whose pose is known, chained to the last such frame."""
        if self._last is None:
            return self._without_step(frame, INITIALISING, "")
        prev_ns, prev_pose = self._last
        step, span_s = inverse(prev_pose) @ pose, (frame.stamp_ns - prev_ns) / 1e9
        self._last, self._velocity = (frame.stamp_ns, pose), (step, span_s)
        scale = scale or self._scale(frame)
        if scale == "none" or model == "network":
            self._inertial.reset()
        elif model != "imu":
            self._inertial.see(frame.stamp_ns, step, step_covariance, self._imu)
        if scale != "none":
            self._held = pose[:3, 3].copy()
        else:
            step_covariance, covariance = unscaled(step_covariance), unscaled(covariance)
        return EgoEstimate(
            frame.stamp_ns,
            prev_ns,
            step,
            step_covariance,
            pose,
            covariance,
            twist(step, span_s),
            _rates(step_covariance, span_s),
            TRACKING,
            "",
            scale,
            inliers,
            self._chain.has_gap,
            self._chain.restarts,
            model,
            held_position=self._held,
        )

    def _without_step(self, frame: EgoFrame, state: str, reason: str) -> EgoEstimate:
        """The estimate of a frame whose motion is not known."""
        unknown = LOST_VARIANCE * np.eye(6)
        pose = self._chain.odom_T_camera if self._last is None else self._last[1]
        covariance = unknown if state == LOST else self._chain.covariance
        return EgoEstimate(
            frame.stamp_ns,
            None,
            None,
            unknown,
            pose,
            covariance,
            np.zeros(6),
            unknown,
            state,
            reason,
            self._scale(frame),
            0,
            self._chain.has_gap,
            self._chain.restarts,
            held_position=self._held,
        )

    def _prediction(self, frame: EgoFrame):
        """The last pose relative to the keyframe, the last step, its seconds and the seconds
        since.
        """
        since_key = (
            np.eye(4) if self._last is None else inverse(self._chain.odom_T_camera) @ self._last[1]
        )
        step, span_s = self._velocity or (np.eye(4), 1.0)
        return (
            since_key,
            step,
            0.0 if self._last is None else (frame.stamp_ns - self._last[0]) / 1e9 / span_s,
        )

    def _key_T_seen(self, frame: EgoFrame) -> np.ndarray:
        """The pose relative to the keyframe when something was last seen."""
        return self._prediction(frame)[0] @ inverse(self._inertial.seen_T_last)

    def _rescale(self, factor: float, sigma: float) -> None:
        """The map has become metric: so does the way since it began. sigma: relative, of the
        factor.
        """
        S, chain = np.diag([factor] * 3 + [1.0] * 3), self._chain
        poses = [chain.odom_T_camera.copy(), None if self._last is None else self._last[1].copy()]
        for pose in poses:
            if pose is not None:
                pose[:3, 3] = self._map_start + factor * (pose[:3, 3] - self._map_start)
        covariance, way = S @ chain.covariance @ S, poses[0][:3, 3] - self._map_start
        covariance[:3, :3] += sigma**2 * np.outer(way, way)
        gap = chain.has_gap
        chain.reset(poses[0], covariance)
        chain.has_gap = gap
        if self._last is not None:
            self._last = (self._last[0], poses[1])
        if self._velocity is not None:
            step = self._velocity[0].copy()
            step[:3, 3] *= factor
            self._velocity = (step, self._velocity[1])


def _rates(step_covariance: np.ndarray, span_s: float) -> np.ndarray:
    """The covariance of the velocity; what is not known does not become less known by a short
    time.
    """
    return np.where(
        np.abs(step_covariance) >= LOST_VARIANCE, step_covariance, step_covariance / span_s**2
    )
