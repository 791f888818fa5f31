"""Metres for the local map of one camera: from what moves with it, or from the ground under it."""

from __future__ import annotations

import numpy as np

from depth_ros.core.lie import so3_log
from depth_ros.estimator.factor_window import (
    LEAST_FACTORS,
    FactorWindow,
    agrees,
    relative_spread,
)
from depth_ros.estimator.ground_plane import plane_height

from .tracking import sample
from .types import EgoFrame

SOURCES = ("depth", "odometry", "camera height", "network")  # the first that is known is believed
_LEAST_SIGMA = 0.02  # relative; a map drifts between the measurements
_MEDIAN_SIGMA = 1.9  # of a median of n values, standard deviation, in median deviations / sqrt(n)
_LEAST_STEP_M = 0.03  # of less, wheels measure little but their own error
_MOST_TURN_RAD = 0.1  # a camera turns about the robot, not with it
_FEW_DEPTHS = 5
_GROUND_ROW = 0.55  # the ground lies below, share of the height
_SURE = 0.3  # relative sigma of the inverse depth that a point of the map may have here


class MonoScale:
    """Collect factors, metres in a unit of the map, from keyframe to keyframe.

    Attributes:
        name: the source that is believed now, "none" while there is none.
        unit_m: metres in a unit, None unknown.
        sigma: the relative standard deviation of it.
        reason: why nothing is known.
        travelled_m: metres since the keyframe by wheels, None unknown.
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        """Forget all: the map is new, and so is its unit."""
        self._factors = {name: FactorWindow() for name in SOURCES}
        self._depth_name = "depth"
        self.name = "none"
        self.unit_m: float | None = None
        self.sigma = np.inf
        self.reason = (
            "nothing gives metres: no depth, wheel odometry, camera height or pose network"
        )
        self.new_key()

    def begin_unit(self) -> None:
        """Forget the unit: a new map has another one; what was travelled so far still counts."""
        travelled_m = self.travelled_m
        network = self._network
        self.clear()
        self.travelled_m = travelled_m
        self._network = network

    def new_key(self) -> None:
        """Begin to measure the path from here."""
        self.travelled_m: float | None = 0.0
        self._network: np.ndarray | None = np.eye(4)

    def travel(self, frame: EgoFrame, with_network: bool) -> None:
        """Add up how far the camera came since the previous frame by wheels and by the pose
        network; one that misses a frame is unknown until the next keyframe.
        """
        if self.travelled_m is not None and frame.travelled_m is not None:
            self.travelled_m += frame.travelled_m
        else:
            self.travelled_m = None
        if with_network and self._network is not None and frame.network_motion is not None:
            self._network = self._network @ frame.network_motion
        else:
            self._network = None

    def rescaled(self, factor: float) -> None:
        """Change the unit: the new one is what factor old ones were."""
        for window in self._factors.values():
            window.rescale(factor)
        if self.unit_m is not None:
            self.unit_m /= factor

    def measure(
        self,
        frame: EgoFrame,
        key_T_curr: np.ndarray,
        rays: np.ndarray,
        inv: np.ndarray,
        sigma: np.ndarray,
    ) -> None:
        """Compare the step since the last keyframe, and the map as this frame sees it, with
        everything that has metres.

        Args:
            frame: what is known of metres.
            key_T_curr: (4, 4) in units of the map.
            rays: (N, 3) z = 1, the points in this frame.
            inv: (N,) their inverse depths, one over units.
            sigma: (N,) standard deviations, inf unknown.
        """
        self._measure_step(key_T_curr)
        sure = np.isfinite(sigma) & (sigma < _SURE * inv)
        self._measure_depth(frame, rays[sure], inv[sure])
        self._measure_height(frame, rays[sure], inv[sure])
        self._choose()

    def _measure_step(self, key_T_curr: np.ndarray) -> None:
        """Compare the length of the step with wheels and the pose network."""
        length = float(np.linalg.norm(key_T_curr[:3, 3]))
        if length == 0:
            return
        turn_rad = np.linalg.norm(so3_log(key_T_curr[:3, :3]))
        wheels_m = self.travelled_m
        if wheels_m is not None and wheels_m > _LEAST_STEP_M and turn_rad <= _MOST_TURN_RAD:
            self._factors["odometry"].add(wheels_m / length)
        if self._network is not None:
            network_m = float(np.linalg.norm(self._network[:3, 3]))
            if network_m > _LEAST_STEP_M:
                self._factors["network"].add(network_m / length)

    def _measure_height(self, frame: EgoFrame, rays: np.ndarray, inv: np.ndarray) -> None:
        """Compare the height over the ground with that of the camera."""
        if frame.camera_height_m is None:
            return
        row = rays[:, 1] * frame.camera.fy + frame.camera.cy
        low = row > _GROUND_ROW * frame.camera.height
        height, why_not = plane_height(rays[low], inv[low])
        if height is None:
            self.reason = why_not
        else:
            self._factors["camera height"].add(frame.camera_height_m / height)

    def _measure_depth(self, frame: EgoFrame, rays: np.ndarray, inv: np.ndarray) -> None:
        """Compare with metric depth at the points of the map: a few are enough, and at once."""
        if frame.depth is None:
            return
        camera = frame.camera
        pixels = rays[:, :2] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
        metres = sample(frame.depth, pixels)
        ratio = (inv * metres)[np.isfinite(metres) & (metres > 0)]
        if len(ratio) < _FEW_DEPTHS:
            return
        self._depth_name = frame.scale or "depth"
        if agrees(relative_spread(ratio)):
            median = float(np.median(ratio))
            for _ in range(LEAST_FACTORS):  # one frame of many points is worth five steps
                self._factors["depth"].add(median)

    def _choose(self) -> None:
        """Believe the first source whose factors are enough and agree."""
        for name in SOURCES:
            window = self._factors[name]
            if not window.is_enough:
                continue
            if window.disagreement:
                self.reason = f"{name}: {window.disagreement}"
                continue
            self.name = self._depth_name if name == "depth" else name
            self.unit_m = window.median
            self.reason = ""
            sigma = _MEDIAN_SIGMA * window.spread / np.sqrt(len(window))
            self.sigma = float(max(_LEAST_SIGMA, sigma))
            return
        if not self.reason or self.unit_m is None:
            most = max(SOURCES, key=lambda name: len(self._factors[name]))
            if self._factors[most]:
                self.reason = (
                    f"{most}: {len(self._factors[most])} of {LEAST_FACTORS} measurements so far"
                )
