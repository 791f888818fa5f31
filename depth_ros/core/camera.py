"""Cameras from camera_info numbers; what is not calibrated is refused, never guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .errors import CalibrationError

_LENGTHS = {"K": 9, "R": 9, "P": 12}
_SAME_FOCAL_LENGTH = 1e-3  # relative; rectified pairs agree to rounding
_SAME_ROW_PX = 1.0
_WIDEST_VIEW_DEG = 165.0  # of a pinhole; beyond it fx is in millimetres, say
_SKEW = 1e-3  # of fx: half a pixel over an image
_LAST_ROW = 0.02  # KITTI's cameras stand 3 mm behind each other
_SAME_HEIGHT = 0.02  # of the baseline: KITTI's differ by 0.006


@dataclass(frozen=True)
class Calibration:
    """Hold the numbers of one camera_info message, hashable, so that maps can be cached by it.

    width, height: pixels of the image that the camera sends. model: distortion model by its ROS
    name. D: distortion coefficients, any length. K (9), R (9), P (12): row-major, pixels; P[3] =
    -fx * baseline (px m). window: in words, what part of the sensor that image is; "" the whole of
    it. Only lengths are checked here: a zero K is a fact about a camera, and is refused where it
    would be used. Raises CalibrationError for a wrong number of entries.

    >>> Calibration(
    ...     4,
    ...     3,
    ...     "plumb_bob",
    ...     (),
    ...     (2, 0, 1, 0, 2, 1, 0, 0, 1),
    ...     (1, 0, 0, 0, 1, 0, 0, 0, 1),
    ...     (0,) * 12,
    ... ).K[0]
    2.0
    """

    width: int
    height: int
    model: str
    D: tuple
    K: tuple
    R: tuple
    P: tuple
    window: str = ""

    def __post_init__(self):
        for name in ("D", "K", "R", "P"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) != _LENGTHS.get(name, len(values)):
                raise CalibrationError(
                    f"{name}: expected {_LENGTHS[name]} numbers, got {len(values)}"
                )
            object.__setattr__(self, name, values)

    def windowed(self, binning: tuple[int, int], roi: tuple[int, int, int, int]) -> Calibration:
        """Give the calibration of the image that is sent, from that of the full sensor (REP 104,
        CameraInfo.msg).

        binning: (x, y) pixels that are joined to one; 0 means 1. roi: (left, top, width, height) in
        full pixels, all 0 means everything; it is cut first. The centre of a joined pixel is that
        of its block: cx' = (cx - left + 0.5) / binning - 0.5. Raises CalibrationError for a region
        that is empty or reaches out of the sensor.

        >>> eye = (1, 0, 0, 0, 1, 0, 0, 0, 1)
        >>> full = Calibration(8, 6, "", (), (4, 0, 3.5, 0, 4, 2.5, 0, 0, 1), eye, (0,) * 12)
        >>> half = full.windowed((2, 2), (0, 0, 0, 0))
        >>> half.width, half.height, half.K[0], half.K[2]
        (4, 3, 2.0, 1.5)
        """
        (bx, by), (left, top, width, height) = (
            (max(1, int(n)) for n in binning),
            (int(n) for n in roi),
        )
        if not any(roi):
            width, height = self.width, self.height
        if (bx, by) == (1, 1) and (left, top, width, height) == (0, 0, self.width, self.height):
            return self
        inside = 0 <= left < left + width <= self.width and 0 <= top < top + height <= self.height
        if not inside or bx > width or by > height:
            raise CalibrationError(
                f"roi: expected a part of {self.width}x{self.height}, got {width}x{height} "
                f"at ({left}, {top}), "
                f"binning {bx}x{by}"
            )
        words = (
            f"binning {bx}x{by} of {width}x{height} at ({left}, {top}) of "
            f"{self.width}x{self.height}"
        )
        shift = np.array(
            [[1 / bx, 0, (0.5 - left) / bx - 0.5], [0, 1 / by, (0.5 - top) / by - 0.5], [0, 0, 1]]
        )
        matrices = (np.reshape(values, (3, -1)) for values in (self.K, self.P))
        K, P = (
            tuple((shift @ matrix).ravel()) if matrix[2, 2] else tuple(matrix.ravel())
            for matrix in matrices
        )
        return replace(self, width=width // bx, height=height // by, K=K, P=P, window=words)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: width, height, fx, fy, cx, cy in pixels; pixel centres lie at integers.

    Raises CalibrationError for an empty image, or focal lengths that are not positive and finite.

    >>> Camera(64, 48, 50.0, 52.0, 30.5, 24.5).resized(height=24, width=32).cx
    15.0
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self):
        if self.width <= 0 or self.height <= 0:
            raise CalibrationError(
                f"expected an image size above zero, got {self.width}x{self.height}"
            )
        for name in ("fx", "fy"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise CalibrationError(
                    f"{name}: expected a positive focal length in pixels, got {value}"
                )
        if not (math.isfinite(self.cx) and math.isfinite(self.cy)):
            raise CalibrationError(f"expected a finite principal point, got ({self.cx}, {self.cy})")

    @classmethod
    def from_calibration(cls, calibration: Calibration) -> Camera:
        """Make the rectified camera, from P.

        Raises CalibrationError where K or P is zero or not finite, P is no projection of a
        rectified camera (skew, a last row that is not 0 0 1 0), or fx is no number of pixels of
        this image.
        """
        for name, skew_free in (("K", (0, 4)), ("P", (0, 5))):
            values = getattr(calibration, name)
            if not all(math.isfinite(value) for value in values):
                raise CalibrationError(f"{name}: expected finite numbers, got {values}")
            if any(values[i] <= 0 for i in skew_free):
                focal = tuple(values[i] for i in skew_free)
                raise CalibrationError(
                    f"{name}: expected positive focal lengths, got {focal}: is the camera "
                    "calibrated?"
                )
        P = calibration.P
        _expect_projection(P)
        _expect_view(P[0], calibration.width)
        return cls(calibration.width, calibration.height, P[0], P[5], P[2], P[6])

    @property
    def K(self) -> np.ndarray:
        """The (3, 3) float64 intrinsic matrix, pixels."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def resized(self, height: int, width: int) -> Camera:
        """Give the camera of the image resized to (height, width): cx' = (cx + 0.5) s - 0.5."""
        if height <= 0 or width <= 0:
            raise CalibrationError(f"expected an image size above zero, got {width}x{height}")
        sx, sy = width / self.width, height / self.height
        cx, cy = (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5
        return Camera(width, height, self.fx * sx, self.fy * sy, cx, cy)

    def cropped(self, top: int, left: int, height: int, width: int) -> Camera:
        """Give the camera of image[top:top + height, left:left + width]; a negative start means
        padding.
        """
        return Camera(width, height, self.fx, self.fy, self.cx - left, self.cy - top)


@dataclass(frozen=True)
class StereoRig:
    """A rectified pair: the left camera, the baseline in metres (> 0), doffs_px = cx_right -
    cx_left.

    depth = fx * baseline_m / (disparity + doffs_px). Raises CalibrationError for a baseline that is
    not positive.

    >>> StereoRig(Camera(64, 48, 50.0, 52.0, 30.5, 24.5), 0.2).resized(24, 32).left.fx
    25.0
    """

    left: Camera
    baseline_m: float
    doffs_px: float = 0.0

    def __post_init__(self):
        if not (math.isfinite(self.baseline_m) and self.baseline_m > 0):
            raise CalibrationError(
                "expected a baseline above 0 m (right P[3] = -fx * baseline), got "
                f"{self.baseline_m} m: "
                "left and right swapped?"
            )
        if not math.isfinite(self.doffs_px):
            raise CalibrationError(f"expected a finite doffs_px, got {self.doffs_px}")

    @classmethod
    def from_calibrations(cls, left: Calibration, right: Calibration) -> StereoRig:
        """Make the rig of two camera_infos; raises CalibrationError where they do not fit each
        other.
        """
        left_camera, right_camera = Camera.from_calibration(left), Camera.from_calibration(right)
        if (left.width, left.height) != (right.width, right.height):
            raise CalibrationError(
                f"expected two cameras of one size, got {left.width}x{left.height} and "
                f"{right.width}x{right.height}"
            )
        for name in ("fx", "fy"):
            a, b = getattr(left_camera, name), getattr(right_camera, name)
            if abs(a - b) > _SAME_FOCAL_LENGTH * a:
                raise CalibrationError(
                    f"expected the same {name} in both P matrices (rectified), got {a} and {b}"
                )
        if abs(left_camera.cy - right_camera.cy) > _SAME_ROW_PX:
            words = f"{left_camera.cy:.2f} and {right_camera.cy:.2f} px"
            raise CalibrationError(
                f"expected the same cy in both P matrices, so that rows meet, got {words}"
            )
        _expect_horizontal(left.P, right.P)
        # P[3] of the left is 0 in ROS; recordings that keep KITTI's common origin have both, and
        # the difference counts.
        baseline_m = (left.P[3] - right.P[3]) / right.P[0]
        return cls(left_camera, baseline_m, right_camera.cx - left_camera.cx)

    def resized(self, height: int, width: int) -> StereoRig:
        """Give the rig of both images resized to (height, width)."""
        scale = width / self.left.width
        return replace(self, left=self.left.resized(height, width), doffs_px=self.doffs_px * scale)

    def cropped(self, top: int, left: int, height: int, width: int) -> StereoRig:
        """Give the rig of both images cropped alike (see Camera.cropped)."""
        return replace(self, left=self.left.cropped(top, left, height, width))


def _expect_projection(P: tuple) -> None:
    """Raise CalibrationError where P is not that of a rectified camera: fx 0 cx Tx, 0 fy cy Ty,
    0 0 1 0.
    """
    if abs(P[1]) > _SKEW * P[0] or abs(P[4]) > _SKEW * P[5]:
        raise CalibrationError(
            f"P: expected no skew in a rectified camera, got P[1] = {P[1]:.4g}, P[4] = {P[4]:.4g}"
        )
    if max(abs(P[8]), abs(P[9]), abs(P[10] - 1)) > _SKEW or abs(P[11]) > _LAST_ROW:
        row = " ".join(f"{value:.4g}" for value in P[8:])
        raise CalibrationError(
            f"P: expected 0 0 1 0 in the last row of a rectified camera, got {row}"
        )


def _expect_view(fx: float, width: int) -> None:
    """Raise CalibrationError where an image of this width would see (almost) everything in front
    of it.
    """
    view_deg = 2 * math.degrees(math.atan2(width / 2, fx))
    if view_deg > _WIDEST_VIEW_DEG:
        raise CalibrationError(
            f"P: expected a focal length in pixels, got fx {fx:.4g} for {width} px, a "
            "field of view of "
            f"{view_deg:.1f} degrees: millimetres?"
        )


def _expect_horizontal(left: tuple, right: tuple) -> None:
    """Raise CalibrationError where P[3] and P[7] of left and right are not those of cameras side
    by side.
    """
    across, down = left[3] - right[3], left[7] - right[7]
    if across == 0 and down:
        raise CalibrationError(
            "expected the baseline in the right P[3] = -fx * baseline, got 0, and P[7] = "
            f"{right[7]:.4g}: "
            "a vertical pair, one camera above the other, is not matched"
        )
    if across == 0 and left[3]:
        raise CalibrationError(
            f"expected P[3] = 0 in the left camera_info, got {left[3]:.4g} in both: the "
            "baseline is of the right one"
        )
    if across == 0:
        raise CalibrationError(
            "expected a baseline above 0 m (right P[3] = -fx * baseline, pixels times "
            "metres), got P[3] = 0 in both"
        )
    if across > 0 and right[3] == 0:
        raise CalibrationError(
            f"expected -fx * baseline in the right P[3], got 0 there and {left[3]:.4g} in "
            "the left camera_info"
        )
    if abs(down) > _SAME_HEIGHT * abs(across):
        raise CalibrationError(
            "expected the same P[7] (Ty) on both sides, so that rows meet, got "
            f"{left[7]:.4g} and {right[7]:.4g} "
            f"beside P[3] = {right[3]:.4g}"
        )
