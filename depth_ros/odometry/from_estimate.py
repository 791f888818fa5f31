"""Convert estimates of depth to frames of odometry, in the node and in evaluations alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from depth_ros.core.types import Estimate
from depth_ros.estimator.scale import ScaleSource

from .odometry import EgoMotion
from .types import EgoEstimate, EgoFrame, ImuSample

_STEPS = 64  # of the pose network that are remembered, to bridge frames that were dropped


def no_imu(stamp_ns: int, frame_id: str) -> Iterable[ImuSample]:
    """Return no readings: there is no IMU."""
    return ()


def no_wheels(start_ns: int, end_ns: int) -> float | None:
    """Return None: nothing measures the distance travelled."""
    return None


@dataclass(frozen=True)
class OdometryInputs:
    """What odometry is fed besides the estimates; the default is nothing.

    Attributes:
        imu: called with (stamp_ns, frame_id) of a frame; returns the readings of the second up to
            this stamp, in the axes of that camera.
        travelled_m: called with (start_ns, end_ns); returns the metres that wheels measured between
            these stamps, None where that is unknown. For one camera without a baseline.
        camera_height_m: metres of the camera over the ground, None unknown. For one camera.
    """

    imu: Callable[[int, str], Iterable[ImuSample]] = no_imu
    travelled_m: Callable[[int, int], float | None] = no_wheels
    camera_height_m: float | None = None

    @classmethod
    def from_scale(
        cls,
        scale: ScaleSource | None,
        imu: Callable[[int, str], Iterable[ImuSample]] = no_imu,
    ) -> OdometryInputs:
        """Return what the scale source of an estimator knows of wheels and of the camera's height.

        Args:
            scale: of the estimator, None where it has none.
            imu: as in the attributes.
        """
        if scale is None:
            return cls(imu=imu)
        return cls(imu, scale.travelled_m, scale.camera_height_m)


class EstimateConverter:
    """Convert the estimates of one camera, in order, to what EgoMotion.update takes.

    Every estimate is remembered, also one that is dropped before it is converted: the pose
    network's steps over dropped frames are chained, so that a frame's motion begins at the frame
    that was converted before it. `remember` may be called by another thread than `convert`.
    """

    def __init__(self, inputs: OdometryInputs | None = None):
        self._inputs = OdometryInputs() if inputs is None else inputs
        self._steps: deque[tuple[int, int, np.ndarray]] = deque(maxlen=_STEPS)
        self._last_ns: int | None = None

    def reset(self) -> None:
        """Forget the last frame: the next one has no step from it, and no distance."""
        self._last_ns = None

    def remember(self, estimate: Estimate) -> None:
        """Keep the pose network's step of an estimate, if it is in metres."""
        is_metric = estimate.depth is not None
        if estimate.prev_T_curr is not None and is_metric:
            self._steps.append((estimate.prev_stamp_ns, estimate.stamp_ns, estimate.prev_T_curr))

    def convert(
        self, estimate: Estimate, recorded_depth: np.ndarray | None = None
    ) -> tuple[EgoFrame, list[ImuSample]]:
        """Return the frame of an estimate that was remembered, and the IMU's readings up to it.

        Args:
            estimate: of a frame after all that were converted before; rectified images. Depth is
                taken where it is metric, relative depth is not used.
            recorded_depth: (H, W) metres of a depth camera, NaN unknown; it stands in for the pair
                and for the estimate.

        Returns:
            The frame, and the readings in the axes of its camera, [] without an IMU.

        Raises:
            ImageError, CalibrationError: the estimate does not fit its own camera or rig.
        """
        last_ns = self._last_ns
        self._last_ns = estimate.stamp_ns
        # list() of a deque is one operation of the interpreter: `remember` cannot come between
        network_motion = chained(list(self._steps), last_ns, estimate.stamp_ns)
        imu = list(self._inputs.imu(estimate.stamp_ns, estimate.frame_id))
        if recorded_depth is not None:
            return _recorded_frame(estimate, recorded_depth), imu
        if estimate.rig is not None and estimate.right is not None:
            return _stereo_frame(estimate, network_motion), imu
        travelled_m = None
        if last_ns is not None:
            travelled_m = self._inputs.travelled_m(last_ns, estimate.stamp_ns)
        return self._mono_frame(estimate, network_motion, travelled_m), imu

    def _mono_frame(
        self, estimate: Estimate, network_motion: np.ndarray | None, travelled_m: float | None
    ) -> EgoFrame:
        """The frame of one camera, with the sources of its metres."""
        return EgoFrame(
            estimate.stamp_ns,
            estimate.left,
            estimate.camera,
            depth=estimate.depth,
            sigma_m=estimate.sigma_m,
            network_motion=network_motion,
            scale=_scale_of(estimate),
            travelled_m=travelled_m,
            camera_height_m=self._inputs.camera_height_m,
        )


