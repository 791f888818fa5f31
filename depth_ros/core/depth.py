"""Depth, disparity and their uncertainty. The one definition of unknown in this project: NaN."""

from __future__ import annotations

import numpy as np

from .errors import ImageError

_SAME_SURFACE_PX = 1.0  # neighbours that differ by more lie on two surfaces and are never averaged
_MAX_MM = 65535


def disparity_to_depth(
    disparity: np.ndarray, fx: float, baseline_m: float, doffs_px: float = 0.0
) -> np.ndarray:
    """Convert disparity to depth: z = fx * baseline / (disparity + doffs).

    Args:
        disparity: Any shape, pixels.
        fx: Focal length, pixels at the resolution of disparity.
        baseline_m: Between the cameras.
        doffs_px: cx_right - cx_left, pixels at the resolution of disparity.

    Returns:
        float32 metres of the same shape; NaN where disparity is not finite, where disparity + doffs
        <= 0, or so near 0 that depth would be infinite.

    >>> disparity_to_depth(np.array([10.0, 0.0, np.nan]), fx=100.0, baseline_m=0.5).tolist()
    [5.0, nan, nan]
    """
    return _reciprocal(fx * baseline_m, np.asarray(disparity, np.float32) + np.float32(doffs_px))


def depth_to_disparity(
    depth: np.ndarray, fx: float, baseline_m: float, doffs_px: float = 0.0
) -> np.ndarray:
    """Convert depth to disparity, the inverse of disparity_to_depth.

    Args:
        depth: Any shape, metres, NaN unknown.
        fx: Focal length, pixels at the resolution of depth.
        baseline_m: Between the cameras.
        doffs_px: cx_right - cx_left, pixels.

    Returns:
        float32 pixels of the same shape, NaN unknown.

    >>> depth_to_disparity(np.array([5.0, 0.0]), fx=100.0, baseline_m=0.5).tolist()
    [10.0, nan]
    """
    return _reciprocal(fx * baseline_m, np.asarray(depth, np.float32)) - np.float32(doffs_px)


def depth_sigma(
    depth: np.ndarray, sigma_disparity_px: np.ndarray, fx: float, baseline_m: float
) -> np.ndarray:
    """Propagate one standard deviation of disparity to depth: sigma_z = z^2 / (fx b) sigma_d.

    To first order.

    Args:
        depth: Any shape, metres, NaN unknown.
        sigma_disparity_px: Pixels, the same shape or a number.
        fx: Focal length, pixels.
        baseline_m: Between the cameras.

    Returns:
        float32 metres of the same shape, NaN unknown.

    >>> depth_sigma(np.array([5.0]), 0.5, fx=100.0, baseline_m=0.5).tolist()
    [0.25]
    """
    depth = np.asarray(depth, np.float32)
    sigma_disparity = np.asarray(sigma_disparity_px, np.float32)
    # At disparities near zero depth is next to infinite, and so is its sigma
    with np.errstate(over="ignore"):
        sigma = depth * depth * sigma_disparity / np.float32(fx * baseline_m)
    return sigma.astype(np.float32)


def depth_to_mm(depth: np.ndarray) -> np.ndarray:
    """Convert metres to uint16 millimetres, 0 unknown (REP 118).

    Args:
        depth: Any shape, metres, NaN unknown.

    Returns:
        uint16 of the same shape; what does not fit into 65.535 m is unknown too.

    >>> depth_to_mm(np.array([1.2344, np.nan, 70.0])).tolist()
    [1234, 0, 0]
    """
    mm = np.rint(np.asarray(depth, np.float32) * np.float32(1000))
    with np.errstate(invalid="ignore"):
        known = (mm >= 1) & (mm <= _MAX_MM)
    return np.where(known, mm, 0).astype(np.uint16)


def mm_to_depth(mm: np.ndarray) -> np.ndarray:
    """Convert uint16 millimetres, 0 unknown, to float32 metres, NaN unknown.

    >>> mm_to_depth(np.array([1500, 0], np.uint16)).tolist()
    [1.5, nan]
    """
    mm = np.asarray(mm)
    return np.where(mm == 0, np.float32(np.nan), mm.astype(np.float32) / np.float32(1000))


