"""The last keyframe as the thing every frame is compared with, and the window behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse

from .covariance import adjoint, blended, last_step, learned_bias, motion_model
from .depth_measurement import RelativeSigma, Rig, measure_points, rig_of, rig_sigma
from .error_sources import Influence
from .inverse_depth import bearings, move, observe
from .relative_pose import Prior, Step, estimate_step
from .residuals import Pairs
from .tracking import detect, follow
from .types import EgoFrame
from .window import Window

_POINTS = 220
_IN_WINDOW = 90
_FLOW_SHARE = 0.04  # of the width: beyond, a frame becomes a keyframe
_KEPT_SHARE = 0.6  # of the points: below, too
_MOST_AGE_NS = 2_000_000_000
_GROUP_SHARE = 0.1  # of the width: points so near to each other are not independent
# What residuals cannot show, as standard deviation, set on the calibration seeds of
# experiments/odometry/egomotion_nees.py: a share of points that disagrees is never left out
# altogether, it pulls (Huber 1981); more of them, more pull.
_INFLATION = 1.15
_BY_OUTLIERS = 2.0
# Shifts of a fraction of a pixel are all measured wrongly in one way (peak locking; of the order
# that particle image velocimetry knows, Westerweel 2000): as a turn, or as a step sideways. Not
# seen on the rendered clips.
_STILL_PX = 1.0
_LOCKING_PX = 0.1


@dataclass(frozen=True, eq=False)
class KeyframeMotion:
    """The motion since the last keyframe.

    Attributes:
        key_T_curr: (4, 4) metres.
        independent: (6, 6) covariance of its right perturbation, the part that is of no point.
        influence: what each point did to it. Steps add up with both; they are larger than that of
            one step alone, by what lasts from step to step.
        step_covariance: (6, 6) of the motion since the last frame that was compared with this
            keyframe.
        scale_sigma: relative.
        inliers: points that agree.
        is_key: the frame has become a keyframe.
        model: "points", or "rotation" where nothing but a turn was seen.
    """

    key_T_curr: np.ndarray
    independent: np.ndarray
    influence: Influence
    step_covariance: np.ndarray
    scale_sigma: float
    inliers: int
    is_key: bool
    model: str


@dataclass(frozen=True, eq=False)
class _Followed:
    """The points of the keyframe that arrived in a frame.

    arrived (M,): their indices among those of the keyframe; groups (M,); pixels and sigma (M, 2),
    where and how surely; pairs: with the keyframe; flow_px: the median.
    """

    arrived: np.ndarray
    groups: np.ndarray
    pixels: np.ndarray
    sigma: np.ndarray
    pairs: Pairs
    flow_px: float


class Keyframes:
    """Hold the keyframes of one camera with metric depth.

    Args:
        size: keyframes that are adjusted together, below 2 = none.

    Attributes:
        stamp_ns: of the last keyframe, None without one.
    """

    def __init__(self, size: int):
        self._window = Window(max(size, 2))
        self._size = size
        self._rig: Rig | None = None
        self._bias = (0.0, 0.0)  # of inverse depth, and its sigma, 1/m
        self._rel_sigma = RelativeSigma()
        self.clear()

    def clear(self) -> None:
        """Forget keyframes and points; what was learned about the rig stays."""
        self._window.clear()
        self.stamp_ns: int | None = None
        self._grey: np.ndarray | None = None
        self._before: KeyframeMotion | None = None
        self._still = False

    @property
    def exists(self) -> bool:
        """True where there is a keyframe."""
        return self._grey is not None

    @property
    def count(self) -> int:
        """How many points are followed from the keyframe."""
        return len(self._window.seen)

    def fits(self, frame: EgoFrame) -> bool:
        """Return whether a frame can be compared with the last keyframe: the same camera and
        rig.
        """
        return self.exists and self._rig == rig_of(frame)

    def begin(self, frame: EgoFrame, grey: np.ndarray) -> None:
        """Make a frame with metric depth the first keyframe; grey: (H, W) uint8 of it."""
        self._window.clear()
        rig = rig_of(frame)
        if rig != self._rig:
            self._rig = rig
            self._bias = (0.0, rig_sigma(frame))
            self._rel_sigma = RelativeSigma()
        self.stamp_ns = frame.stamp_ns
        self._grey = grey
        self._before = None
        nothing = np.zeros((0, 3))
        self._window.add_frame(np.eye(4), nothing, nothing)
        pixels = detect(grey, np.zeros((0, 2)), _POINTS)
        seen, sigma = measure_points(frame, grey, pixels, self._rel_sigma.value)
        self._window.add_points(seen, sigma, _GROUP_SHARE * frame.camera.width)

    def match(
        self,
        frame: EgoFrame,
        grey: np.ndarray,
        predictions: list[np.ndarray],
        prior: Prior | None = None,
    ) -> KeyframeMotion | str:
        """Find the motion since the last keyframe; a frame that has moved enough becomes one.

        Args:
            frame: of the same camera and rig.
            grey: (H, W) uint8 of it.
            predictions: key_T_curr (4, 4) metres, the likeliest first.
            prior: key_T_curr (4, 4) and the information (6, 6) of its right perturbation, as an
                IMU has it, or None.

        Returns:
            The motion, or the reason why there is none.
        """
        # 1. follow the points of the keyframe to where the prediction expects them
        followed = self._follow(frame, grey, predictions[0])
        # 2. the motion that explains them
        step = estimate_step(followed.pairs, predictions, prior)
        if isinstance(step, str):
            return step
        self._still = followed.flow_px < _STILL_PX
        # 3. chained from keyframe to keyframe, errors add up less often
        if self._becomes_key(frame, step, followed):
            return self._new_key(frame, grey, step, followed, prior)
        influence = Influence(*step.pull.left_out(followed.groups))
        self._before = self._motion(step, step.covariance, influence, is_key=False)
        return self._before

    def _follow(self, frame: EgoFrame, grey: np.ndarray, key_T_curr: np.ndarray) -> _Followed:
        """Follow the points of the keyframe into a frame, from where a motion puts them."""
        camera = frame.camera
        key = self._window.seen[:, -1]
        key_sigma = self._window.sigma[:, -1]
        has_depth = np.isfinite(key_sigma[:, 2])
        inverse_depth = np.where(has_depth, key[:, 2] + self._bias[0], 0.0)
        moved = move(inverse(key_T_curr), bearings(key[:, :2], camera), inverse_depth)
        expected = observe(moved, inverse_depth, camera)[:, :2]
        pixels, has_arrived, sigma = follow(self._grey, grey, key[:, :2], expected)
        arrived = np.flatnonzero(has_arrived)
        pixels = pixels[arrived].astype(np.float64)
        sigma = sigma[arrived]

        # the frame's own depth is not measured: the keyframe's is enough to find the motion
        none = np.zeros((len(arrived), 1))
        known = np.concatenate([key[:, :2], inverse_depth[:, None]], 1)[arrived]
        flat = np.concatenate([pixels, none], 1)
        flat_sigma = np.concatenate([sigma, none + np.inf], 1)
        pairs = Pairs(known, flat, key_sigma[arrived], flat_sigma, camera)
        flow_px = 0.0
        if len(arrived):
            flow_px = float(np.median(np.linalg.norm(pixels - known[:, :2], axis=1)))
        return _Followed(arrived, self._window.ids[arrived], pixels, sigma, pairs, flow_px)

    def _becomes_key(self, frame: EgoFrame, step: Step, followed: _Followed) -> bool:
        """Whether a frame has moved far enough, or lost enough points, or is late enough."""
        if not frame.is_metric:
            return False  # those after it would have no depth to be compared with
        return bool(
            followed.flow_px > _FLOW_SHARE * frame.camera.width
            or step.inlier.sum() < _KEPT_SHARE * max(self.count, 1)
            or frame.stamp_ns - self.stamp_ns > _MOST_AGE_NS
        )

    def _new_key(
        self,
        frame: EgoFrame,
        grey: np.ndarray,
        step: Step,
        followed: _Followed,
        prior: Prior | None,
    ) -> KeyframeMotion:
        """Append the frame to the window, adjust, and begin new points."""
        window = self._window
        # 1. the points that agreed stay, new ones are found away from them
        window.keep(followed.arrived[step.inlier])
        kept = followed.pixels[step.inlier]
        count = len(kept)
        pixels = np.concatenate([kept, detect(grey, kept, max(_POINTS - count, 0))])
        seen, sigma = measure_points(frame, grey, pixels, self._rel_sigma.value)
        if not frame.is_stereo:
            self._learn_sigma(step, seen[:count, 2], frame.camera)
        sigma[:count, :2] = followed.sigma[step.inlier]
        sigma[:count] *= step.noise
        window.add_frame(window.poses[-1] @ step.prev_T_curr, seen[:count], sigma[:count], prior)

        # 2. adjust the window: a better step, the influence of its landmarks, the rig's bias
        key_T_curr = step.prev_T_curr
        covariance = step.covariance
        adjusted = None
        if self._size >= 2:
            adjusted = window.adjust(frame.camera, self._bias, _IN_WINDOW)
        if adjusted is None:
            influence = Influence(*step.pull.left_out(followed.groups))
        else:
            bundle, groups = adjusted
            self._bias = learned_bias(bundle, self._bias, rig_sigma(frame) / 20)
            key_T_curr = inverse(window.poses[-2]) @ window.poses[-1]
            covariance, influence = last_step(bundle, groups)

        # 3. from here on frames are compared with this one
        self.stamp_ns = frame.stamp_ns
        self._grey = grey
        window.add_points(seen[count:], sigma[count:], _GROUP_SHARE * frame.camera.width)
        step = replace(step, prev_T_curr=key_T_curr)
        motion = self._motion(step, covariance, influence, is_key=True)
        self._before = None
        return motion

    def _learn_sigma(self, step: Step, measured: np.ndarray, camera: Camera) -> None:
        """Compare the depth (N,) measured in a frame with that of the keyframe, carried over."""
        key = self._window.seen[:, -1]
        moved = move(inverse(step.prev_T_curr), bearings(key[:, :2], camera), key[:, 2])
        self._rel_sigma.learn(observe(moved, key[:, 2], camera)[:, 2], measured)

    def _motion(
        self, step: Step, model: np.ndarray, influence: Influence, is_key: bool
    ) -> KeyframeMotion:
        """The result of a comparison; model: (6, 6) what the covariance is if the sigmas are
        true.
        """
        # 1. share the belief between the sigmas and the residuals, inflated by the outliers
        typical_m = self._window.typical_depth_m
        factor = _INFLATION * (1 + _BY_OUTLIERS * (1 - float(step.inlier.mean())))
        independent, influence = blended(influence.mapped(factor * np.eye(6)), factor**2 * model)
        # 2. what no residual shows: peak locking of a standing camera, another motion
        if self._still:
            angle = _LOCKING_PX / self._rig.camera.fx
            locking = [angle * typical_m] * 3 + [angle] * 3
            independent = independent + np.diag(np.square(locking))
        independent = independent + step.spread
        covariance = independent + influence.covariance
        model_name = motion_model(step.prev_T_curr, covariance)
        # 3. of the step since the frame before: what both have of the keyframe is not in it
        if self._before is not None:
            back = -adjoint(inverse(step.prev_T_curr) @ self._before.key_T_curr)
            between = influence.plus(self._before.influence.mapped(back))
            covariance = between.covariance + independent + back @ self._before.independent @ back.T
        return KeyframeMotion(
            step.prev_T_curr,
            independent,
            influence,
            covariance,
            float(np.hypot(self._rig.scale_sigma, self._bias[1] * typical_m)),
            int(step.inlier.sum()),
            is_key,
            model_name,
        )
