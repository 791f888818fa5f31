"""Ego-motion from frame to frame: each is compared with the last keyframe, keyframes with each other."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from ..core.errors import InputError
from ..core.lie import inverse
from ..core.odometry import LOST_VARIANCE, PoseChain, twist
from .frame import INITIALISING, LOST, METHODS, TRACKING, EgoEstimate, EgoFrame, ImuSample
from .guess import guesses
from .imu import rotation_since
from .keyframes import Keyframes, Motion
from .tracking import fault, to_grey

_PATIENCE_NS = 600_000_000  # for so long the last keyframe is waited for
_NETWORK_SHARE, _NETWORK_FLOOR = 0.3, 0.02  # of the way and the angle, where a network does not say how sure it is


class EgoMotion:
    """Follow the camera.

    method: "network" (the pose network's steps), "geometric" (tracked points and depth) or "hybrid" (geometry, with the
    network's motion as prediction and fallback). window: keyframes adjusted together, 0 = none.
    seed: kept for the protocol; nothing here is drawn at random but by OpenCV, which begins alike every time.
    Raises InputError for another method.
    """

    def __init__(self, method: str = "hybrid", window: int = 6, seed: int = 0):
        if method not in METHODS:
            raise InputError(f"egomotion method: expected one of {METHODS}, got {method!r}")
        if window < 0:
            raise InputError(f"egomotion window: expected 0 or more keyframes, got {window}")
        self.method, self.window, self.seed = method, window, seed
        self._chain = PoseChain()
        self._keys = Keyframes(window)
        self._last: tuple[int, np.ndarray] | None = None  # stamp and pose of the last frame whose pose is known
        self._velocity: tuple[np.ndarray, float] | None = None  # the last step and its seconds
        self._last_seen_ns: int | None = None

    def update(self, frame: EgoFrame, imu: Sequence[ImuSample] = ()) -> EgoEstimate:
        """Take a frame in; what a picture shows is never an error, but makes the estimate lost, with a reason."""
        clock = time.perf_counter()
        if self._last_seen_ns is not None and frame.stamp_ns <= self._last_seen_ns:
            self._chain.restarts += 1
            self.reset()
        self._last_seen_ns = frame.stamp_ns
        estimate = self._network(frame) if self.method == "network" else self._geometric(frame, imu)
        estimate.timing_ms.update(total=1e3 * (time.perf_counter() - clock))
        return estimate

    def reset(self, odom_T_camera: np.ndarray | None = None) -> None:
        """Forget everything; the next frame stands at odom_T_camera (4, 4), None = the origin of odom."""
        self._chain.reset(odom_T_camera)
        self._keys.clear()
        self._last = self._velocity = None

    def set_pose(self, odom_T_camera: np.ndarray) -> None:
        """Say where the camera is now: (4, 4). Tracking goes on; covariance and the gap begin anew."""
        since = np.eye(4) if self._last is None else inverse(self._chain.odom_T_camera) @ self._last[1]
        self._chain.reset(np.asarray(odom_T_camera, np.float64) @ inverse(since))
        if self._last is not None:
            self._last = (self._last[0], np.array(odom_T_camera, np.float64))

    def _geometric(self, frame: EgoFrame, imu: Sequence[ImuSample]) -> EgoEstimate:
        """Compare with the last keyframe; where that fails, wait a while, then begin again from here."""
        grey = to_grey(frame.image)
        reason = fault(grey)
        if not reason and not self._keys.fits(frame):
            if not self._keys.exists and self._last is not None and self._network_guess(frame) is not None:
                return self._fallback(frame, grey, "")  # the network went on alone: so it does up to here
            reason = "the camera has changed" if self._keys.exists else ""
            reason = "a step is missing" if not reason and self._last is not None else reason
            self._begin_again(frame, grey, lost=bool(reason))
            return self._without_step(frame, LOST if reason else self._first_state(), reason)
        if not reason:
            since = rotation_since(imu, self._keys.stamp_ns, frame.stamp_ns)
            motion = self._keys.match(frame, grey, guesses(self._prediction(frame), self._network_guess(frame), since))
            if isinstance(motion, Motion):
                return self._moved(frame, motion)
            reason = motion
        if not self._keys.exists:
            return self._without_step(frame, LOST if self._chain.has_gap else INITIALISING, reason)
        if self.method == "hybrid" and frame.network_motion is not None and self._last is not None:
            return self._fallback(frame, grey, reason)
        if frame.stamp_ns - self._keys.stamp_ns > _PATIENCE_NS and not fault(grey):
            self._begin_again(frame, grey, lost=True)
        return self._without_step(frame, LOST, reason)

    def _moved(self, frame: EgoFrame, motion: Motion) -> EgoEstimate:
        """The estimate of a frame that was compared with the keyframe."""
        pose, covariance = self._chain.after(motion.key_T_curr, motion.covariance)
        if motion.is_key:
            self._chain.advance(motion.key_T_curr, motion.covariance, motion.scale_sigma)
            covariance = self._chain.covariance
        return self._known(frame, pose, covariance, motion.covariance, motion.inliers, motion.model)

    def _known(self, frame, pose, covariance, step_covariance, inliers: int, model: str) -> EgoEstimate:
        """The estimate of a frame whose pose is known, chained to the last such frame."""
        if self._last is None:
            return self._without_step(frame, INITIALISING, "")
        prev_ns, prev_pose = self._last
        step, span_s = inverse(prev_pose) @ pose, (frame.stamp_ns - prev_ns) / 1e9
        self._last, self._velocity = (frame.stamp_ns, pose), (step, span_s)
        return EgoEstimate(
            frame.stamp_ns, prev_ns, step, step_covariance, pose, covariance, twist(step, span_s),
            step_covariance / span_s**2, TRACKING, "", self._scale(frame), inliers, self._chain.has_gap,
            self._chain.restarts, model,
        )  # fmt: skip

    def _without_step(self, frame: EgoFrame, state: str, reason: str) -> EgoEstimate:
        """The estimate of a frame whose motion is not known."""
        unknown = LOST_VARIANCE * np.eye(6)
        pose = self._chain.odom_T_camera if self._last is None else self._last[1]
        covariance = unknown if state == LOST else self._chain.covariance
        return EgoEstimate(
            frame.stamp_ns, None, None, unknown, pose, covariance, np.zeros(6), unknown, state, reason,
            self._scale(frame), 0, self._chain.has_gap, self._chain.restarts,
        )  # fmt: skip

    def _begin_again(self, frame: EgoFrame, grey: np.ndarray, lost: bool) -> None:
        """Make this frame a keyframe with nothing before it, at the last known pose."""
        pose = self._chain.odom_T_camera if self._last is None else self._last[1]
        if lost:
            self._chain.lose()
        gap, restarts = self._chain.has_gap, self._chain.restarts
        if lost or gap:
            self._chain.reset(pose)
            self._chain.has_gap, self._chain.restarts = gap, restarts
        self._keys.begin(frame, grey)
        self._last, self._velocity = (frame.stamp_ns, pose), None

    def _first_state(self) -> str:
        """What a frame without a past is called."""
        return LOST if self._chain.has_gap else INITIALISING

    def _prediction(self, frame: EgoFrame):
        """The last pose relative to the keyframe, the last step, its seconds and the seconds since."""
        since_key = np.eye(4) if self._last is None else inverse(self._chain.odom_T_camera) @ self._last[1]
        step, span_s = self._velocity or (np.eye(4), 1.0)
        return since_key, step, 0.0 if self._last is None else (frame.stamp_ns - self._last[0]) / 1e9 / span_s

    def _network_guess(self, frame: EgoFrame) -> np.ndarray | None:
        """The network's motion, where the method asks for it."""
        return frame.network_motion if self.method == "hybrid" else None

    def _fallback(self, frame: EgoFrame, grey: np.ndarray, reason: str) -> EgoEstimate:
        """The network's step where geometry has none; geometry begins again from here."""
        estimate = self._network(frame, reason)
        if not fault(grey):
            self._keys.begin(frame, grey)
        else:
            self._keys.clear()
        return estimate

    def _network(self, frame: EgoFrame, reason: str = "") -> EgoEstimate:
        """Chain the network's step."""
        motion = frame.network_motion
        if motion is None:
            if self._last is None:
                self._last = (frame.stamp_ns, self._chain.odom_T_camera)
                return self._without_step(frame, INITIALISING, "")
            self._chain.lose()
            return self._without_step(frame, LOST, "the network gives no motion")
        since = np.eye(4) if self._last is None else inverse(self._chain.odom_T_camera) @ self._last[1]
        if self._last is None:
            self._last = (frame.stamp_ns - 1, self._chain.odom_T_camera)
        covariance = np.diag(np.square(_network_sigma(frame)))
        self._chain.advance(since @ motion, covariance)
        estimate = self._known(frame, self._chain.odom_T_camera, self._chain.covariance, covariance, 0, "network")
        return estimate

    def _scale(self, frame: EgoFrame) -> str:
        """Where metres come from."""
        if frame.scale:
            return frame.scale
        if self.method == "network":
            return "network" if frame.network_motion is not None else "none"
        return "stereo baseline" if frame.is_stereo else "depth" if frame.depth is not None else "none"


def _network_sigma(frame: EgoFrame) -> np.ndarray:
    """Standard deviations (6,) of the network's motion: its own, or a share of the motion chosen too large."""
    if frame.network_sigma is not None:
        return np.asarray(frame.network_sigma, np.float64)
    size = np.linalg.norm(twist(frame.network_motion, 1.0).reshape(2, 3), axis=1)
    return np.repeat(_NETWORK_FLOOR + _NETWORK_SHARE * size, 3)
