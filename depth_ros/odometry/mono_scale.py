"""Metres for the local map of one camera: from what moves with it, or from the ground under it."""

from __future__ import annotations

from collections import deque

import numpy as np

from depth_ros.core.lie import so3_log
from depth_ros.estimator.scale import plane_height

from .tracking import sample
from .types import EgoFrame

SOURCES = (
    "depth",
    "odometry",
    "camera height",
    "imu",
    "network",
)  # the first that is known is believed
_WINDOW, _LEAST, _MOST_SPREAD = 31, 5, 0.25
_LEAST_SIGMA = 0.02  # relative; a map drifts between the measurements
_LEAST_STEP_M, _MOST_TURN_RAD = (
    0.03,
    0.1,
)  # wheels measure less badly; a camera turns about the robot, not with it
_FEW_DEPTHS = 5
_GROUND_ROW = 0.55  # the ground lies below, share of the height
_SURE = 0.3  # relative sigma of the inverse depth that a point of the map may have here


class MonoScale:
    """Collect factors, metres in a unit of the map, from keyframe to keyframe.

    name: the source that is believed now, "none" while there is none. unit_m, sigma: its factor and
    the relative standard deviation of it. reason: why nothing is known.
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        """Forget all: the map is new, and so is its unit."""
        self._factors = {name: deque(maxlen=_WINDOW) for name in SOURCES}
        self._depth_name = "depth"
        self.name, self.unit_m, self.sigma = "none", None, np.inf
        self.reason = (
            "nothing gives metres: no depth, wheel odometry, camera height, IMU or pose network"
        )
        self.new_key()

    def new_key(self) -> None:
        """Begin to measure the way from here."""
        self.travelled_m: float | None = 0.0
        self._network: np.ndarray | None = np.eye(4)

    def travel(self, frame: EgoFrame, with_network: bool) -> None:
        """Take in how far wheels and the pose network say that the camera came since the
        previous frame.
        """
        known = self.travelled_m is not None and frame.travelled_m is not None
        self.travelled_m = self.travelled_m + frame.travelled_m if known else None
        known = with_network and self._network is not None and frame.network_motion is not None
        self._network = self._network @ frame.network_motion if known else None

    def rescaled(self, factor: float) -> None:
        """The map's unit is now what factor old units were."""
        for factors in self._factors.values():
            for i in range(len(factors)):
                factors[i] /= factor
        self.unit_m = None if self.unit_m is None else self.unit_m / factor

    def measure(
        self, frame: EgoFrame, key_T_curr: np.ndarray, rays, inv, sigma, imu_m: float | None = None
    ) -> None:
        """Compare the step since the last keyframe, and the map as this frame sees it, with
        everything that has metres.

        key_T_curr: (4, 4) units. rays (N, 3) z = 1, inv, sigma (N,): the points in this frame, one
        over units. imu_m: metres of the step by an IMU.
        """
        way = float(np.linalg.norm(key_T_curr[:3, 3]))
        turns = np.linalg.norm(so3_log(key_T_curr[:3, :3])) > _MOST_TURN_RAD
        for name, metres in (
            ("odometry", self.travelled_m),
            ("imu", imu_m),
            ("network", self._network_m()),
        ):
            if (
                metres is not None
                and metres > _LEAST_STEP_M
                and way > 0
                and not (turns and name == "odometry")
            ):
                self._factors[name].append(metres / way)
        sure = np.isfinite(sigma) & (sigma < _SURE * inv)
        self._measure_depth(frame, rays[sure], inv[sure])
        if frame.camera_height_m is not None:
            low = sure & (
                rays[:, 1] * frame.camera.fy + frame.camera.cy > _GROUND_ROW * frame.camera.height
            )
            height, why_not = plane_height(rays[low], inv[low])
            if height is None:
                self.reason = why_not
            else:
                self._factors["camera height"].append(frame.camera_height_m / height)
        self._choose()

    def _network_m(self) -> float | None:
        """Metres since the keyframe by the pose network."""
        return None if self._network is None else float(np.linalg.norm(self._network[:3, 3]))

    def _measure_depth(self, frame: EgoFrame, rays, inv) -> None:
        """A few pixels with metric depth among the points of the map are enough, and at once."""
        if frame.depth is None:
            return
        camera = frame.camera
        pixels = rays[:, :2] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
        metres = sample(frame.depth, pixels)
        ratio = (inv * metres)[np.isfinite(metres) & (metres > 0)]
        if len(ratio) < _FEW_DEPTHS:
            return
        self._depth_name = frame.scale or "depth"
        median = float(np.median(ratio))
        if np.median(np.abs(ratio / median - 1)) < _MOST_SPREAD:
            self._factors["depth"].extend(
                [median] * _LEAST
            )  # one frame of many points is worth five steps

    def _choose(self) -> None:
        """Believe the first source whose factors are enough and agree."""
        for name in SOURCES:
            values = np.array(self._factors[name])
            if len(values) < _LEAST:
                continue
            median = float(np.median(values))
            spread = float(np.median(np.abs(values / median - 1)))
            if spread > _MOST_SPREAD:
                self.reason = f"{name}: the measurements disagree by {100 * spread:.0f} %"
                continue
            self.name, self.unit_m, self.reason = (
                self._depth_name if name == "depth" else name,
                median,
                "",
            )
            self.sigma = float(max(_LEAST_SIGMA, 1.9 * spread / np.sqrt(len(values))))
            return
        if not self.reason or self.unit_m is None:
            most = max(SOURCES, key=lambda name: len(self._factors[name]))
            if self._factors[most]:
                self.reason = f"{most}: {len(self._factors[most])} of {_LEAST} measurements so far"
