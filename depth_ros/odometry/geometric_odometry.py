"""Odometry by geometry: keyframes with depth, or the map of one camera without; a pose network and
an IMU help where they are there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .keyframes import Keyframes
from .monocular import Monocular, MonoMotion
from .motion_prediction import predicted_motions
from .network_odometry import NetworkOdometry
from .preintegration import rotation_since
from .tracking import image_fault, to_grey
from .trajectory import KeyMotion, KnownPose, Tracked
from .types import INITIALISING, LOST, EgoEstimate, EgoFrame, turns_only, unscaled

_LEAST_POINTS = 12  # below, a picture is no keyframe
_PATIENCE_NS = 600_000_000  # for so long the last keyframe is waited for
_BRIDGE_SIGMA = (0.1, 0.03)  # metres, radians: beyond, an IMU alone is no odometry


class GeometricOdometry(NetworkOdometry):
    """Compares each frame with the last keyframe: the methods geometric and hybrid.

    _keys, _mono: the keyframes with depth, the map of one camera without; one of them at a time.
    _had_metres: the map without depth was metric at some time. _metres_from: the scale of the
    keyframe.
    """

    def __init__(self, method: str, window: int):
        super().__init__()
        self.method = method
        self._keys = Keyframes(window)
        self._mono = Monocular()
        self._had_metres = False
        self._metres_from = "none"

    def _geometric(self, frame: EgoFrame) -> EgoEstimate:
        """Compare with the last keyframe; where that fails, wait a while, then begin again from
        here.
        """
        grey = to_grey(frame.image)
        reason = image_fault(grey)
        if reason:
            return self._failed(frame, grey, reason)
        fits_depth = frame.is_metric or self._keys.fits(frame)
        if self._mono.fits(frame) or not fits_depth:
            return self._without_depth(frame, grey)
        if not self._keys.fits(frame):
            return self._first_of_rig(frame, grey)
        motion = self._keys.match(frame, grey, self._predictions(frame), self._prior(frame))
        if isinstance(motion, str):
            return self._failed(frame, grey, motion)
        since_key = KeyMotion(
            motion.key_T_curr, motion.independent, motion.scale_sigma, motion.influence
        )
        pose, covariance = self._chain_motion(since_key, motion.is_key)
        found = Tracked(
            pose,
            covariance,
            motion.step_covariance,
            motion.inliers,
            motion.model,
            self._scale(frame),
        )
        return self._tracked(frame, found)

    def _first_of_rig(self, frame: EgoFrame, grey: np.ndarray) -> EgoEstimate:
        """A frame with depth that no keyframe fits: the first one, another camera, or after the
        network went on alone.
        """
        if not self._keys.exists and self._network_motion(frame) is not None:
            return self._fallback(frame, grey)
        reason = ""
        if self._keys.exists:
            reason = "the camera has changed"
        elif self._last is not None:
            reason = "a step is missing"
        return self._restarted(frame, grey, reason)

    def _restarted(self, frame: EgoFrame, grey: np.ndarray, reason: str) -> EgoEstimate:
        """Begin again at this frame: lost with a reason, else the first frame."""
        self._begin_again(frame, grey, lost=bool(reason))
        is_lost = bool(reason) or self._chain.has_gap
        return self._without_step(frame, LOST if is_lost else INITIALISING, reason)

    def _failed(self, frame: EgoFrame, grey: np.ndarray, reason: str) -> EgoEstimate:
        """A frame that cannot be compared: the IMU's motion, the network's step, or none; after a
        while geometry begins again.
        """
        has_key = self._mono.exists or self._keys.exists
        bridged = self._bridged(frame, grey) if has_key else None
        if bridged is not None:
            return bridged
        if self._network_motion(frame) is not None:
            return self._fallback(frame, grey)
        if not has_key:
            # no picture yet that could be one; or the network led here alone and now has no motion
            has_past = self._chain.has_gap or self._last is not None
            return self._without_step(frame, LOST if has_past else INITIALISING, reason)
        if not image_fault(grey) and self._is_late(frame):
            self._begin_again(frame, grey, lost=True)
        return self._without_step(frame, LOST, reason)

    def _bridged(self, frame: EgoFrame, grey: np.ndarray) -> EgoEstimate | None:
        """Go on by the IMU alone while that is known well enough; None where it is not."""
        predicted = self._inertial.predict(frame.stamp_ns, self._imu)
        if predicted is None or self._last is None:
            return None
        seen_T_curr, step_covariance = predicted
        variances = (np.trace(step_covariance[:3, :3]), np.trace(step_covariance[3:, 3:]))
        if (np.sqrt(variances) > _BRIDGE_SIGMA).any():
            return None
        key_T_curr = self._key_T_seen(frame) @ seen_T_curr
        key_covariance = step_covariance + self._known_since_key(seen_T_curr)
        pose, covariance = self._chain.after(key_T_curr, key_covariance)
        scale = self._scale(frame)
        # something is seen again after a while, but not what was seen before: it becomes the
        # keyframe, and the IMU's motion a link of the chain
        is_late = frame.stamp_ns - self._inertial.stamp_ns > _PATIENCE_NS
        begins_here = is_late and not image_fault(grey)
        if begins_here:
            self._chain.advance(key_T_curr, key_covariance, self._chain.scale_sigma)
            self._begin_keys(frame, grey)
        estimate = self._tracked(frame, Tracked(pose, covariance, step_covariance, 0, "imu", scale))
        self._inertial.seen_T_last = seen_T_curr
        if begins_here:
            self._inertial.coast(frame.stamp_ns, self._imu)
        return estimate

    def _without_depth(self, frame: EgoFrame, grey: np.ndarray) -> EgoEstimate:
        """Follow one camera by a map of its own; the first frame with metric depth ends that."""
        if not self._mono.fits(frame):
            reason = ""
            if self._mono.exists:
                reason = "the camera has changed"
            elif self._last is not None:
                reason = "a step is missing"
            return self._restarted(frame, grey, reason)
        predictions = self._predictions(frame)
        motion = self._mono.match(frame, grey, predictions, must_be_key=frame.is_metric)
        if isinstance(motion, str):
            return self._failed(frame, grey, motion)
        estimate = self._in_map(frame, motion)
        self._had_metres |= estimate.is_metric
        if frame.is_metric:
            if not self._had_metres:
                self._chain.reset(self._chain.odom_T_camera, turns_only(self._chain.covariance))
            self._begin_keys(frame, grey)
        return estimate

    def _in_map(self, frame: EgoFrame, motion: MonoMotion) -> EgoEstimate:
        """The estimate of a frame that was found in the map of one camera."""
        mono = self._mono
        # 1. another map has another unit: what was travelled so far is not known in it
        if motion.is_new:
            self._chain.reset(self._chain.odom_T_camera, unscaled(self._chain.covariance))
        if motion.is_new or not mono.has_map:
            self._map_start = self._chain.odom_T_camera[:3, 3].copy()
        # 2. the map has become metric with this frame
        if motion.factor != 1:
            self._rescale(motion.factor, mono.scale.sigma)
        # 3. chain the motion; the error of the scale lies along the path
        sigma = mono.scale.sigma if mono.is_metric else 0.0
        since_key = KeyMotion(motion.key_T_curr, motion.covariance, sigma)
        pose, covariance = self._chain_motion(since_key, motion.is_key)
        path = motion.key_T_curr[:3, :3].T @ motion.key_T_curr[:3, 3]
        step_covariance = motion.covariance.copy()
        step_covariance[:3, :3] += sigma**2 * np.outer(path, path)
        found = Tracked(
            pose, covariance, step_covariance, motion.inliers, motion.model, self._scale(frame)
        )
        estimate = self._tracked(frame, found)
        if estimate.is_metric:
            return estimate
        return replace(estimate, reason=mono.scale.reason)

    def _predictions(self, frame: EgoFrame) -> list[np.ndarray]:
        """Where the camera may be relative to the keyframe, (4, 4) each, the likeliest first."""
        keys = self._mono if self._mono.exists else self._keys
        predicted = self._inertial.predict(frame.stamp_ns, self._imu)
        inertial = None if predicted is None else self._key_T_seen(frame) @ predicted[0]
        rotation = rotation_since(
            self._imu, keys.stamp_ns, frame.stamp_ns, self._inertial.gyro_bias
        )
        is_metric = keys is self._keys or self._mono.is_metric
        network_motion = self._network_motion(frame) if is_metric else None
        return predicted_motions(self._prediction(frame), network_motion, rotation, inertial)

    def _prior(self, frame: EgoFrame) -> tuple[np.ndarray, np.ndarray] | None:
        """The IMU's motion since the keyframe (4, 4) and its information (6, 6); None without
        one.
        """
        return self._inertial.prior(
            frame.stamp_ns, self._keys.stamp_ns, self._key_T_seen(frame), self._imu
        )

    def _network_motion(self, frame: EgoFrame) -> np.ndarray | None:
        """The network's motion, where the method asks for it."""
        return frame.network_motion if self.method == "hybrid" else None

    def _fallback(self, frame: EgoFrame, grey: np.ndarray) -> EgoEstimate:
        """The network's step where geometry has none; geometry begins again from here."""
        estimate = self._network(frame)
        if image_fault(grey):
            self._keys.clear()
            self._mono.clear()
        else:
            self._begin_keys(frame, grey)
        return estimate

    def _begin_again(self, frame: EgoFrame, grey: np.ndarray, lost: bool) -> None:
        """Make this frame a keyframe with nothing before it, at the last known pose."""
        pose = self._last_pose()
        self._inertial.reset()
        if lost:
            self._chain.lose()
        if self._chain.has_gap:
            self._chain.reset(pose)
            self._chain.has_gap = True
        self._begin_keys(frame, grey)
        self._last = KnownPose(frame.stamp_ns, pose)
        self._velocity = None

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
        return self._last is None or frame.stamp_ns - self._last.stamp_ns > _PATIENCE_NS

    def _scale(self, frame: EgoFrame) -> str:
        """Where metres come from."""
        if self.method == "network":
            return super()._scale(frame)
        if self._mono.exists:
            return self._mono.scale.name if self._mono.is_metric else "none"
        if self._keys.exists and not frame.is_metric:
            return self._metres_from  # those of the keyframe
        if frame.scale:
            return frame.scale
        if frame.is_stereo:
            return "stereo baseline"
        return "none" if frame.depth is None else "depth"
