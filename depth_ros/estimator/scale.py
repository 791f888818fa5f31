"""Metres for relative depth: from the camera's height over the ground, or from an odometry that
measures metres.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError

_TRIALS, _SAMPLES = 60, 700
_SAME_PLANE = 0.04  # share of inverse depth by which a point of the ground may lie off the plane
_LEAST_SHARE = 0.4  # of the lower image must be ground
_MAX_TILT_DEG = 30.0  # between the plane's normal and the camera's down
_WINDOW, _LEAST = 31, 5
_MAX_SPREAD = 0.25  # median deviation of the factors from their median, relative
_LEAST_STEP_M = 0.02  # below, wheel odometry is mostly noise
_MAX_TURN_RAD = 0.05  # above, the camera moves about the robot's centre, not with it


class ScaleSource(Protocol):
    """What finds the factor from a network's relative unit to metres.

    name: for the user. reason: why update gave None the last time. camera_height_m: over the
    ground, None where it is not known. update takes the network's answers: depth (H, W) float32,
    NaN unknown, of camera; prev_T_curr (4, 4) from this frame into that at prev_stamp_ns, or None;
    both in the relative unit. It gives metres a unit, or None where it cannot tell. travelled_m
    returns the metres between the places at two stamps, None where they are not measured.
    """

    name: str
    reason: str
    camera_height_m: float | None

    def update(self, stamp_ns, depth, camera, prev_stamp_ns, prev_T_curr) -> float | None: ...

    def travelled_m(self, start_ns: int, end_ns: int) -> float | None: ...


class MedianFactor:
    """The median of the last 31 factors; unknown while there are fewer than 5, or while they
    disagree.

    >>> median = MedianFactor()
    >>> [median.add(factor) for factor in (2.0, 2.1, 9.0, 1.9, 2.0)]
    [None, None, None, None, 2.0]
    """

    def __init__(self):
        self._factors: deque[float] = deque(maxlen=_WINDOW)
        self.reason = ""

    def add(self, factor: float | None, refusal: str = "") -> float | None:
        """Take a factor in, or the reason why there is none; gives the median, or None and sets
        reason.
        """
        if factor is not None:
            self._factors.append(factor)
        if len(self._factors) < _LEAST:
            self.reason = f"{len(self._factors)} of {_LEAST} measurements so far" + (
                f"; {refusal}" if refusal else ""
            )
            return None
        median = float(np.median(self._factors))
        spread = float(np.median(np.abs(np.asarray(self._factors) / median - 1)))
        self.reason = (
            "" if spread <= _MAX_SPREAD else f"the measurements disagree by {100 * spread:.0f} %"
        )
        return None if self.reason else median


class CameraHeightScale:
    """The factor that puts the ground at the height under the camera that the user gave.

    height_m: metres from the ground to the camera. Raises InputError unless it is above 0.
    """

    name = "camera height"

    def __init__(self, height_m: float):
        if not height_m > 0:
            raise InputError(f"expected a camera height above 0 m, got {height_m}")
        self.camera_height_m = float(height_m)
        self._median = MedianFactor()

    @property
    def reason(self) -> str:
        return self._median.reason

    def update(self, stamp_ns, depth, camera, prev_stamp_ns, prev_T_curr) -> float | None:
        height, refusal = height_over_ground(depth, camera)
        return self._median.add(None if height is None else self.camera_height_m / height, refusal)

    def travelled_m(self, start_ns: int, end_ns: int) -> float | None:
        """Return None: a height measures no distance."""
        return None


class OdometryScale:
    """The factor that makes the network's steps as long as those of an odometry topic.

    For two threads.
    """

    name = "odometry"
    camera_height_m = None

    def __init__(self):
        self._positions: deque[tuple[int, np.ndarray]] = deque(maxlen=400)
        self._steps: deque[tuple[int, int, np.ndarray]] = deque(maxlen=20)
        self._lock = threading.Lock()
        self._median = MedianFactor()

    @property
    def reason(self) -> str:
        return self._median.reason

    def add_position(self, stamp_ns: int, position: np.ndarray) -> None:
        """Take a measured position (3,) in metres, any fixed frame; stamps that go back start
        anew.
        """
        with self._lock:
            if self._positions and stamp_ns <= self._positions[-1][0]:
                self._positions.clear()
                self._steps.clear()
            self._positions.append((int(stamp_ns), np.asarray(position, np.float64)))

    def travelled_m(self, start_ns: int, end_ns: int) -> float | None:
        """Give the metres between the places at two stamps; None where the odometry does not
        reach them (yet).
        """
        with self._lock:
            ends = places_at(list(self._positions), start_ns, end_ns)
        return None if ends is None else float(np.linalg.norm(ends[1] - ends[0]))

    def update(self, stamp_ns, depth, camera, prev_stamp_ns, prev_T_curr) -> float | None:
        """Wait for the positions of a step, which may come after its images, for at most 20
        steps.
        """
        if prev_T_curr is None:
            return self._median.add(
                None, "no motion is known between the images: is there a pose model?"
            )
        with self._lock:
            self._steps.append((prev_stamp_ns, stamp_ns, prev_T_curr))
            track = list(self._positions)
            newest_ns = track[-1][0] if track else -1
            ready = [step for step in self._steps if step[1] <= newest_ns]
            self._steps = deque(
                (step for step in self._steps if step[1] > newest_ns), self._steps.maxlen
            )
        factor = self._median.add(None, "the odometry does not reach the images' stamps")
        for start_ns, end_ns, step in ready:
            factor = self._median.add(*factor_of_step(step, track, start_ns, end_ns))
        return factor


def height_over_ground(depth: np.ndarray, camera: Camera) -> tuple[float | None, str]:
    """Fit the ground to the lower image and measure how high the camera is above it.

    On a plane inverse depth is linear in the ray: n.p = d and p = z (x, y, 1) give 1 / z = n.(x, y,
    1) / d. So the plane is sought in inverse depth, whose error is even over the image: three
    points at a time (RANSAC, Fischler and Bolles 1981; always the same draws), then least squares
    over those that agree. depth: (H, W) any unit, NaN unknown. camera: of it, not tilted or rolled
    by more than 30 degrees. Returns (d in the unit of depth, ""), or (None, why not).

    >>> camera = Camera(64, 48, 50.0, 52.0, 30.5, 5.0)
    >>> rows = np.arange(48.0)[:, None] - 5.0
    >>> depth = np.broadcast_to(
    ...     np.where(rows > 0, 1.5 * 52.0 / np.maximum(rows, 1), np.nan), (48, 64)
    ... )
    >>> round(height_over_ground(depth, camera)[0], 6)
    1.5
    """
    return plane_height(*_lower_points(depth, camera))


def plane_height(rays: np.ndarray, inv_depth: np.ndarray) -> tuple[float | None, str]:
    """Measure the height over the ground from points of the lower image, as height_over_ground
    does.

    rays: (N, 3) with z = 1. inv_depth: (N,) one over any unit. Returns (height in that unit, ""),
    or (None, why not).
    """
    if len(rays) < 30:
        return None, "the lower image has hardly any depth"
    inliers = _largest_plane(rays, inv_depth)
    share = inliers.mean()
    if share < _LEAST_SHARE:
        return None, f"no plane fills the lower image: the largest has {100 * share:.0f} % of it"
    plane = np.linalg.lstsq(rays[inliers], inv_depth[inliers], rcond=None)[0]
    length = float(np.linalg.norm(plane))
    tilt_deg = float(np.degrees(np.arccos(np.clip(plane[1] / length, -1, 1))))
    if not tilt_deg <= _MAX_TILT_DEG:
        return (
            None,
            f"the plane in the lower image is no ground: it is tilted by {tilt_deg:.0f} degrees",
        )
    return 1 / length, ""


def factor_of_step(
    prev_T_curr: np.ndarray, track: list, start_ns: int, end_ns: int
) -> tuple[float | None, str]:
    """Give metres a unit from one step of the network and the same step as measured.

    prev_T_curr: (4, 4), translation in the network's unit. track: [(stamp_ns, position (3,) m)],
    stamps growing. Returns (factor, ""), or (None, why not).
    """
    ends = places_at(track, start_ns, end_ns)
    if ends is None:
        return None, "the odometry does not reach the images' stamps"
    measured_m = float(np.linalg.norm(ends[1] - ends[0]))
    turn_rad = float(np.arccos(np.clip((np.trace(prev_T_curr[:3, :3]) - 1) / 2, -1, 1)))
    step = float(np.linalg.norm(prev_T_curr[:3, 3]))
    if measured_m < _LEAST_STEP_M or step == 0:
        return None, f"the robot hardly moves: {100 * measured_m:.1f} cm between two images"
    if turn_rad > _MAX_TURN_RAD:
        return None, f"the robot turns: {np.degrees(turn_rad):.1f} degrees between two images"
    return measured_m / step, ""


def places_at(track: list, start_ns: int, end_ns: int) -> np.ndarray | None:
    """Give the positions (2, 3) at two stamps, linear between those measured; None where the track
    does not reach them.

    track: [(stamp_ns, position (3,) m)], stamps growing.

    >>> places_at([(10, np.zeros(3)), (20, np.array([0.0, 4.0, 0.0]))], 10, 15).tolist()
    [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """
    stamps = [stamp_ns for stamp_ns, _ in track]
    if not stamps or not stamps[0] <= start_ns < end_ns <= stamps[-1]:
        return None
    # Relative to the first stamp: nanoseconds since 1970 do not fit into a float64.
    times = np.array([stamp_ns - stamps[0] for stamp_ns in stamps], np.float64)
    positions = np.stack([position for _, position in track])
    return np.array(
        [
            [np.interp(t - stamps[0], times, axis) for axis in positions.T]
            for t in (start_ns, end_ns)
        ]
    )


def _lower_points(depth: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Rays (n, 3) with z = 1, and inverse depth (n,), of a grid over the lower 45 % of the
    image.
    """
    height, width = depth.shape
    top = int(0.55 * height)
    stride = max(1, int(((height - top) * width / _SAMPLES) ** 0.5))
    v, u = np.mgrid[top:height:stride, stride // 2 : width : stride]
    z = np.asarray(depth, np.float64)[v, u]
    known = np.isfinite(z) & (z > 0)
    x, y = (u[known] - camera.cx) / camera.fx, (v[known] - camera.cy) / camera.fy
    return np.stack([x, y, np.ones_like(x)], axis=1), 1 / z[known]


def _largest_plane(rays: np.ndarray, inv_depth: np.ndarray) -> np.ndarray:
    """Which points (n,) lie on the plane through three of them on which most do."""
    rng = np.random.default_rng(0)
    best = np.zeros(len(rays), bool)
    for _ in range(_TRIALS):
        chosen = rng.choice(len(rays), 3, replace=False)
        if abs(np.linalg.det(rays[chosen])) < 1e-4:
            continue  # nearly on a line
        plane = np.linalg.solve(rays[chosen], inv_depth[chosen])
        inliers = np.abs(rays @ plane - inv_depth) <= _SAME_PLANE * inv_depth
        best = inliers if inliers.sum() > best.sum() else best
    return best
