"""Metres for relative depth: from the camera's height over the ground, or from an odometry that
measures metres.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from depth_ros.core.errors import InputError

from .factor_window import MedianFactor
from .ground_plane import height_over_ground

_LEAST_STEP_M = 0.02  # below, wheel odometry is mostly noise
_MAX_TURN_RAD = 0.05  # above, the camera moves about the robot's centre, not with it
_NOT_REACHED = "the odometry does not reach the images' stamps"
_TRACK_LENGTH = 400  # positions of the odometry topic that are kept
_WAITING_STEPS = 20  # steps that wait for their positions


class ScaleSource(Protocol):
    """What finds the factor from a network's relative unit to metres.

    Attributes:
        name: For the user.
        reason: Why update returned None the last time; "" where it did not.
        camera_height_m: Metres from the ground to the camera; None where that is not known.
    """

    name: str
    reason: str
    camera_height_m: float | None

    def update(self, stamp_ns, depth, camera, prev_stamp_ns, prev_T_curr) -> float | None:
        """Measure once more.

        Args:
            stamp_ns: Of the frame.
            depth: (H, W) float32, relative, NaN unknown.
            camera: Of depth.
            prev_stamp_ns: Of the frame before, or None.
            prev_T_curr: (4, 4) from this frame into that before, translation in the unit of depth,
                or None.

        Returns:
            Metres in one unit of depth; None where that is not known.
        """
        ...

    def travelled_m(self, start_ns: int, end_ns: int) -> float | None:
        """Measure how far the camera came.

        Args:
            start_ns: The earlier stamp.
            end_ns: The later stamp.

        Returns:
            Metres between its places at the two stamps; None where they are not measured.
        """
        ...


class CameraHeightScale:
    """The factor that puts the ground at the height under the camera that the user gave.

    Args:
        height_m: From the ground to the camera.

    Raises:
        InputError: For a height that is not above 0.
    """

    name = "camera height"

    def __init__(self, height_m: float):
        if not height_m > 0:
            raise InputError(f"expected a camera height above 0 m, got {height_m}")
        self.camera_height_m = float(height_m)
        self._median = MedianFactor()

    @property
    def reason(self) -> str:
        """See ScaleSource."""
        return self._median.reason

    def update(self, stamp_ns, depth, camera, prev_stamp_ns, prev_T_curr) -> float | None:
        """Measure the height in this depth, see ScaleSource."""
        height, refusal = height_over_ground(depth, camera)
        factor = None if height is None else self.camera_height_m / height
        return self._median.add(factor, refusal)

    def travelled_m(self, start_ns: int, end_ns: int) -> float | None:
        """Return None: a height measures no distance."""
        return None


@dataclass(frozen=True, eq=False)
class _Step:
    """A motion of the network between two stamps."""

    start_ns: int
    end_ns: int
    prev_T_curr: np.ndarray


class OdometryScale:
    """The factor that makes the network's motion as long as that of an odometry topic.

    Positions may come from another thread.
    """

    name = "odometry"
    camera_height_m = None

    def __init__(self):
        self._positions: deque[tuple[int, np.ndarray]] = deque(maxlen=_TRACK_LENGTH)
        self._waiting: deque[_Step] = deque(maxlen=_WAITING_STEPS)
        self._lock = threading.Lock()
        self._median = MedianFactor()

    @property
    def reason(self) -> str:
        """See ScaleSource."""
        return self._median.reason

    def add_position(self, stamp_ns: int, position: np.ndarray) -> None:
        """Add a measured position; a stamp that goes back starts anew.

        Args:
            stamp_ns: When it was measured.
            position: (3,) metres, in any fixed frame.
        """
        with self._lock:
            if self._positions and stamp_ns <= self._positions[-1][0]:
                self._positions.clear()
                self._waiting.clear()
            self._positions.append((int(stamp_ns), np.asarray(position, np.float64)))

    def travelled_m(self, start_ns: int, end_ns: int) -> float | None:
        """Return the metres between the positions at two stamps; None where not measured (yet)."""
        with self._lock:
            ends = places_at(list(self._positions), start_ns, end_ns)
        return None if ends is None else float(np.linalg.norm(ends[1] - ends[0]))

    def update(self, stamp_ns, depth, camera, prev_stamp_ns, prev_T_curr) -> float | None:
        """Compare motions, see ScaleSource; at most 20 wait for positions that come later."""
        if prev_T_curr is None:
            return self._median.add(
                None, "no motion is known between the images: is there a pose model?"
            )
        with self._lock:
            self._waiting.append(_Step(prev_stamp_ns, stamp_ns, prev_T_curr))
            track = list(self._positions)
            ready = self._take_ready()
        factor = self._median.add(None, _NOT_REACHED)
        for step in ready:
            factor = self._median.add(
                *factor_of_step(step.prev_T_curr, track, step.start_ns, step.end_ns)
            )
        return factor

    def _take_ready(self) -> list[_Step]:
        """Take the steps out whose positions are there; with the lock."""
        newest_ns = self._positions[-1][0] if self._positions else -1
        ready = [step for step in self._waiting if step.end_ns <= newest_ns]
        late = [step for step in self._waiting if step.end_ns > newest_ns]
        self._waiting = deque(late, _WAITING_STEPS)
        return ready


def factor_of_step(
    prev_T_curr: np.ndarray, track: list, start_ns: int, end_ns: int
) -> tuple[float | None, str]:
    """Compare one motion of the network with the same motion as measured.

    Args:
        prev_T_curr: (4, 4), translation in the network's unit.
        track: [(stamp_ns, position (3,) m)], stamps growing.
        start_ns: When the motion began.
        end_ns: When it ended.

    Returns:
        (metres in one unit, ""), or (None, why not).
    """
    ends = places_at(track, start_ns, end_ns)
    if ends is None:
        return None, _NOT_REACHED
    measured_m = float(np.linalg.norm(ends[1] - ends[0]))
    cosine = (np.trace(prev_T_curr[:3, :3]) - 1) / 2
    turn_rad = float(np.arccos(np.clip(cosine, -1, 1)))
    length = float(np.linalg.norm(prev_T_curr[:3, 3]))
    if measured_m < _LEAST_STEP_M or length == 0:
        return None, f"the robot hardly moves: {100 * measured_m:.1f} cm between two images"
    if turn_rad > _MAX_TURN_RAD:
        return None, f"the robot turns: {np.degrees(turn_rad):.1f} degrees between two images"
    return measured_m / length, ""


def places_at(track: list, start_ns: int, end_ns: int) -> np.ndarray | None:
    """Interpolate the positions at two stamps, linearly.

    Args:
        track: [(stamp_ns, position (3,) m)], stamps growing.
        start_ns: The earlier stamp.
        end_ns: The later stamp.

    Returns:
        (2, 3) metres; None where the track does not reach them.

    >>> places_at([(10, np.zeros(3)), (20, np.array([0.0, 4.0, 0.0]))], 10, 15).tolist()
    [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """
    stamps = [stamp_ns for stamp_ns, _ in track]
    if not stamps or not stamps[0] <= start_ns < end_ns <= stamps[-1]:
        return None
    # Relative to the first stamp: nanoseconds since 1970 do not fit into a float64.
    times = np.array([stamp_ns - stamps[0] for stamp_ns in stamps], np.float64)
    wanted = np.array([start_ns - stamps[0], end_ns - stamps[0]], np.float64)
    positions = np.stack([position for _, position in track])
    return np.stack([np.interp(wanted, times, axis) for axis in positions.T], axis=1)