class Odometry:
    """Chain estimates of consecutive frames into a pose with its covariance.

    Args:
        method: "geometric" (tracked points and depth), "network" (the pose network's motion) or
            "hybrid" (geometry, with the network's motion as prediction and fallback).
        inputs: what it is fed besides the estimates; None: nothing.

    Raises:
        InputError: for another method.
    """

    def __init__(self, method: str = "hybrid", inputs: OdometryInputs | None = None):
        self._ego = EgoMotion(method)
        self._converter = EstimateConverter(inputs)

    def update(self, estimate: Estimate) -> EgoEstimate:
        """Add the next frame.

        Args:
            estimate: of the next frame; a stamp that goes back starts anew at the origin.

        Returns:
            The pose odom_T_camera (odom: body axes at the first camera, REP 103), its covariance,
            the twist, and how sure that is: see odometry.types.EgoEstimate. What the images show is
            never an error: the state is "lost" then, with a reason.
        """
        self._converter.remember(estimate)
        return self._ego.update(*self._converter.convert(estimate))

    def reset(self) -> None:
        """Start anew at the origin."""
        self._ego.reset()
        self._converter.reset()


def chained(
    steps: list[tuple[int, int, np.ndarray]], start_ns: int | None, end_ns: int
) -> np.ndarray | None:
    """Return the motion between two stamps as the product of the steps between them.

    Args:
        steps: (prev_stamp_ns, stamp_ns, prev_T_curr (4, 4)), in the order of their arrival.
        start_ns: stamp of the frame to which the motion leads, None where there is none.
        end_ns: stamp of the frame from which it comes.

    Returns:
        start_T_end (4, 4); None where a step is missing.

    >>> step = np.eye(4)
    >>> step[2, 3] = 1.0
    >>> chained([(10, 20, step), (20, 30, step)], 10, 30)[2, 3].item()
    2.0
    >>> chained([(10, 20, step)], 10, 30) is None
    True
    """
    start_T_end = np.eye(4)
    reached_ns = end_ns
    for prev_ns, stamp_ns, prev_T_curr in reversed(steps):
        # a stamp that does not lie after its predecessor is of a recording that began anew
        if stamp_ns != reached_ns or prev_ns >= stamp_ns:
            continue
        start_T_end = prev_T_curr @ start_T_end
        reached_ns = prev_ns
        if reached_ns == start_ns:
            return start_T_end
    return None


def _stereo_frame(estimate: Estimate, network_motion: np.ndarray | None) -> EgoFrame:
    """The frame of a pair: metres come from its baseline."""
    return EgoFrame(
        estimate.stamp_ns,
        estimate.left,
        estimate.camera,
        right=estimate.right,
        baseline_m=estimate.rig.baseline_m,
        depth=estimate.depth,
        sigma_m=estimate.sigma_m,
        network_motion=network_motion,
        doffs_px=estimate.rig.doffs_px,
        scale=_scale_of(estimate),
    )


def _recorded_frame(estimate: Estimate, depth: np.ndarray) -> EgoFrame:
    """The frame of a depth camera."""
    return EgoFrame(estimate.stamp_ns, estimate.left, estimate.camera, depth=depth)


def _scale_of(estimate: Estimate) -> str:
    """Where the metres of its depth come from; "" without metric depth."""
    return "" if estimate.depth is None else estimate.scale
