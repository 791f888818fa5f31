"""What goes into odometry and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import CalibrationError, ImageError, InputError

from .pose_chain import LOST_VARIANCE

TRACKING = "tracking"
LOST = "lost"
INITIALISING = "initialising"
_LEAST_KNOWN = 0.05  # share of pixels with depth, below which a frame is taken for one without
METHODS = ("network", "geometric", "hybrid")


@dataclass(frozen=True)
class ImuSample:
    """One reading of an IMU whose axes are those of the camera (optical): gyro (3,) rad/s, accel
    (3,) m/s^2.

    accel is the specific force: a resting camera that looks at the horizon (y down) reads (0,
    -9.81, 0).
    """

    stamp_ns: int
    gyro: tuple[float, float, float]
    accel: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class EgoFrame:
    """One instant as odometry sees it.

    Attributes:
        stamp_ns: of the image.
        image: (H, W, 3) uint8 RGB, rectified: the left image, or the only one.
        camera: of it.
        right: (H, W, 3) uint8 RGB, rectified; None for one camera.
        baseline_m: above 0 with a right image.
        depth: (H, W) float32 metres of image, NaN unknown, or None.
        sigma_m: (H, W) float32, one standard deviation of depth, or None: then it is learned from
            how much the depths of one point disagree.
        network_motion: prev_T_curr (4, 4) of a pose network from this frame into the one before it,
            metres, or None.
        network_sigma: (6,) its standard deviations, metres then radians, or None.
        doffs_px: cx_right - cx_left.
        scale: where the metres of depth come from; "" = the stereo baseline if there is one, else
            "depth".
        travelled_m: metres since the previous frame as wheels measured them, None unknown; for one
            camera without depth.
        camera_height_m: over the ground, None unknown; for one camera without depth.

    Raises:
        ImageError: for wrong shapes or types.
        CalibrationError: for a right image without a baseline above 0.
        InputError: for a travelled_m or camera_height_m out of range.

    >>> EgoFrame(7, np.zeros((48, 64, 3), np.uint8), Camera(64, 48, 50, 52, 30, 25)).is_stereo
    False
    """

    stamp_ns: int
    image: np.ndarray
    camera: Camera
    right: np.ndarray | None = None
    baseline_m: float | None = None
    depth: np.ndarray | None = None
    sigma_m: np.ndarray | None = None
    network_motion: np.ndarray | None = None
    network_sigma: np.ndarray | None = None
    doffs_px: float = 0.0
    scale: str = ""
    travelled_m: float | None = None
    camera_height_m: float | None = None

    def __post_init__(self):
        size = (self.camera.height, self.camera.width)
        _check_picture("image", self.image, size)
        if self.right is not None:
            _check_picture("right", self.right, size)
        for name, values in (("depth", self.depth), ("sigma_m", self.sigma_m)):
            if values is not None and values.shape != size:
                raise ImageError(f"{name}: expected {size}, got {values.shape}")
        if self.right is not None and not (self.baseline_m is not None and self.baseline_m > 0):
            raise CalibrationError(
                f"expected a baseline above 0 m with a right image, got {self.baseline_m}"
            )
        if self.travelled_m is not None and not self.travelled_m >= 0:
            raise InputError(f"travelled_m: expected 0 m or more, got {self.travelled_m}")
        if self.camera_height_m is not None and not self.camera_height_m > 0:
            raise InputError(f"camera_height_m: expected more than 0 m, got {self.camera_height_m}")

    @property
    def is_stereo(self) -> bool:
        """True where there is a right image."""
        return self.right is not None

    @cached_property
    def is_metric(self) -> bool:
        """True where points have metres: depth at 5 % of the pixels and more, or a right image and
        depth yet unknown. A right image without any match is a covered eye.
        """
        if self.depth is None:
            return self.is_stereo
        return bool(np.isfinite(self.depth[::4, ::4]).mean() > _LEAST_KNOWN)


@dataclass(frozen=True, eq=False)
class EgoEstimate:
    """How the camera moved and where it is. Optical axes; odom has body axes at the first camera
    (REP 103).

    Attributes:
        stamp_ns: of the frame.
        prev_stamp_ns: of the frame from which the step leads here, None where that is not known.
        prev_T_curr: (4, 4) metres, from this frame into that one; None where it is not known.
        step_covariance: (6, 6) of xi in prev_T_curr exp(xi), (translation, rotation) in the axes of
            this camera.
        odom_T_camera: (4, 4) metres; while lost the last known pose.
        covariance: (6, 6) of it, axes of odom: translation, then the rotation vector that would
            correct it from the left; LOST_VARIANCE once a step is missing, until reset or set_pose.
        twist: (6,) camera axes, m/s and rad/s, zero where unknown.
        twist_covariance: (6, 6).
        state: "tracking", "lost" (this step is not known) or "initialising" (the first frame).
        reason: why, or why there are no metres; else "".
        scale: where metres come from. "none" where they are not known: then translation and linear
            twist are in units of the local map (1 = the distance of its first two keyframes), their
            variances are LOST_VARIANCE, and only rotation may be used; see without_metres.
        inliers: points that agree with the step.
        has_gap: a step has been missing since the last reset: odom_T_camera leaves out what
            happened then.
        restarts: how often stamps went back (a bag that loops) and odom began anew.
        model: what the step is of: "points" (with depth: PnP), "rotation" (nothing but a turn is
            seen), "epipolar" (one camera without depth), "network" or "imu".
        timing_ms: by name, with "total".
        held_position: (3,) the last position in odom that was metric, None = the origin.
    """

    stamp_ns: int
    prev_stamp_ns: int | None
    prev_T_curr: np.ndarray | None
    step_covariance: np.ndarray
    odom_T_camera: np.ndarray
    covariance: np.ndarray
    twist: np.ndarray
    twist_covariance: np.ndarray
    state: str
    reason: str = ""
    scale: str = "none"
    inliers: int = 0
    has_gap: bool = False
    restarts: int = 0
    model: str = ""
    timing_ms: dict[str, float] = field(default_factory=dict)
    held_position: np.ndarray | None = None

    @property
    def is_metric(self) -> bool:
        """True where translations are metres."""
        return self.scale != "none"


def without_metres(estimate: EgoEstimate) -> EgoEstimate:
    """Return what may be published of an estimate whose scale is "none": turns, no translation.

    Translation and linear twist become 0, the position the last metric one, their variances
    LOST_VARIANCE (no covariance with rotation); a metric estimate comes back as it is.
    """
    if estimate.is_metric:
        return estimate
    step = estimate.prev_T_curr
    if step is not None:
        step = step.copy()
        step[:3, 3] = 0
    pose = estimate.odom_T_camera.copy()
    pose[:3, 3] = 0 if estimate.held_position is None else estimate.held_position
    velocity = estimate.twist.copy()
    velocity[:3] = 0
    return replace(
        estimate,
        prev_T_curr=step,
        odom_T_camera=pose,
        twist=velocity,
        step_covariance=unscaled(estimate.step_covariance),
        covariance=unscaled(estimate.covariance),
        twist_covariance=unscaled(estimate.twist_covariance),
    )


def unscaled(covariance: np.ndarray) -> np.ndarray:
    """Return a covariance (6, 6) of translation and rotation with an unknown translation.

    >>> np.diag(unscaled(np.eye(6))).tolist()
    [1000000.0, 1000000.0, 1000000.0, 1.0, 1.0, 1.0]
    """
    out = turns_only(covariance)
    out[range(3), range(3)] = LOST_VARIANCE
    return out


def turns_only(covariance: np.ndarray) -> np.ndarray:
    """Return the covariance (6, 6) of a pose whose position is exact, as that of an origin."""
    out = np.array(covariance, np.float64)
    out[:3] = 0.0
    out[:, :3] = 0.0
    return out


def _check_picture(name: str, picture: np.ndarray, size: tuple[int, int]) -> None:
    """Refuse what is not (H, W, 3) uint8 of a size."""
    expected = (*size, 3)
    if picture.shape != expected or picture.dtype != np.uint8:
        raise ImageError(
            f"{name}: expected {expected} uint8 RGB, got {picture.shape} {picture.dtype}"
        )
