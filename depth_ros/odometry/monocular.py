"""One camera without metric depth: a local map in a unit of its own, metric where that is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse

from .epipolar import triangulate
from .inverse_depth import bearings, move, observe
from .mono_scale import MonoScale
from .pose_chain import LOST_VARIANCE
from .relative_pose import Step, estimate_step
from .residuals import Pairs
from .tracking import detect, follow
from .two_view import TwoView, two_view
from .types import EgoFrame, turns_only

_SIGMA_PX = 0.35
_POINTS = 220
# A frame becomes a keyframe: flow as a share of the width, with a map and without; share of the
# points that are left.
_FLOW_SHARE = 0.03
_TURN_SHARE = 0.15
_KEPT_SHARE = 0.6
# Before there is a map: points whose inverse depth is known to a fifth.
_LEAST_MAP = 20
_SURE = 0.2
_COMMON = 0.02  # relative: what the error of a step does to all depths alike
_COMMON_KEPT = 0.3  # the share of it that is still there in the next keyframe
_INFLATION = 2.0  # standard deviations: points are not independent of the steps that made them
_STANDING_M = 0.01
_BEHIND_SIGMAS = 2  # so far beyond infinity an inverse depth may be by noise


@dataclass(frozen=True, eq=False)
class MonoMotion:
    """The motion since the last keyframe, in the map's unit.

    Attributes:
        key_T_curr: (4, 4).
        covariance: (6, 6) of its right perturbation.
        inliers: points that agree.
        is_key: the frame has become a keyframe.
        model: "epipolar", or "rotation": then nothing is known of the translation, which is 0.
        factor: the map has just become metric, and so many metres are one of its old units; else 1.
        is_new: another map was lost before this motion: the unit is a new one.
    """

    key_T_curr: np.ndarray
    covariance: np.ndarray
    inliers: int
    is_key: bool
    model: str
    factor: float = 1.0
    is_new: bool = False


@dataclass(frozen=True, eq=False)
class _Followed:
    """N points of the keyframe in a frame.

    before, pixels (N, 2): in the keyframe and in the frame. inv, sigma (N,): inverse depth in the
    keyframe and its standard deviation, 1 over the map's unit; 0 and inf unknown. flow: the median,
    as a share of the width.
    """

    before: np.ndarray
    pixels: np.ndarray
    inv: np.ndarray
    sigma: np.ndarray
    flow: float


class Monocular:
    """Hold the last keyframe and the points seen in it; inverse depths are in the map's unit.

    Without a map two pictures are compared (two_view); when enough points have parallax they become
    the map, whose unit is the distance of these two keyframes. From then on points are resected
    like points with depth (PnP). A map that is lost is begun again, in another unit.

    Attributes:
        scale: what is known of metres.
        stamp_ns: of the keyframe, None without one.
        has_map: points have a depth.
        is_metric: the map's unit is the metre.
    """

    def __init__(self):
        self.scale = MonoScale()
        self.clear()

    def clear(self) -> None:
        """Forget the map and its unit."""
        self.stamp_ns: int | None = None
        self.has_map = False
        self.is_metric = False
        self.scale.clear()
        self._grey: np.ndarray | None = None
        self._camera: Camera | None = None

    @property
    def exists(self) -> bool:
        """True where there is a keyframe."""
        return self._grey is not None

    @property
    def count(self) -> int:
        """How many points are followed from the keyframe."""
        return len(self._pixels)

    def fits(self, frame: EgoFrame) -> bool:
        """Return whether a frame can be compared with the keyframe: the same camera."""
        return self.exists and self._camera == frame.camera

    def begin(self, frame: EgoFrame, grey: np.ndarray) -> None:
        """Make a frame the first keyframe, of a new map; grey: (H, W) uint8 of it."""
        self.clear()
        self._camera = frame.camera
        self._set_key(frame, grey, np.zeros((0, 2)), np.zeros(0), np.zeros(0))

    def match(
        self,
        frame: EgoFrame,
        grey: np.ndarray,
        predictions: list[np.ndarray],
        must_be_key: bool = False,
    ) -> MonoMotion | str:
        """Find the motion since the keyframe.

        Args:
            frame: of the same camera.
            grey: (H, W) uint8 of it.
            predictions: key_T_curr (4, 4) in the map's unit, the likeliest first.
            must_be_key: this frame becomes a keyframe in any case.

        Returns:
            The motion, or the reason why there is none.
        """
        # 1. follow the points to where the prediction expects them
        followed = self._follow(frame, grey, predictions[0])
        # 2. resect the frame in the map
        found = self._resect(frame, followed, predictions)
        if isinstance(found, Step):
            is_thin = found.inlier.sum() < _KEPT_SHARE * self.count
            is_key = followed.flow > _FLOW_SHARE or is_thin or must_be_key
            factor = 1.0
            if is_key:
                factor = self._advance(frame, grey, found.prev_T_curr, found.inlier, followed)
            return _motion(found, is_key, factor)
        # 3. without a map the two pictures are compared
        expected_R = predictions[0][:3, :3]
        found = two_view(followed.before, followed.pixels, frame.camera, expected_R)
        if isinstance(found, str):
            return found
        is_thin = found.inlier.sum() < _KEPT_SHARE * self.count
        return self._without_map(frame, grey, found, followed, is_thin or must_be_key)

    def _follow(self, frame: EgoFrame, grey: np.ndarray, key_T_curr: np.ndarray) -> _Followed:
        """Follow the points of the keyframe into a frame, from where a motion puts them."""
        moved = move(inverse(key_T_curr), bearings(self._pixels, frame.camera), self._inv)
        expected = observe(moved, self._inv, frame.camera)[:, :2]
        pixels, arrived, _ = follow(self._grey, grey, self._pixels, expected)
        before = self._pixels[arrived]
        pixels = pixels[arrived].astype(np.float64)
        flow = 0.0
        if len(pixels):
            flow = float(np.median(np.linalg.norm(pixels - before, axis=1))) / frame.camera.width
        return _Followed(before, pixels, self._inv[arrived], self._sigma[arrived], flow)

    def _resect(
        self, frame: EgoFrame, followed: _Followed, predictions: list[np.ndarray]
    ) -> Step | str:
        """The motion by the points of the map."""
        known = np.isfinite(followed.sigma) & (followed.inv > 0)
        if not self.has_map or known.sum() < _LEAST_MAP:
            return "no map"
        noise = np.full((len(known), 2), _SIGMA_PX)
        pairs = Pairs(
            np.c_[followed.before, np.where(known, followed.inv, 0.0)],
            np.c_[followed.pixels, np.zeros(len(known))],
            np.c_[noise, np.where(known, followed.sigma, np.inf)],
            np.c_[noise, np.full(len(known), np.inf)],
            frame.camera,
        )
        return estimate_step(pairs, predictions)

    def _without_map(
        self, frame: EgoFrame, grey: np.ndarray, found: TwoView, followed: _Followed, is_thin: bool
    ) -> MonoMotion:
        """A motion found by two pictures alone; with enough parallax it makes the map."""
        # what an older map knew of these points was in another unit
        count = len(followed.inv)
        followed = replace(followed, inv=np.zeros(count), sigma=np.full(count, np.inf))
        if found.model == "epipolar":
            inv, sigma = _depths(found.prev_T_curr, followed, frame.camera)
            if (found.inlier & (sigma < _SURE * inv)).sum() >= _LEAST_MAP:
                had_map = self.has_map
                self.scale.begin_unit()
                self.is_metric = False
                factor = self._advance(frame, grey, found.prev_T_curr, found.inlier, followed)
                self.has_map = True
                return _motion(found, True, factor, is_new=had_map)
        # nothing but the rotation is known: wheels may know that the camera hardly moved
        T = np.eye(4)
        T[:3, :3] = found.prev_T_curr[:3, :3]
        variance = LOST_VARIANCE
        travelled_m = self.scale.travelled_m
        if travelled_m is not None and self.is_metric:
            variance = (_STANDING_M + travelled_m) ** 2
        covariance = turns_only(found.covariance)
        covariance[range(3), range(3)] = variance
        inliers = int(found.inlier.sum())
        is_key = followed.flow > _TURN_SHARE or is_thin
        if is_key:
            unknown = np.full(inliers, np.inf)
            self._set_key(frame, grey, followed.pixels[found.inlier], np.zeros(inliers), unknown)
        return MonoMotion(T, covariance, inliers, is_key, "rotation")

    def _advance(
        self,
        frame: EgoFrame,
        grey: np.ndarray,
        key_T_curr: np.ndarray,
        inlier: np.ndarray,
        followed: _Followed,
    ) -> float:
        """Make the frame the keyframe: its points, deeper known by this step; the factor by
        which the unit changed.
        """
        inv, sigma = _depths(key_T_curr, followed, frame.camera)
        keep = inlier & (inv > -_BEHIND_SIGMAS * sigma)
        inv = inv[keep]
        sigma = sigma[keep]
        pixels = followed.pixels[keep]
        unknown = ~((inv > 0) & np.isfinite(sigma))
        inv[unknown] = 0.0
        sigma[unknown] = np.inf
        self.scale.measure(frame, key_T_curr, bearings(pixels, frame.camera), inv, sigma)
        factor = 1.0
        unit_m = self.scale.unit_m
        if unit_m is not None:
            # the map is metric from here on: one unit was so many metres
            inv = inv / unit_m
            sigma = sigma / unit_m
            self.scale.rescaled(unit_m)
            factor = 1.0 if self.is_metric else unit_m
            self.is_metric = True
        self._set_key(frame, grey, pixels, inv, sigma)
        return factor

    def _set_key(self, frame: EgoFrame, grey: np.ndarray, pixels, inv, sigma) -> None:
        """Keep the frame, its points, and new ones where there are few."""
        more = detect(grey, pixels, max(_POINTS - len(pixels), 0))
        self._pixels = np.concatenate([pixels, more]).astype(np.float64)
        self._inv = np.concatenate([inv, np.zeros(len(more))])
        self._sigma = np.concatenate([sigma, np.full(len(more), np.inf)])
        self.stamp_ns = frame.stamp_ns
        self._grey = grey
        self.scale.new_key()


def _motion(found: Step | TwoView, is_key: bool, factor: float, is_new: bool = False) -> MonoMotion:
    """The result, in the unit that holds from now on."""
    T = found.prev_T_curr.copy()
    T[:3, 3] *= factor
    unit = np.diag([_INFLATION * factor] * 3 + [_INFLATION] * 3)
    covariance = unit @ found.covariance @ unit
    return MonoMotion(T, covariance, int(found.inlier.sum()), is_key, "epipolar", factor, is_new)


def _depths(
    key_T_curr: np.ndarray, followed: _Followed, camera: Camera
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse depths (N,) in the new frame and their standard deviations: what was known, fused
    with what this step shows.
    """
    # 1. triangulate in the keyframe; the error of the step is common to all points
    curr_T_key = inverse(key_T_curr)
    R = curr_T_key[:3, :3]
    t = curr_T_key[:3, 3]
    x = bearings(followed.before, camera)
    y = bearings(followed.pixels, camera)
    seen, slope = triangulate(R, t, x, y)
    seen_sigma = np.hypot(slope * np.sqrt(2.0) * _SIGMA_PX / camera.fx, _COMMON * np.abs(seen))
    # 2. the mean of both, weighted by their information
    old = np.where(np.isfinite(followed.sigma), followed.sigma, 1e9) ** -2.0
    new = seen_sigma**-2.0
    fused = (followed.inv * old + seen * new) / (old + new)
    fused_sigma = (old + new) ** -0.5
    # 3. carry over: inv' = inv / z with z = (R x)_z + t_z inv
    turned_z = (x @ R.T)[:, 2]
    z = np.maximum(turned_z + t[2] * fused, 1e-3)
    inv = fused / z
    sigma = np.hypot(fused_sigma * turned_z / z**2, _COMMON_KEPT * _COMMON * np.abs(inv))
    return inv, sigma
