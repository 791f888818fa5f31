"""What goes into ego-motion and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..core.camera import Camera
from ..core.errors import CalibrationError, ImageError

TRACKING, LOST, INITIALISING = "tracking", "lost", "initialising"
METHODS = ("network", "geometric", "hybrid")


@dataclass(frozen=True)
class ImuSample:
    """One reading of an IMU whose axes are those of the camera (optical): gyro (3,) rad/s, accel (3,) m/s^2.

    accel is the specific force: a resting camera that looks at the horizon (y down) reads (0, -9.81, 0).
    """

    stamp_ns: int
    gyro: tuple[float, float, float]
    accel: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class EgoFrame:
    """One instant as ego-motion sees it.

    image: (H, W, 3) uint8 RGB, rectified: the left image, or the only one. camera: of it. right: (H, W, 3) uint8 RGB,
    rectified, with baseline_m (> 0) and doffs_px = cx_right - cx_left; None for one camera. depth: (H, W) float32
    metres of image, NaN unknown, or None. sigma_m: (H, W) float32, one standard deviation of depth, or None.
    network_motion: prev_T_curr (4, 4) of a pose network from this frame into the one before it, metres, or None;
    network_sigma: (6,) its standard deviations, metres then radians, or None. scale: where the metres of depth come
    from; "" = the stereo baseline if there is one, else "depth".
    Raises ImageError for wrong shapes or types, CalibrationError for a right image without a baseline above 0.

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

    def __post_init__(self):
        expected = (self.camera.height, self.camera.width, 3)
        for name in ("image", "right"):
            picture = getattr(self, name)
            if picture is not None and (picture.shape != expected or picture.dtype != np.uint8):
                raise ImageError(f"{name}: expected {expected} uint8 RGB, got {picture.shape} {picture.dtype}")
        for name in ("depth", "sigma_m"):
            values = getattr(self, name)
            if values is not None and values.shape != expected[:2]:
                raise ImageError(f"{name}: expected {expected[:2]}, got {values.shape}")
        if self.right is not None and not (self.baseline_m is not None and self.baseline_m > 0):
            raise CalibrationError(f"expected a baseline above 0 m with a right image, got {self.baseline_m}")

    @property
    def is_stereo(self) -> bool:
        """True where there is a right image."""
        return self.right is not None


@dataclass(frozen=True, eq=False)
class EgoEstimate:
    """How the camera moved and where it is. Optical axes; odom has body axes at the first camera (REP 103).

    prev_T_curr: (4, 4) metres, from this frame into that at prev_stamp_ns; None where that is not known.
    step_covariance: (6, 6) of xi in prev_T_curr exp(xi), (translation, rotation) in the axes of this camera.
    odom_T_camera: (4, 4); while lost the last known pose. covariance: (6, 6) of it, axes of odom: translation, then the
    rotation vector that would correct it from the left; LOST_VARIANCE once a step is missing, until reset or set_pose.
    twist: (6,) camera axes, m/s and rad/s, zero where unknown. twist_covariance: (6, 6).
    state: "tracking", "lost" (this step is not known) or "initialising" (the first frame). reason: why; else "".
    model: what gave the step: "points", "rotation" or "network".
    has_gap: a step has been missing since the last reset: odom_T_camera leaves out what happened then.
    scale: where metres come from, "none" where nothing gives them. inliers: points that agree with the step.
    timing_ms: by name, with "total". restarts: how often stamps went back (a bag that loops) and odom began anew.
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