def resize_disparity(disparity: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a disparity map without inventing surfaces between foreground and background.

    Bilinear over the four neighbours, but only over those within 1 px (at input resolution) of the
    nearest one: the others lie on another surface, or are unknown, and lose their weight. Values
    are scaled by the ratio of the widths.

    Args:
        disparity: (H, W) float pixels, NaN unknown.
        height: Of the result.
        width: Of the result.

    Returns:
        (height, width) float32, NaN where the nearest input is NaN; the same size returns the same
        values, exactly.

    Raises:
        ImageError: For another shape or an empty size.

    >>> resize_disparity(np.array([[10.0, 10.0, 40.0, 40.0]]), 1, 8).tolist()
    [[20.0, 20.0, 20.0, 20.0, 80.0, 80.0, 80.0, 80.0]]
    """
    disparity = np.asarray(disparity, np.float32)
    _check_resize(disparity, height, width)
    if disparity.shape == (height, width):
        return disparity.copy()
    scale = np.float32(width / disparity.shape[1])
    v0, v1, v_weight = _taps(disparity.shape[0], height)
    u0, u1, u_weight = _taps(disparity.shape[1], width)
    nearest = resize_nearest(disparity, height, width)
    total = np.zeros_like(nearest)
    weights = np.zeros_like(nearest)
    for rows, row_weight in ((v0, 1 - v_weight), (v1, v_weight)):
        lines = disparity[rows]
        for columns, column_weight in ((u0, 1 - u_weight), (u1, u_weight)):
            value = lines[:, columns]
            with np.errstate(invalid="ignore"):
                same = np.abs(value - nearest) <= _SAME_SURFACE_PX
            weight = np.where(same, row_weight[:, None] * column_weight[None, :], np.float32(0))
            total += np.where(same, value, np.float32(0)) * weight
            weights += weight
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weights > 0, total / weights * scale, np.float32(np.nan)).astype(np.float32)


def resize_nearest(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a (H, W) map to (height, width) by its nearest pixel; values are not scaled.

    >>> resize_nearest(np.array([[1.0, 2.0]]), 1, 4).tolist()
    [[1.0, 1.0, 2.0, 2.0]]
    """
    values = np.asarray(values)
    _check_resize(values, height, width)
    rows = _nearest(values.shape[0], height)
    return values[rows][:, _nearest(values.shape[1], width)]


def _reciprocal(numerator: float, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator, NaN where either it or the denominator is not positive and
    finite.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # 0 of an infinite denominator, infinite of one next to 0
        quotient = np.float32(numerator) / denominator
        known = (quotient > 0) & np.isfinite(quotient)
        return np.where(known, quotient, np.float32(np.nan)).astype(np.float32)


def _check_resize(values: np.ndarray, height: int, width: int) -> None:
    """Refuse what is not a map, or a size without pixels."""
    if values.ndim != 2 or values.size == 0:
        raise ImageError(f"expected a (H, W) map, got shape {values.shape}")
    if height <= 0 or width <= 0:
        raise ImageError(f"expected an output size above zero, got {width}x{height}")


def _positions(size: int, new_size: int) -> np.ndarray:
    """Where the centres of the new pixels lie among the old ones, clipped to the border."""
    return np.clip((np.arange(new_size) + 0.5) * (size / new_size) - 0.5, 0, size - 1)


def _nearest(size: int, new_size: int) -> np.ndarray:
    """The index of the nearest old pixel for each new one."""
    return np.floor(_positions(size, new_size) + 0.5).astype(np.intp)


def _taps(size: int, new_size: int):
    """The two old pixels around each new one, and the float32 weight of the second."""
    position = _positions(size, new_size)
    first = np.floor(position).astype(np.intp)
    return first, np.minimum(first + 1, size - 1), (position - first).astype(np.float32)
