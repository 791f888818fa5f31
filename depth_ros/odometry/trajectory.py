"""The trajectory so far: poses and steps chained, what is predicted from them, and the estimates
that come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.core.lie import inverse

from .covariance import adjoint
from .error_sources import Influence
from .inertial_filter import Inertial
from .motion_prediction import Prediction
from .pose_chain import LOST_VARIANCE, PoseChain, twist
from .types import INITIALISING, LOST, TRACKING, EgoEstimate, EgoFrame, unscaled


@dataclass(frozen=True, eq=False)
class KnownPose:
    """The last frame whose pose is known: odom_T_camera (4, 4)."""

    stamp_ns: int
    odom_T_camera: np.ndarray


@dataclass(frozen=True, eq=False)
class Velocity:
    """The last step prev_T_curr (4, 4), and the seconds that it took."""

    step: np.ndarray
    span_s: float


@dataclass(frozen=True, eq=False)
class KeyMotion:
    """A motion since the last keyframe that did not end in a new one, so that it is not chained.

    key_T_curr (4, 4); covariance (6, 6) of its right perturbation, influence besides, as
    PoseChain.advance takes them; scale_sigma, relative.
    """

    key_T_curr: np.ndarray
    covariance: np.ndarray
    scale_sigma: float
    influence: Influence | None = None


@dataclass(frozen=True, eq=False)
class Tracked:
    """What is known of a tracked frame.

    odom_T_camera (4, 4), covariance (6, 6) of it as in EgoEstimate; step_covariance (6, 6) of the
    step since the last known pose; inliers, model and scale as in EgoEstimate.
    """

    odom_T_camera: np.ndarray
    covariance: np.ndarray
    step_covariance: np.ndarray
    inliers: int
    model: str
    scale: str


class Trajectory:
    """Where the camera was, and when.

    _chain: the pose of the last keyframe. _last: the last known pose. _since_key: the motion from
    the last keyframe to it, None where it is the keyframe. _map_start (3,): where the map of one
    camera without depth began, in odom. _held: (3,) the last metric position. _inertial, _imu: what
    an IMU adds, and its readings up to now. A subclass knows where metres come from (_scale).
    """

    def __init__(self):
        self._chain = PoseChain()
        self._last: KnownPose | None = None
        self._velocity: Velocity | None = None
        self._since_key: KeyMotion | None = None
        self._map_start = np.zeros(3)
        self._held: np.ndarray | None = None
        self._inertial = Inertial()
        self._imu = ()

    def _scale(self, frame: EgoFrame) -> str:
        """Where metres come from, "none" where they are not known."""
        raise NotImplementedError

    def _tracked(self, frame: EgoFrame, found: Tracked) -> EgoEstimate:
        """The estimate of a frame whose pose is known, with its step from the last such frame."""
        if self._last is None:
            return self._without_step(frame, INITIALISING, "")
        prev_ns = self._last.stamp_ns
        pose = found.odom_T_camera
        step = inverse(self._last.odom_T_camera) @ pose
        span_s = (frame.stamp_ns - prev_ns) / 1e9
        self._last = KnownPose(frame.stamp_ns, pose)
        self._velocity = Velocity(step, span_s)

        # an IMU learns from metric steps that were seen
        is_metric = found.scale != "none"
        if not is_metric or found.model == "network":
            self._inertial.reset()
        elif found.model != "imu":
            self._inertial.see(frame.stamp_ns, step, found.step_covariance, self._imu)

        covariance = found.covariance
        step_covariance = found.step_covariance
        if is_metric:
            self._held = pose[:3, 3].copy()
        else:
            covariance = unscaled(covariance)
            step_covariance = unscaled(step_covariance)
        return EgoEstimate(
            frame.stamp_ns,
            prev_ns,
            step,
            step_covariance,
            pose,
            covariance,
            twist(step, span_s),
            _velocity_covariance(step_covariance, span_s),
            TRACKING,
            "",
            found.scale,
            found.inliers,
            self._chain.has_gap,
            self._chain.restarts,
            found.model,
            held_position=self._held,
        )

    def _without_step(self, frame: EgoFrame, state: str, reason: str) -> EgoEstimate:
        """The estimate of a frame whose motion is not known."""
        unknown = LOST_VARIANCE * np.eye(6)
        covariance = unknown if state == LOST else self._chain.covariance
        return EgoEstimate(
            frame.stamp_ns,
            None,
            None,
            unknown,
            self._last_pose(),
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

    def _last_pose(self) -> np.ndarray:
        """The last known odom_T_camera (4, 4); the keyframe's where there is none."""
        if self._last is None:
            return self._chain.odom_T_camera
        return self._last.odom_T_camera

    def _prediction(self, frame: EgoFrame) -> Prediction:
        """The last pose relative to the keyframe, and what goes on from there."""
        if self._last is None:
            return Prediction(np.eye(4), np.eye(4), 0.0)
        key_T_last = inverse(self._chain.odom_T_camera) @ self._last.odom_T_camera
        since_s = (frame.stamp_ns - self._last.stamp_ns) / 1e9
        if self._velocity is None:
            return Prediction(key_T_last, np.eye(4), since_s)
        return Prediction(key_T_last, self._velocity.step, since_s / self._velocity.span_s)

    def _key_T_seen(self, frame: EgoFrame) -> np.ndarray:
        """The pose relative to the keyframe when something was last seen."""
        return self._prediction(frame).key_T_last @ inverse(self._inertial.seen_T_last)

    def _known_since_key(self, seen_T_curr: np.ndarray) -> np.ndarray:
        """The covariance (6, 6) of the motion from the keyframe to what was last seen, carried to
        the end of seen_T_curr.
        """
        if self._since_key is None:
            return np.zeros((6, 6))
        covariance = self._since_key.covariance
        if self._since_key.influence is not None:
            covariance = covariance + self._since_key.influence.covariance
        back = adjoint(inverse(seen_T_curr))
        return back @ covariance @ back.T

    def _chain_motion(self, motion: KeyMotion, is_key: bool) -> tuple[np.ndarray, np.ndarray]:
        """Chain the motion since the keyframe where it ends in a new one, else keep it for later;
        pose (4, 4) and covariance (6, 6) at its end.
        """
        if is_key:
            self._since_key = None
            self._advance(motion)
            return self._chain.odom_T_camera.copy(), self._chain.covariance
        self._since_key = motion
        return self._chain.after(motion.key_T_curr, motion.covariance, motion.influence)

    def _advance(self, motion: KeyMotion) -> None:
        """Let the chain take a motion."""
        self._chain.advance(
            motion.key_T_curr, motion.covariance, motion.scale_sigma, motion.influence
        )

    def _rescale(self, factor: float, sigma: float) -> None:
        """Rescale the trajectory since the map began: the map has become metric.

        factor: metres in one old unit; sigma: its relative standard deviation.
        """
        chain = self._chain
        key_pose = self._rescaled(chain.odom_T_camera, factor)
        # covariance: S C S^T, and the error of the factor along the path made
        S = np.diag([factor] * 3 + [1.0] * 3)
        covariance = S @ chain.covariance @ S
        path = key_pose[:3, 3] - self._map_start
        covariance[:3, :3] += sigma**2 * np.outer(path, path)
        has_gap = chain.has_gap
        chain.reset(key_pose, covariance)
        chain.has_gap = has_gap
        if self._last is not None:
            pose = self._rescaled(self._last.odom_T_camera, factor)
            self._last = KnownPose(self._last.stamp_ns, pose)
        if self._velocity is not None:
            step = self._velocity.step.copy()
            step[:3, 3] *= factor
            self._velocity = Velocity(step, self._velocity.span_s)

    def _rescaled(self, odom_T_camera: np.ndarray, factor: float) -> np.ndarray:
        """A pose (4, 4) moved away from the start of the map."""
        pose = odom_T_camera.copy()
        pose[:3, 3] = self._map_start + factor * (pose[:3, 3] - self._map_start)
        return pose


def _velocity_covariance(step_covariance: np.ndarray, span_s: float) -> np.ndarray:
    """The covariance of a step divided by its time; what is unknown stays so however long it
    took.
    """
    is_unknown = np.abs(step_covariance) >= LOST_VARIANCE
    return np.where(is_unknown, step_covariance, step_covariance / span_s**2)
