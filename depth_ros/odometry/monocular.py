"""One camera without metric depth: a local map in a unit of its own, and metres for it where
something gives them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.core.lie import inverse

from .inverse_depth import bearings, move, observe
from .mono_scale import MonoScale
from .relative_pose import Step, estimate_step
from .tracking import detect, follow
from .two_view import TwoView, triangulate, two_view
from .types import EgoFrame

_SIGMA_PX, _POINTS = 0.35, 220
_FLOW_SHARE, _TURN_SHARE, _KEPT_SHARE = (
    0.03,
    0.15,
    0.6,
)  # of the width; of the width, without a map; of the points
_LEAST_MAP, _SURE = 20, 0.2  # points whose inverse depth is known to a fifth, before there is a map
_COMMON = 0.02  # relative: what the error of a step does to all depths alike
_INFLATION = 2.0  # standard deviations: points are not independent of the steps that made them
_STANDING_M = 0.01


@dataclass(frozen=True, eq=False)
class MonoMotion:
    """key_T_curr (4, 4) since the last keyframe, covariance (6, 6) of its right perturbation, both
    in the map's unit.

    model: "epipolar", or "rotation": then nothing is known of the translation, which is 0. factor:
    the map has just become metric, and so many metres are one of its old units; else 1. is_new:
    there was no map before this motion.
    """

    key_T_curr: np.ndarray
    covariance: np.ndarray
    inliers: int
    is_key: bool
    model: str
    factor: float = 1.0
    is_new: bool = False


class Monocular:
    """Hold the last keyframe and the points seen in it; inverse depths are in the map's unit.

    Without a map two pictures are compared (two_view); when enough points have parallax they become
    the map, whose unit is the distance of these two keyframes. From then on points are resected
    like points with depth (PnP). A map that is lost is begun again, in another unit. scale: what is
    known of metres.
    """

    def __init__(self):
        self.scale = MonoScale()
        self.clear()

    def clear(self) -> None:
        """Forget the map and its unit."""
        self.stamp_ns: int | None = None
        self._grey = self._camera = None
        self.has_map = self.is_metric = False
        self.scale.clear()

    @property
    def exists(self) -> bool:
        """True where there is a keyframe."""
        return self._grey is not None

    @property
    def count(self) -> int:
        """How many points are followed from the keyframe."""
        return len(self._pixels)

    def fits(self, frame: EgoFrame) -> bool:
        """Tell whether a frame can be compared with the keyframe: the same camera."""
        return self.exists and self._camera == frame.camera

    def begin(self, frame: EgoFrame, grey: np.ndarray) -> None:
        """Make a frame the first keyframe: a new map."""
        self.clear()
        self._camera = frame.camera
        self._set_key(frame, grey, np.zeros((0, 2)), np.zeros(0), np.zeros(0))

    def match(self, frame: EgoFrame, grey, guesses, guess_R, must_be_key=False, imu_m=None):
        """Find the motion since the keyframe: MonoMotion, or the reason why there is none.

        guesses: key_T_curr (4, 4) in the map's unit, the likeliest first. guess_R: key_R_curr (3,
        3) or None. must_be_key: this frame becomes a keyframe in any case. imu_m: metres since the
        keyframe by an IMU.
        """
        moved = move(inverse(guesses[0]), bearings(self._pixels, frame.camera), self._inv)
        start = observe(moved, self._inv, frame.camera)[:, :2]
        pixels, arrived = follow(self._grey, grey, self._pixels, start)[:2]
        before, inv, sigma = self._pixels[arrived], self._inv[arrived], self._sigma[arrived]
        pixels = pixels[arrived].astype(np.float64)
        found = self._resect(frame, before, inv, sigma, pixels, guesses)
        is_new = isinstance(found, str)
        if is_new:
            found = two_view(before, pixels, frame.camera, guess_R)
            if isinstance(found, str):
                return found
        flow = float(np.median(np.linalg.norm(pixels - before, axis=1))) / frame.camera.width
        is_thin = found.inlier.sum() < _KEPT_SHARE * len(self._pixels)
        data = (before, pixels, inv, sigma)
        if is_new:
            data = (before, pixels, np.zeros(len(inv)), np.full(len(inv), np.inf))
            return self._without_map(frame, grey, found, data, flow, is_thin or must_be_key)
        is_key = flow > _FLOW_SHARE or is_thin or must_be_key
        factor = self._advance(frame, grey, found, data, imu_m) if is_key else 1.0
        return self._motion(found, is_key, factor, "epipolar")

    def _resect(self, frame, before, inv, sigma, pixels, guesses) -> Step | str:
        """The motion by the points of the map."""
        known = np.isfinite(sigma) & (inv > 0)
        if not self.has_map or known.sum() < _LEAST_MAP:
            return "no map"
        flat = np.concatenate([pixels, np.zeros((len(pixels), 1))], 1)
        noise = np.full((len(pixels), 2), _SIGMA_PX)
        return estimate_step(
            np.c_[before, np.where(known, inv, 0.0)],
            flat,
            np.c_[noise, np.where(known, sigma, np.inf)],
            np.c_[noise, np.full(len(pixels), np.inf)],
            frame.camera,
            guesses,
        )

    def _without_map(
        self, frame, grey, found: TwoView, data, flow: float, is_thin: bool
    ) -> MonoMotion:
        """A motion found by two pictures alone; with enough parallax it makes the map."""
        had_map, travelled_m = self.has_map, self.scale.travelled_m
        if found.model == "epipolar":
            inv, sigma = _depths(found, data, frame.camera)
            if (found.inlier & (sigma < _SURE * inv)).sum() >= _LEAST_MAP:
                self.scale_begins_anew(frame)
                factor = self._advance(frame, grey, found, data, None)
                self.has_map = True
                return self._motion(found, True, factor, "epipolar", is_new=had_map)
        T, covariance = np.eye(4), found.covariance.copy()
        T[:3, :3] = found.prev_T_curr[:3, :3]
        covariance[:3], covariance[:, :3] = 0.0, 0.0
        standing = travelled_m is not None and self.is_metric
        covariance[range(3), range(3)] = (_STANDING_M + travelled_m) ** 2 if standing else 1e6
        is_key = flow > _TURN_SHARE or is_thin
        if is_key:
            keep, pixels = found.inlier, data[1]
            count = int(keep.sum())
            self._set_key(frame, grey, pixels[keep], np.zeros(count), np.full(count, np.inf))
        return MonoMotion(T, covariance, int(found.inlier.sum()), is_key, "rotation")

    def scale_begins_anew(self, frame: EgoFrame) -> None:
        """A new map has a new unit; what was travelled to its second keyframe is kept."""
        kept = self.scale.travelled_m, self.scale._network
        self.scale.clear()
        self.is_metric = False
        self.scale.travelled_m, self.scale._network = kept

    def _advance(self, frame, grey, found, data, imu_m) -> float:
        """Make the frame the keyframe: its points, deeper known by this step; the factor by
        which the unit changed.
        """
        inv, sigma = _depths(found, data, frame.camera)
        keep = found.inlier & (inv > -2 * sigma)
        inv, sigma, pixels = inv[keep], sigma[keep], data[1][keep]
        unknown = ~((inv > 0) & np.isfinite(sigma))
        inv[unknown], sigma[unknown] = 0.0, np.inf
        rays = bearings(pixels, frame.camera)
        self.scale.measure(frame, found.prev_T_curr, rays, inv, sigma, imu_m)
        factor, unit_m = 1.0, self.scale.unit_m
        if unit_m is not None:
            inv, sigma = inv / unit_m, sigma / unit_m
            self.scale.rescaled(unit_m)
            factor = 1.0 if self.is_metric else unit_m
            self.is_metric = True
        self._set_key(frame, grey, pixels, inv, sigma)
        return factor

    def _set_key(self, frame, grey, pixels, inv, sigma) -> None:
        """Keep the frame, its points, and new ones where there are few."""
        more = detect(grey, pixels, max(_POINTS - len(pixels), 0))
        self._pixels = np.concatenate([pixels, more]).astype(np.float64)
        self._inv = np.concatenate([inv, np.zeros(len(more))])
        self._sigma = np.concatenate([sigma, np.full(len(more), np.inf)])
        self.stamp_ns, self._grey = frame.stamp_ns, grey
        self.scale.new_key()

    def _motion(self, found, is_key, factor, model, is_new=False) -> MonoMotion:
        """The result, in the unit that holds from now on."""
        T = found.prev_T_curr.copy()
        T[:3, 3] *= factor
        unit = np.diag([_INFLATION * factor] * 3 + [_INFLATION] * 3)
        covariance = unit @ found.covariance @ unit
        return MonoMotion(T, covariance, int(found.inlier.sum()), is_key, model, factor, is_new)


def _depths(found, data, camera):
    """Inverse depths (N,) in the new frame and their standard deviations: what was known, and
    what this step shows.
    """
    before, pixels, inv, sigma = data
    curr_T_key = inverse(found.prev_T_curr)
    R, t = curr_T_key[:3, :3], curr_T_key[:3, 3]
    x, y = bearings(before, camera), bearings(pixels, camera)
    seen, slope = triangulate(R, t, x, y)
    seen_sigma = np.hypot(slope * np.sqrt(2.0) * _SIGMA_PX / camera.fx, _COMMON * np.abs(seen))
    old, new = np.where(np.isfinite(sigma), sigma, 1e9) ** -2.0, seen_sigma**-2.0
    fused, fused_sigma = (inv * old + seen * new) / (old + new), (old + new) ** -0.5
    z = np.maximum((x @ R.T)[:, 2] + t[2] * fused, 1e-3)
    return fused / z, np.hypot(
        fused_sigma * (x @ R.T)[:, 2] / z**2, 0.3 * _COMMON * np.abs(fused / z)
    )
