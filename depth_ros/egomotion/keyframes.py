"""The last keyframe as the thing every frame is compared with, and the window behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.lie import inverse, so3_log
from .depths import measured_inverse, rig_sigma
from .frame import EgoFrame
from .measure import bearings, move, observe
from .step import Step, estimate_step
from .tracking import coarse_disparity, detect, follow, to_grey
from .uncertainty import last_step_covariance, learned_bias, noise_factor
from .window import Window

_SIGMA_PX = 0.35
_POINTS, _IN_WINDOW = 220, 120
_FLOW_SHARE = 0.03  # of the width: beyond, a frame becomes a keyframe
_KEPT_SHARE = 0.6  # of the points: below, too
_MOST_AGE_NS = 2_000_000_000
_INFLATION = 1.6  # from rendered streets and rooms with things that move in them; too large where nothing moves
_AGREED_SHARE = 0.8  # fewer points that agree: perhaps the wrong ones were believed
_LEAST_FACTOR, _MOST_FACTOR = 0.3, 4.0


@dataclass(frozen=True, eq=False)
class Motion:
    """key_T_curr (4, 4) since the last keyframe; covariance (6, 6) of its right perturbation; scale_sigma, relative."""

    key_T_curr: np.ndarray
    covariance: np.ndarray
    scale_sigma: float
    inliers: int
    is_key: bool
    model: str


class Keyframes:
    """Hold the keyframes of one camera. size: of the window, below 2 = none."""

    def __init__(self, size: int):
        self._window = Window(max(size, 2))
        self._size = size
        self._rig, self._bias, self._factor = None, (0.0, 0.0), 1.0
        self.clear()

    def clear(self) -> None:
        """Forget keyframes and points; what was learned about the rig stays."""
        self._window.clear()
        self.stamp_ns: int | None = None
        self._grey = None

    @property
    def exists(self) -> bool:
        """True where there is a keyframe."""
        return self._grey is not None

    def fits(self, frame: EgoFrame) -> bool:
        """Tell whether a frame can be compared with the last keyframe: the same camera and rig."""
        return self.exists and self._rig == _rig_of(frame)

    def begin(self, frame: EgoFrame, grey: np.ndarray) -> None:
        """Make a frame the first keyframe."""
        self._window.clear()
        if _rig_of(frame) != self._rig:
            self._rig, self._bias = _rig_of(frame), (0.0, rig_sigma(frame))
        self.stamp_ns, self._grey = frame.stamp_ns, grey
        self._window.add_frame(np.eye(4), np.zeros((0, 3)), np.zeros((0, 3)))
        self._fill(frame, grey)

    def match(self, frame: EgoFrame, grey: np.ndarray, guesses: list[np.ndarray]) -> Motion | str:
        """Find the motion since the last keyframe; a frame that has moved enough becomes one. Or the reason why not."""
        window = self._window
        key, key_sigma = window.seen[:, -1], window.sigma[:, -1]
        inverse_depth = np.where(np.isfinite(key_sigma[:, 2]), key[:, 2] + self._bias[0], 0.0)
        moved = move(inverse(guesses[0]), bearings(key[:, :2], frame.camera), inverse_depth)
        pixels, arrived = follow(self._grey, grey, key[:, :2], observe(moved, inverse_depth, frame.camera)[:, :2])
        known = np.stack([*key[:, :2].T, inverse_depth], -1)[arrived]
        flat = np.concatenate([pixels, np.zeros((len(pixels), 1))], 1)[arrived]
        flat_sigma = np.full(flat.shape, _SIGMA_PX)
        flat_sigma[:, 2] = np.inf
        step = estimate_step(known, flat, key_sigma[arrived], flat_sigma, frame.camera, guesses)
        if isinstance(step, str):
            return step
        flow = np.median(np.linalg.norm(flat[:, :2] - known[:, :2], axis=1))
        is_key = (
            flow > _FLOW_SHARE * frame.camera.width
            or step.inlier.sum() < _KEPT_SHARE * max(len(key), 1)
            or frame.stamp_ns - self.stamp_ns > _MOST_AGE_NS
        )
        if not is_key:
            return self._motion(step, step.covariance, False)
        keep = np.flatnonzero(arrived)[step.inlier]
        return self._new_key(frame, grey, step, keep, flat[step.inlier, :2])

    def _new_key(self, frame: EgoFrame, grey, step: Step, keep: np.ndarray, pixels: np.ndarray) -> Motion:
        """Append the frame to the window and adjust."""
        window, map_of = self._window, self._depth_map(frame, grey)
        window.keep(keep)
        seen, sigma = self._measure(frame, grey, map_of, pixels, step)
        old = window.poses[-1]
        window.add_frame(old @ step.prev_T_curr, seen, sigma)
        covariance, key_T_curr = step.covariance, step.prev_T_curr
        adjusted = window.adjust(frame.camera, self._bias, _IN_WINDOW) if self._size >= 2 else None
        if adjusted is not None:
            self._factor += 0.2 * (np.clip(noise_factor(adjusted.chi2), _LEAST_FACTOR, _MOST_FACTOR) - self._factor)
            self._bias = learned_bias(adjusted, self._bias, rig_sigma(frame) / 20)
            key_T_curr = inverse(window.poses[-2]) @ window.poses[-1]
            covariance = last_step_covariance(adjusted)
        self.stamp_ns, self._grey = frame.stamp_ns, grey
        self._fill(frame, grey, map_of)
        return self._motion(Step(key_T_curr, step.inlier, covariance), covariance, True)

    def _motion(self, step: Step, covariance: np.ndarray, is_key: bool) -> Motion:
        """The result of a comparison."""
        inv = self._window.seen[:, -1, 2][np.isfinite(self._window.sigma[:, -1, 2])]
        typical = 1 / max(float(np.median(inv)), 1e-3) if len(inv) else 1.0
        scale_sigma = float(np.hypot(self._rig[3], self._bias[1] * typical))
        moved = np.linalg.norm(step.prev_T_curr[:3, 3]) > 3 * np.sqrt(np.trace(covariance[:3, :3]))
        turned = np.linalg.norm(so3_log(step.prev_T_curr[:3, :3])) > 1e-3
        model = "points" if moved or not turned else "rotation"
        disputed = max(1.0, _AGREED_SHARE / max(float(step.inlier.mean()), 0.1))
        factor = (_INFLATION * self._factor * disputed) ** 2
        return Motion(step.prev_T_curr, factor * covariance, scale_sigma, int(step.inlier.sum()), is_key, model)

    def _fill(self, frame: EgoFrame, grey: np.ndarray, map_of=None) -> None:
        """Begin new points in the newest keyframe where there are few."""
        window = self._window
        missing = _POINTS - len(window.seen)
        if missing <= 0:
            return
        pixels = detect(grey, window.seen[:, -1, :2] if len(window.seen) else np.zeros((0, 2)), missing)
        map_of = self._depth_map(frame, grey) if map_of is None else map_of
        window.add_points(*self._measure(frame, grey, map_of, pixels, None))

    def _depth_map(self, frame: EgoFrame, grey: np.ndarray):
        """The right picture in grey, and the inverse depth map to begin at where the frame brings none."""
        if not frame.is_stereo:
            return None, None
        right = to_grey(frame.right)
        return right, None if frame.depth is not None else coarse_disparity(grey, right)

    def _measure(self, frame: EgoFrame, grey, map_of, pixels, step: Step | None):
        """Measurements (N, 3) and their standard deviations of pixels in a frame."""
        inv, sigma_inv = measured_inverse(frame, grey, *map_of, pixels)
        seen = np.concatenate([pixels, np.nan_to_num(inv)[:, None]], 1).astype(np.float64)
        sigma = np.full(seen.shape, _SIGMA_PX)
        sigma[:, 2] = np.where(np.isfinite(inv), sigma_inv, np.inf)
        return seen, sigma


def _rig_of(frame: EgoFrame) -> tuple:
    """What must stay the same: camera, baseline, offset; and the relative error of scale that the source has."""
    scale_sigma = 0.001 if frame.is_stereo else 0.05 if frame.scale else 0.01
    return frame.camera, frame.baseline_m if frame.is_stereo else None, frame.doffs_px, scale_sigma
