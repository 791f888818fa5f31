"""Where each pixel of the rectified image lies in the raw image: plumb_bob, rational_polynomial,
equidistant.
"""

from __future__ import annotations

import numpy as np

from .camera import Calibration, Camera
from .errors import CalibrationError

_COEFFICIENTS = {"plumb_bob": 8, "rational_polynomial": 8, "equidistant": 4}
_ALIASES = {"fisheye": "equidistant", "": "plumb_bob"}
_BEHIND = np.float32(-1e6)  # far outside of any image: remap fills it with the border value


def rectify_map(calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Compute the raw position of every rectified pixel, as cv2.initUndistortRectifyMap does.

    ray = (P[:3, :3] R)^-1 (u, v, 1), then x = X / Z, y = Y / Z, then the distortion model, then K.
    plumb_bob (Brown 1966) and rational_polynomial: k1 k2 p1 p2 k3 k4 k5 k6; equidistant (Kannala,
    Brandt 2006): k1-k4. An empty D means no distortion; "fisheye" is an alias of equidistant.

    Args:
        calibration: Of the raw image.

    Returns:
        map_x, map_y: (H, W) float32 pixels of the raw image, outside of it where nothing was seen.

    Raises:
        CalibrationError: For an unknown model, too many coefficients, numbers that are not finite,
            zero K, R or P.

    >>> one = (1, 0, 0, 0, 1, 0, 0, 0, 1)
    >>> cal = Calibration(
    ...     4,
    ...     3,
    ...     "plumb_bob",
    ...     (),
    ...     (2, 0, 1, 0, 2, 1, 0, 0, 1),
    ...     one,
    ...     (2, 0, 0, 0, 0, 2, 1, 0, 0, 0, 1, 0),
    ... )
    >>> rectify_map(cal)[0][0].tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    model, D = _checked_distortion(calibration)
    Camera.from_calibration(calibration)  # refuses zero or unknown K and P
    ray = _rays(calibration)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = ray[0] / ray[2]
        y = ray[1] / ray[2]
        if model == "equidistant":
            x, y = _equidistant(x, y, D)
        else:
            x, y = _rational(x, y, D)
        K = calibration.K
        u = K[0] * x + K[1] * y + K[2]
        v = K[4] * y + K[5]
    seen = (ray[2] > 0) & np.isfinite(u) & np.isfinite(v)
    map_x = np.where(seen, u, _BEHIND).astype(np.float32)
    map_y = np.where(seen, v, _BEHIND).astype(np.float32)
    return map_x, map_y


def _rays(calibration: Calibration) -> np.ndarray:
    """The (3, H, W) ray of each rectified pixel in the raw camera."""
    P = np.array(calibration.P).reshape(3, 4)[:, :3]
    R = np.array(calibration.R).reshape(3, 3)
    if not np.isfinite(R).all() or abs(np.linalg.det(R) - 1) > 1e-2:
        raise CalibrationError(f"R: expected a rotation matrix, got {calibration.R}")
    v, u = np.mgrid[: calibration.height, : calibration.width].astype(np.float64)
    return np.einsum("ij,jhw->ihw", np.linalg.inv(P @ R), np.stack([u, v, np.ones_like(u)]))


def _checked_distortion(calibration: Calibration) -> tuple[str, np.ndarray]:
    """The model by its ROS name and its coefficients, zeros appended."""
    model = _ALIASES.get(calibration.model, calibration.model)
    if model not in _COEFFICIENTS:
        raise CalibrationError(
            f"distortion model: expected one of {sorted(_COEFFICIENTS)}, got {calibration.model!r}"
        )
    most = _COEFFICIENTS[model]
    D = np.array(calibration.D)
    if not np.isfinite(D).all():
        raise CalibrationError(f"D: expected finite numbers, got {calibration.D}")
    if (D[most:] != 0).any():
        raise CalibrationError(
            f"D: expected at most {most} coefficients for {model}, got {len(D)}: {calibration.D}"
        )
    return model, np.pad(D[:most], (0, max(0, most - len(D))))


def _rational(x, y, D):
    """Brown's model with the rational radial term; with k4 = k5 = k6 = 0 it is plumb_bob."""
    k1, k2, p1, p2, k3, k4, k5, k6 = D
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    distorted_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    distorted_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return distorted_x, distorted_y


def _equidistant(x, y, D):
    """Kannala and Brandt's model: the radius grows with the angle from the axis."""
    r = np.hypot(x, y)
    theta = np.arctan(r)
    t2 = theta * theta
    distorted = theta * (1 + t2 * (D[0] + t2 * (D[1] + t2 * (D[2] + t2 * D[3]))))
    scale = np.where(r > 1e-8, distorted / np.where(r > 1e-8, r, 1), 1.0)
    return x * scale, y * scale
