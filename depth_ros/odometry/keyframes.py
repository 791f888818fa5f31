"""The last keyframe as the thing every frame is compared with, and the window behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depth_ros.core.lie import inverse, so3_log

from .covariance import adjoint, blended, last_step, learned_bias
from .depth_measurement import RelativeSigma, measured_inverse, rig_sigma
from .error_sources import Influence
from .inverse_depth import bearings, move, observe
from .relative_pose import Step, estimate_step
from .tracking import coarse_disparity, detect, follow, to_grey
from .types import EgoFrame
from .window import Window

_SIGMA_PX = 0.15  # of a point where it was found first: what is followed is what was there
_POINTS, _IN_WINDOW = 220, 90
_FLOW_SHARE = 0.04  # of the width: beyond, a frame becomes a keyframe
_KEPT_SHARE = 0.6  # of the points: below, too
_MOST_AGE_NS = 2_000_000_000
_GROUP_SHARE = 0.1  # of the width: points so near to each other are not independent
# What residuals cannot show, as standard deviation, set on the calibration seeds of
# experiments/odometry/egomotion_nees.py: a share of points that disagrees is never left out
# altogether, it pulls (Huber 1981); more of them, more pull.
_INFLATION, _BY_OUTLIERS = 1.15, 2.0
# Shifts of a fraction of a pixel are all measured wrongly in one way (peak locking; of the order
# that particle image velocimetry knows, Westerweel 2000): as a turn, or as a step sideways. Not
# seen on the rendered clips.
_STILL_PX, _LOCKING_PX = 1.0, 0.1


@dataclass(frozen=True, eq=False)
class Motion:
    """key_T_curr (4, 4) since the last keyframe; scale_sigma, relative.

    independent (6, 6), influence: of its right perturbation, the part that is of no point and what
    each point did. Steps add up with them; they are larger than that of one step alone, by what
    lasts from step to step. step_covariance (6, 6): of the motion since the last frame that was
    compared with this keyframe.
    """

    key_T_curr: np.ndarray
    independent: np.ndarray
    influence: Influence
    step_covariance: np.ndarray
    scale_sigma: float
    inliers: int
    is_key: bool
    model: str


class Keyframes:
    """Hold the keyframes of one camera. size: of the window, below 2 = none."""

    def __init__(self, size: int):
        self._window = Window(max(size, 2))
        self._size = size
        self._rig, self._bias = None, (0.0, 0.0)
        self._rel_sigma = RelativeSigma()
        self.clear()

    def clear(self) -> None:
        """Forget keyframes and points; what was learned about the rig stays."""
        self._window.clear()
        self.stamp_ns: int | None = None
        self._grey, self._before, self._still = None, None, False

    @property
    def exists(self) -> bool:
        """True where there is a keyframe."""
        return self._grey is not None

    @property
    def count(self) -> int:
        """How many points are followed from the keyframe."""
        return len(self._window.seen)

    def fits(self, frame: EgoFrame) -> bool:
        """Tell whether a frame can be compared with the last keyframe: the same camera and rig."""
        return self.exists and self._rig == _rig_of(frame)

    def begin(self, frame: EgoFrame, grey: np.ndarray) -> None:
        """Make a frame the first keyframe."""
        self._window.clear()
        if _rig_of(frame) != self._rig:
            self._rig, self._bias = _rig_of(frame), (0.0, rig_sigma(frame))
            self._rel_sigma = RelativeSigma()
        self.stamp_ns, self._grey, self._before = frame.stamp_ns, grey, None
        self._window.add_frame(np.eye(4), np.zeros((0, 3)), np.zeros((0, 3)))
        pixels = detect(grey, np.zeros((0, 2)), _POINTS)
        self._window.add_points(
            *self._measure(frame, grey, pixels), _GROUP_SHARE * frame.camera.width
        )

    def match(
        self, frame: EgoFrame, grey: np.ndarray, guesses: list[np.ndarray], prior=None
    ) -> Motion | str:
        """Find the motion since the last keyframe; a frame that has moved enough becomes one. Or
        the reason why not.

        prior: key_T_curr (4, 4) and the information (6, 6) of its right perturbation, as an IMU has
        it, or None.
        """
        window = self._window
        key, key_sigma = window.seen[:, -1], window.sigma[:, -1]
        inverse_depth = np.where(np.isfinite(key_sigma[:, 2]), key[:, 2] + self._bias[0], 0.0)
        moved = move(inverse(guesses[0]), bearings(key[:, :2], frame.camera), inverse_depth)
        pixels, arrived, sigma = follow(
            self._grey, grey, key[:, :2], observe(moved, inverse_depth, frame.camera)[:, :2]
        )
        known = np.stack([*key[:, :2].T, inverse_depth], -1)[arrived]
        flat = np.concatenate([pixels, np.zeros((len(pixels), 1))], 1)[arrived]
        flat_sigma = np.concatenate([sigma, np.full((len(sigma), 1), np.inf)], 1)[arrived]
        step = estimate_step(
            known, flat, key_sigma[arrived], flat_sigma, frame.camera, guesses, prior
        )
        if isinstance(step, str):
            return step
        flow = np.median(np.linalg.norm(flat[:, :2] - known[:, :2], axis=1))
        is_key = frame.is_metric and (  # one without depth would have nothing for those after it
            flow > _FLOW_SHARE * frame.camera.width
            or step.inlier.sum() < _KEPT_SHARE * max(len(key), 1)
            or frame.stamp_ns - self.stamp_ns > _MOST_AGE_NS
        )
        self._still = flow < _STILL_PX
        ids = window.ids[arrived]
        if not is_key:
            self._before = self._motion(
                step, step.covariance, Influence(*step.pull.left_out(ids)), False
            )
            return self._before
        keep = np.flatnonzero(arrived)[step.inlier]
        return self._new_key(
            frame, grey, step, ids, keep, flat[step.inlier, :2], flat_sigma[step.inlier, :2], prior
        )

    def _new_key(
        self, frame: EgoFrame, grey, step: Step, ids, keep, pixels, pixel_sigma, prior
    ) -> Motion:
        """Append the frame to the window, adjust, and begin new points."""
        window, count = self._window, len(keep)
        window.keep(keep)
        pixels = np.concatenate([pixels, detect(grey, pixels, max(_POINTS - count, 0))])
        seen, sigma = self._measure(frame, grey, pixels)
        if not frame.is_stereo:
            key = window.seen[:, -1]
            moved = move(inverse(step.prev_T_curr), bearings(key[:, :2], frame.camera), key[:, 2])
            self._rel_sigma.learn(observe(moved, key[:, 2], frame.camera)[:, 2], seen[:count, 2])
        sigma[:count, :2] = pixel_sigma
        sigma[:count] *= step.noise
        window.add_frame(window.poses[-1] @ step.prev_T_curr, seen[:count], sigma[:count], prior)
        key_T_curr = step.prev_T_curr
        adjusted = window.adjust(frame.camera, self._bias, _IN_WINDOW) if self._size >= 2 else None
        if adjusted is not None:
            self._bias = learned_bias(adjusted[0], self._bias, rig_sigma(frame) / 20)
            key_T_curr = inverse(window.poses[-2]) @ window.poses[-1]
            moved = last_step(*adjusted)
        else:
            moved = step.covariance, Influence(*step.pull.left_out(ids))
        self.stamp_ns, self._grey = frame.stamp_ns, grey
        window.add_points(seen[count:], sigma[count:], _GROUP_SHARE * frame.camera.width)
        motion = self._motion(replace(step, prev_T_curr=key_T_curr), *moved, True)
        self._before = None
        return motion

    def _motion(self, step: Step, model: np.ndarray, influence: Influence, is_key: bool) -> Motion:
        """The result of a comparison."""
        inv = self._window.seen[:, -1, 2][np.isfinite(self._window.sigma[:, -1, 2])]
        typical = 1 / max(float(np.median(inv)), 1e-3) if len(inv) else 1.0
        scale_sigma = float(np.hypot(self._rig[3], self._bias[1] * typical))
        factor = _INFLATION * (1 + _BY_OUTLIERS * (1 - float(step.inlier.mean())))
        independent, influence = blended(influence.mapped(factor * np.eye(6)), factor**2 * model)
        if self._still:
            angle = _LOCKING_PX / self._rig[0].fx
            independent = independent + np.diag(np.square([angle * typical] * 3 + [angle] * 3))
        independent = independent + step.spread
        covariance = independent + influence.covariance
        moved = np.linalg.norm(step.prev_T_curr[:3, 3]) > 3 * np.sqrt(np.trace(covariance[:3, :3]))
        turned = np.linalg.norm(so3_log(step.prev_T_curr[:3, :3])) > 1e-3
        model = "points" if moved or not turned else "rotation"
        if (
            self._before is not None
        ):  # what both frames have of the keyframe is not in the motion between them
            back = -adjoint(inverse(step.prev_T_curr) @ self._before.key_T_curr)
            between = influence.plus(self._before.influence.mapped(back))
            covariance = between.covariance + independent + back @ self._before.independent @ back.T
        inliers = int(step.inlier.sum())
        return Motion(
            step.prev_T_curr,
            independent,
            influence,
            covariance,
            scale_sigma,
            inliers,
            is_key,
            model,
        )

    def _measure(self, frame: EgoFrame, grey: np.ndarray, pixels: np.ndarray):
        """Measurements (N, 3) and their standard deviations of pixels in a frame."""
        right = to_grey(frame.right) if frame.is_stereo else None
        coarse = coarse_disparity(grey, right) if frame.is_stereo and frame.depth is None else None
        inv, sigma_inv = measured_inverse(frame, grey, right, coarse, pixels, self._rel_sigma.value)
        seen = np.concatenate([pixels, np.nan_to_num(inv)[:, None]], 1).astype(np.float64)
        sigma = np.full(seen.shape, _SIGMA_PX)
        sigma[:, 2] = np.where(np.isfinite(inv), sigma_inv, np.inf)
        return seen, sigma


def _rig_of(frame: EgoFrame) -> tuple:
    """What must stay the same: camera, baseline, offset; and the relative error of scale that
    the source has.
    """
    scale_sigma = 0.001 if frame.is_stereo else 0.05 if frame.scale else 0.01
    return frame.camera, frame.baseline_m if frame.is_stereo else None, frame.doffs_px, scale_sigma
