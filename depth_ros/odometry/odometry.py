"""Ego-motion from frame to frame: each is compared with the last keyframe, keyframes with each
other.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from depth_ros.core.axes import carry_pose
from depth_ros.core.errors import InputError
from depth_ros.core.lie import inverse

from .covariance import adjoint
from .keyframes import Keyframes, Motion
from .monocular import Monocular
from .motion_prediction import guesses
from .pose_chain import twist
from .preintegration import rotation_since
from .tracking import fault, to_grey
from .trajectory import Way
from .types import (
    INITIALISING,
    LOST,
    METHODS,
    EgoEstimate,
    EgoFrame,
    ImuSample,
    turns_only,
    unscaled,
)

_LEAST_POINTS = 12  # below, a picture is no keyframe
_PATIENCE_NS = 600_000_000  # for so long the last keyframe is waited for
_BRIDGE_SIGMA = (0.1, 0.03)  # metres, radians: beyond, an IMU alone is no odometry
_NETWORK_SHARE, _NETWORK_FLOOR = (
    0.3,
    0.02,
)  # of the way and the angle, where a network does not say how sure it is


class EgoMotion(Way):
    """Follow the camera.

    method: "network" (the pose network's steps), "geometric" (tracked points and depth) or "hybrid"
    (geometry, with the network's motion as prediction and fallback). window: keyframes adjusted
    together, 0 = none. The same frames give the same answers: what OpenCV draws at random begins
    alike every time. Raises InputError for another method.
    """

    def __init__(self, method: str = "hybrid", window: int = 6):
        if method not in METHODS:
            raise InputError(f"egomotion method: expected one of {METHODS}, got {method!r}")
        if window < 0:
            raise InputError(f"egomotion window: expected 0 or more keyframes, got {window}")
        self.method, self.window = method, window
        super().__init__()
        self._keys = Keyframes(window)
        self._mono = Monocular()
        self._had_metres = False
        self._metres_from = "none"  # the scale of the keyframe
        self._last_seen_ns: int | None = None

    def update(self, frame: EgoFrame, imu: Sequence[ImuSample] = ()) -> EgoEstimate:
        """Take a frame in; what a picture shows is never an error, but makes the estimate lost,
        with a reason.
        """
        clock = time.perf_counter()
        if self._last_seen_ns is not None and frame.stamp_ns <= self._last_seen_ns:
            self._chain.restarts += 1
            self.reset()
        if self._mono.exists:
            self._mono.scale.travel(frame, self.method == "hybrid")
        if self._last is None or self._last[0] != self._last_seen_ns:
            frame = replace(
                frame, network_motion=None
            )  # it begins at a frame whose pose is not known
        self._last_seen_ns, self._imu = frame.stamp_ns, imu
        try:
            estimate = self._network(frame) if self.method == "network" else self._geometric(frame)
        except Exception:
            self._keys.clear()  # half of a step may have been taken: the next frame names the gap
            self._mono.clear()
            raise
        estimate.timing_ms.update(total=1e3 * (time.perf_counter() - clock))
        return estimate

    def reset(self, odom_T_camera: np.ndarray | None = None) -> None:
        """Forget everything; the next frame stands at odom_T_camera (4, 4), None = the origin of
        odom.
        """
        self._chain.reset(odom_T_camera)
        self._keys.clear()
        self._mono.clear()
        self._inertial.reset()
        self._last, self._velocity, self._since_key, self._had_metres = None, None, None, False
        self._held = self._chain.odom_T_camera[:3, 3].copy()

    def set_pose(self, odom_T_camera: np.ndarray, covariance: np.ndarray | None = None) -> None:
        """Say where the camera is now: (4, 4), with the covariance (6, 6), axes of odom, None =
        exactly.

        Tracking goes on; the gap and the covariance begin anew.
        """
        since = (
            np.eye(4) if self._last is None else inverse(self._chain.odom_T_camera) @ self._last[1]
        )
        exact = np.zeros((6, 6))
        self._chain.reset(
            *carry_pose(odom_T_camera, exact if covariance is None else covariance, inverse(since))
        )
        self._map_start = self._chain.odom_T_camera[:3, 3].copy()
        if self._last is not None:
            self._last = (self._last[0], np.array(odom_T_camera, np.float64))
        self._held = np.array(odom_T_camera, np.float64)[:3, 3]

    def _geometric(self, frame: EgoFrame) -> EgoEstimate:
        """Compare with the last keyframe; where that fails, wait a while, then begin again from
        here.
        """
        grey = to_grey(frame.image)
        reason = fault(grey)
        if not reason and (
            self._mono.fits(frame) or not (frame.is_metric or self._keys.fits(frame))
        ):
            return self._without_depth(frame, grey)
        if not reason and not self._keys.fits(frame):
            if not self._keys.exists and self._network_guess(frame) is not None:
                return self._fallback(
                    frame, grey, ""
                )  # the network went on alone: so it does up to here
            reason = "the camera has changed" if self._keys.exists else ""
            reason = "a step is missing" if not reason and self._last is not None else reason
            self._begin_again(frame, grey, lost=bool(reason))
            return self._without_step(frame, LOST if reason else self._first_state(), reason)
        if not reason:
            motion = self._keys.match(
                frame, grey, self._guesses(frame, self._keys), self._prior(frame)
            )
            if isinstance(motion, Motion):
                return self._moved(frame, motion)
            reason = motion
        return self._failed(frame, grey, reason)

    def _failed(self, frame: EgoFrame, grey: np.ndarray, reason: str) -> EgoEstimate:
        """A frame that cannot be compared: the network's step, or none; after a while geometry
        begins again.
        """
        keys = self._mono if self._mono.exists else self._keys
        bridged = self._bridged(frame, grey, keys) if keys.exists else None
        if bridged is not None:
            return bridged
        if self._network_guess(frame) is not None:
            return self._fallback(frame, grey, reason)
        if (
            not keys.exists
        ):  # no picture yet that could be one; or the network led here alone, and now says nothing
            has_past = self._chain.has_gap or self._last is not None
            return self._without_step(frame, LOST if has_past else INITIALISING, reason)
        if not fault(grey) and self._is_late(frame):
            self._begin_again(frame, grey, lost=True)
        return self._without_step(frame, LOST, reason)

    def _bridged(self, frame: EgoFrame, grey: np.ndarray, keys) -> EgoEstimate | None:
        """Go on by the IMU alone while that is known well enough; None where it is not."""
        predicted = self._inertial.predict(frame.stamp_ns, self._imu)
        if predicted is None or self._last is None:
            return None
        sigma = np.sqrt([np.trace(predicted[1][:3, :3]), np.trace(predicted[1][3:, 3:])])
        if (sigma > _BRIDGE_SIGMA).any():
            return None
        motion = (
            self._key_T_seen(frame) @ predicted[0],
            predicted[1] + self._known_since_key(predicted[0]),
        )
        pose, covariance = self._chain.after(*motion)
        metres_from = self._scale(frame)
        is_late = frame.stamp_ns - self._inertial.stamp_ns > _PATIENCE_NS and not fault(grey)
        if is_late:  # something is seen again, but not what was seen before
            self._chain.advance(*motion, self._chain.scale_sigma)
            self._begin_keys(frame, grey)
        estimate = self._known(frame, pose, covariance, predicted[1], 0, "imu", metres_from)
        self._inertial.seen_T_last = predicted[0]
        if is_late:
            self._inertial.coast(frame.stamp_ns, self._imu)
        return estimate

    def _known_since_key(self, seen_T_curr: np.ndarray) -> np.ndarray:
        """The covariance (6, 6) that the way from the keyframe to what was last seen has at the
        end of seen_T_curr.
        """
        if self._since_key is None:
            return np.zeros((6, 6))
        covariance = self._since_key[1] + (
            self._since_key[3].covariance if len(self._since_key) > 3 else 0.0
        )
        back = adjoint(inverse(seen_T_curr))
        return back @ covariance @ back.T

    def _guesses(self, frame: EgoFrame, keys) -> list[np.ndarray]:
        """Where the camera may be relative to the keyframe."""
        predicted = self._inertial.predict(frame.stamp_ns, self._imu)
        inertial = None if predicted is None else self._key_T_seen(frame) @ predicted[0]
        since = rotation_since(self._imu, keys.stamp_ns, frame.stamp_ns, self._inertial.gyro_bias)
        is_metric = keys is self._keys or keys.is_metric
        return guesses(
            self._prediction(frame),
            self._network_guess(frame) if is_metric else None,
            since,
            inertial,
        )

    def _prior(self, frame: EgoFrame):
        """What the IMU says of the motion since the keyframe, and how sure that is; None without
        one.
        """
        return self._inertial.prior(
            frame.stamp_ns, self._keys.stamp_ns, self._key_T_seen(frame), self._imu
        )

    def _without_depth(self, frame: EgoFrame, grey: np.ndarray) -> EgoEstimate:
        """Follow one camera by a map of its own; the first frame with metric depth ends that."""
        mono = self._mono
        if not mono.fits(frame):
            reason = (
                "the camera has changed"
                if mono.exists
                else "a step is missing"
                if self._last
                else ""
            )
            self._begin_again(frame, grey, lost=bool(reason))
            return self._without_step(frame, LOST if reason else self._first_state(), reason)
        tried = self._guesses(frame, mono)
        motion = mono.match(frame, grey, tried, tried[0][:3, :3], frame.is_metric)
        if isinstance(motion, str):
            return self._failed(frame, grey, motion)
        if motion.is_new:
            self._chain.reset(self._chain.odom_T_camera, unscaled(self._chain.covariance))
        if motion.is_new or not mono.has_map:
            self._map_start = self._chain.odom_T_camera[:3, 3].copy()
        if motion.factor != 1:
            self._rescale(motion.factor, mono.scale.sigma)
        sigma = mono.scale.sigma if mono.is_metric else 0.0
        pose, covariance = self._since(motion, motion.covariance, sigma)
        step, way = motion.covariance.copy(), motion.key_T_curr[:3, :3].T @ motion.key_T_curr[:3, 3]
        step[:3, :3] += sigma**2 * np.outer(way, way)
        estimate = self._known(frame, pose, covariance, step, motion.inliers, motion.model)
        estimate = estimate if estimate.is_metric else replace(estimate, reason=mono.scale.reason)
        self._had_metres |= estimate.is_metric
        if frame.is_metric:
            if not self._had_metres:
                self._chain.reset(self._chain.odom_T_camera, turns_only(self._chain.covariance))
            self._begin_keys(frame, grey)
        return estimate

    def _moved(self, frame: EgoFrame, motion: Motion) -> EgoEstimate:
        """The estimate of a frame that was compared with the keyframe."""
        pose, covariance = self._since(
            motion, motion.independent, motion.scale_sigma, motion.influence
        )
        return self._known(
            frame, pose, covariance, motion.step_covariance, motion.inliers, motion.model
        )

    def _since(
        self, motion, independent: np.ndarray, scale_sigma: float, *influence
    ) -> tuple[np.ndarray, np.ndarray]:
        """Chain the motion since the keyframe where it ends in a new one, else remember it; gives
        pose and covariance at its end."""
        self._since_key = (
            None if motion.is_key else (motion.key_T_curr, independent, scale_sigma, *influence)
        )
        if motion.is_key:
            self._chain.advance(motion.key_T_curr, independent, scale_sigma, *influence)
            return self._chain.odom_T_camera.copy(), self._chain.covariance
        return self._chain.after(motion.key_T_curr, independent, *influence)

    def _begin_again(self, frame: EgoFrame, grey: np.ndarray, lost: bool) -> None:
        """Make this frame a keyframe with nothing before it, at the last known pose."""
        pose = self._chain.odom_T_camera if self._last is None else self._last[1]
        self._inertial.reset()
        if lost:
            self._chain.lose()
        gap, restarts = self._chain.has_gap, self._chain.restarts
        if lost or gap:
            self._chain.reset(pose)
            self._chain.has_gap, self._chain.restarts = gap, restarts
        self._begin_keys(frame, grey)
        self._last, self._velocity = (frame.stamp_ns, pose), None

    def _begin_keys(self, frame: EgoFrame, grey: np.ndarray) -> None:
        """Make this frame a keyframe with nothing before it: with depth if it has any."""
        self._keys.clear()
        self._mono.clear()
        self._since_key = None
        self._map_start = self._chain.odom_T_camera[:3, 3].copy()
        keys = self._keys if frame.is_metric else self._mono
        keys.begin(frame, grey)
        if keys.count < _LEAST_POINTS:
            keys.clear()  # a hand, fog: the next picture may show more
        self._metres_from = self._scale(frame)

    def _is_late(self, frame: EgoFrame) -> bool:
        """True when the keyframe has been waited for in vain for long enough."""
        return self._last is None or frame.stamp_ns - self._last[0] > _PATIENCE_NS

    def _first_state(self) -> str:
        """What a frame without a past is called."""
        return LOST if self._chain.has_gap else INITIALISING

    def _network_guess(self, frame: EgoFrame) -> np.ndarray | None:
        """The network's motion, where the method asks for it."""
        return frame.network_motion if self.method == "hybrid" else None

    def _fallback(self, frame: EgoFrame, grey: np.ndarray, reason: str) -> EgoEstimate:
        """The network's step where geometry has none; geometry begins again from here."""
        estimate = self._network(frame, reason)
        if not fault(grey):
            self._begin_keys(frame, grey)
        else:
            self._keys.clear()
            self._mono.clear()
        return estimate

    def _network(self, frame: EgoFrame, reason: str = "") -> EgoEstimate:
        """Chain the network's step."""
        motion = frame.network_motion
        if motion is None:
            if self._last is None:
                self._last = (frame.stamp_ns, self._chain.odom_T_camera)
                return self._without_step(frame, INITIALISING, "")
            self._chain.lose()
            self._last = (frame.stamp_ns, self._last[1])
            return self._without_step(frame, LOST, "the network gives no motion")
        if self._since_key is not None:  # what was seen since the keyframe was not seen exactly
            self._chain.advance(*self._since_key)
            self._since_key = None
        since = inverse(self._chain.odom_T_camera) @ self._last[1]
        covariance = np.diag(np.square(_network_sigma(frame)))
        self._chain.advance(since @ motion, covariance, self._chain.scale_sigma)
        return self._known(
            frame, self._chain.odom_T_camera, self._chain.covariance, covariance, 0, "network"
        )

    def _scale(self, frame: EgoFrame) -> str:
        """Where metres come from."""
        if self._mono.exists:
            return self._mono.scale.name if self._mono.is_metric else "none"
        if self._keys.exists and not frame.is_metric and self.method != "network":
            return self._metres_from  # those of the keyframe
        if frame.scale:
            return frame.scale
        if self.method == "network":
            return "network" if frame.network_motion is not None else "none"
        return (
            "stereo baseline" if frame.is_stereo else "depth" if frame.depth is not None else "none"
        )


def _network_sigma(frame: EgoFrame) -> np.ndarray:
    """Standard deviations (6,) of the network's motion: its own, or a share of the motion chosen
    too large.
    """
    if frame.network_sigma is not None:
        return np.asarray(frame.network_sigma, np.float64)
    size = np.linalg.norm(twist(frame.network_motion, 1.0).reshape(2, 3), axis=1)
    return np.repeat(_NETWORK_FLOOR + _NETWORK_SHARE * size, 3)
