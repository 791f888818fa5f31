"""Points in pictures: found, followed in time, found again in the right picture.

OpenCV's Lucas-Kanade throughout. Pictures are grey, (H, W) uint8; pixels are (u, v).
"""

from __future__ import annotations

import cv2
import numpy as np

_WINDOW_PX = 11
_LEVELS = 3
_BORDER_PX = 4
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.02)
_QUALITY = 0.2  # share of the mean strength that a corner must have
_CELLS = (6, 8)  # rows and columns
_APART_PX = 9  # of half a resolution: the strongest corner around
_TAKEN_PX = 13  # of half a resolution: no corner beside one that is taken
# Squared grey levels per pixel that a patch must change by in its weakest direction, times OpenCV's
# scale: a straight edge has less, and so has the noise of a sensor alone (1.5 grey levels); points
# slide there, and back again alike. With four times as much, rooms with little texture were lost
# and covariances less true (calibration seeds as below).
_LEAST_TEXTURE = 0.5 / 1024
# How a corner of that texture looks at half resolution: weaker ones do not begin.
_LEAST_STRENGTH = _LEAST_TEXTURE / 7
_BACK_PX = 0.5  # forward and back again must end where it began
_OUTSIDE_PX = 50  # a point may be expected so far outside of the picture
_SAME_BRIGHTNESS = 8.0  # grey levels: beyond, the exposure may have changed
_ROW_PX = 1.0  # a rectified pair agrees in rows
# The tracked disparity and that of the depth map, before the point is taken for an edge.
_SAME_PX = 2.5
# Standard deviations in pixels, of how far a patch moves per grey level of difference, times that
# difference: fitted to the errors against true motion on the calibration clips of
# experiments/odometry/egomotion_nees.py. The difference is not white noise but another view of the
# same thing, so they grow faster than in theory.
_FLOW_SIGMA = (0.15, 0.55)
_DISPARITY_SIGMA = (0.08, 0.25)
_MOST_RATIO = 9.0
_MOST_SIGMA_PX = 2.0
# Grey levels, below which nothing can be seen: mean brightness, standard deviation.
DARK = 8.0
FLAT = 3.0


def to_grey(image: np.ndarray) -> np.ndarray:
    """Convert (H, W, 3) uint8 RGB to (H, W) uint8 grey."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def image_fault(grey: np.ndarray) -> str:
    """Return why a picture shows nothing, "" where it does.

    >>> image_fault(np.zeros((48, 64), np.uint8))
    'the image is dark (mean 0 of 255)'
    """
    mean, deviation = cv2.meanStdDev(cv2.resize(grey, (80, 60)))
    if mean[0, 0] < DARK:
        return f"the image is dark (mean {mean[0, 0]:.0f} of 255)"
    if deviation[0, 0] < FLAT:
        return f"the image is blank (deviation {deviation[0, 0]:.1f} of 255)"
    return ""


def detect(grey: np.ndarray, taken: np.ndarray, count: int) -> np.ndarray:
    """Find corners away from those taken, the best of every cell first, so that they spread.

    Corners are Shi and Tomasi's (1994) at half resolution.

    Args:
        grey: (H, W) uint8.
        taken: (M, 2) pixels that are followed already.
        count: how many are wanted at most.

    Returns:
        (N, 2) float32 pixels.
    """
    # 1. the strength at half resolution, and its local maxima
    small = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    height, width = small.shape
    strength = cv2.cornerMinEigenVal(small, 3)
    around = cv2.dilate(strength, np.ones((_APART_PX, _APART_PX), np.uint8))
    is_best = cv2.compare(strength, around, cv2.CMP_GE)
    least = max(_QUALITY * cv2.mean(strength)[0], _LEAST_STRENGTH)
    is_best &= cv2.compare(strength, least, cv2.CMP_GT)
    # 2. neither at the border nor beside a point that is taken
    is_best[:_BORDER_PX] = 0
    is_best[-_BORDER_PX:] = 0
    is_best[:, :_BORDER_PX] = 0
    is_best[:, -_BORDER_PX:] = 0
    near = np.zeros(strength.shape, np.uint8)
    u, v = np.asarray(taken, int).reshape(-1, 2).T // 2
    near[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)] = 255
    near = cv2.dilate(near, np.ones((_TAKEN_PX, _TAKEN_PX), np.uint8))
    found = cv2.findNonZero(is_best & ~near)
    if found is None:
        return np.zeros((0, 2), np.float32)
    # 3. rank within each cell (0 = the best), and take all of one rank before the next
    columns, rows = found.reshape(-1, 2).T
    value = strength[rows, columns]
    cell = (rows * _CELLS[0] // height) * _CELLS[1] + columns * _CELLS[1] // width
    order = np.lexsort((-value, cell))
    rank = np.arange(len(order)) - np.searchsorted(cell[order], cell[order])
    best = order[np.argsort(rank, kind="stable")][:count]
    # 4. the middle of two pixels of the full resolution
    corners = np.stack([columns[best], rows[best]], -1) * 2 + 0.5
    return corners.astype(np.float32).reshape(-1, 2)


def follow(
    before: np.ndarray, after: np.ndarray, pixels: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Follow points from one picture into the next, forward and back (Lucas and Kanade 1981).

    Args:
        before: (H, W) uint8.
        after: (H, W) uint8, the next picture.
        pixels: (N, 2) in the first one.
        expected: (N, 2) where they are expected in the second one.

    Returns:
        (N, 2) float32 pixels; (N,) bool, which of them arrived; (N, 2) their standard deviations.
    """
    if not len(pixels):
        return np.zeros((0, 2), np.float32), np.zeros(0, bool), np.zeros((0, 2))
    found = _there_and_back(before, after, pixels, expected)
    if abs(cv2.mean(before)[0] - cv2.mean(after)[0]) <= _SAME_BRIGHTNESS:
        return found
    again = _there_and_back(before, _as_bright(after, before), pixels, expected)
    return again if again[1].sum() > found[1].sum() else found


def _there_and_back(before, after, pixels, expected) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As follow, with the pictures as they are."""
    height, width = after.shape
    pixels = np.ascontiguousarray(pixels, np.float32)
    expected = np.clip(np.nan_to_num(expected), -_OUTSIDE_PX, max(height, width) + _OUTSIDE_PX)
    found, good, left_over = _lucas_kanade(
        before, after, pixels, expected.astype(np.float32), _LEVELS
    )
    back, returned, _ = _lucas_kanade(after, before, found, pixels, 0)
    end = (width - _BORDER_PX, height - _BORDER_PX)
    inside = ((found >= _BORDER_PX) & (found < end)).all(1)
    good = good & returned & inside & (np.linalg.norm(back - pixels, axis=1) < _BACK_PX)
    ratio = unsharpness(before, pixels) * np.nan_to_num(left_over)[:, None]
    sigma = _FLOW_SIGMA[0] + _FLOW_SIGMA[1] * np.clip(ratio, 0.0, _MOST_RATIO) ** 3
    return found, good, np.clip(sigma, None, _MOST_SIGMA_PX)


def _as_bright(grey: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A picture with the mean and the contrast of another: Lucas and Kanade take brightness for
    constant.
    """
    mean, deviation = cv2.meanStdDev(grey)
    as_mean, as_deviation = cv2.meanStdDev(other)
    gain = float(as_deviation[0, 0] / max(deviation[0, 0], 1.0))
    levels = as_mean[0, 0] + gain * (np.arange(256) - mean[0, 0])
    return cv2.LUT(grey, np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def match_right(
    left: np.ndarray, right: np.ndarray, pixels: np.ndarray, start_px: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the disparity of points of the left picture.

    Args:
        left: (H, W) uint8, rectified.
        right: (H, W) uint8, rectified.
        pixels: (N, 2) in the left picture.
        start_px: (N,) disparity to begin at, NaN where nothing is known: such a point is not
            answered.

    Returns:
        (N,) disparities in pixels and (N,) their standard deviations, NaN where the pictures do not
        agree.
    """
    disparity = np.full(len(pixels), np.nan)
    sigma = np.full(len(pixels), np.nan)
    known = np.flatnonzero(np.isfinite(start_px))
    if not len(known):
        return disparity, sigma
    points = np.ascontiguousarray(pixels[known], np.float32)
    start = points.copy()
    start[:, 0] -= start_px[known]
    found, good, left_over = _lucas_kanade(left, right, points, start, 0)
    back, returned, _ = _lucas_kanade(right, left, found, points, 0)
    measured = points[:, 0] - found[:, 0]
    good &= returned
    good &= np.abs(found[:, 1] - points[:, 1]) < _ROW_PX
    good &= np.abs(measured - start_px[known]) < _SAME_PX
    good &= np.linalg.norm(back - points, axis=1) < _BACK_PX
    disparity[known[good]] = measured[good]
    ratio = unsharpness(left, points)[:, 0] * np.nan_to_num(left_over)
    sigma_px = _DISPARITY_SIGMA[0] + _DISPARITY_SIGMA[1] * np.clip(ratio, 0.0, _MOST_RATIO) ** 2
    sigma[known[good]] = np.clip(sigma_px, None, _MOST_SIGMA_PX)[good]
    return disparity, sigma


def unsharpness(grey: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Measure by how many pixels a grey level of difference moves what is found around a point.

    The root of the diagonal of the inverse of the mean structure tensor: sigma of Lucas and Kanade
    is this times the grey levels in which the two patches differ (Förstner 1987), so a point on a
    horizontal edge is sure in v only.

    Args:
        grey: (H, W) uint8.
        pixels: (N, 2).

    Returns:
        (N, 2) pixels a grey level, of u and v.
    """
    # 1. patches around the points; a derivative looks 1 px farther
    half = _WINDOW_PX // 2 + 1
    size = _WINDOW_PX + 2
    corner = np.rint(pixels[:, ::-1]).astype(int) - half
    corner = np.clip(corner, 0, np.subtract(grey.shape, size))
    windows = np.lib.stride_tricks.sliding_window_view(grey, (size, size))
    patches = windows[corner[:, 0], corner[:, 1]]
    # 2. derivatives, with the patches side by side: of long lines they are fast
    strip = patches.transpose(1, 0, 2).reshape(size, -1)
    du = _patch_derivative(strip, (1, 0))
    dv = _patch_derivative(strip, (0, 1))
    # 3. the mean structure tensor [[uu, uv], [uv, vv]] and the diagonal of its inverse
    area = _WINDOW_PX**2
    uu = np.einsum("vnu,vnu->n", du, du) / area + 0.5
    uv = np.einsum("vnu,vnu->n", du, dv) / area
    vv = np.einsum("vnu,vnu->n", dv, dv) / area + 0.5
    return np.sqrt(np.stack([vv, uu], -1) / (uu * vv - uv**2)[:, None])


def _patch_derivative(strip: np.ndarray, order: tuple[int, int]) -> np.ndarray:
    """The derivative (V, N, U), grey levels a pixel, of patches side by side, without their rim."""
    size = _WINDOW_PX + 2
    derivative = cv2.Sobel(strip, cv2.CV_32F, *order, scale=1 / 8)
    return derivative[1:-1].reshape(_WINDOW_PX, -1, size)[..., 1:-1]


def coarse_disparity(left: np.ndarray, right: np.ndarray, ndisp: int = 128) -> np.ndarray:
    """Match a grey pair at half resolution by blocks, where no depth is given.

    Args:
        left: (H, W) uint8, rectified.
        right: (H, W) uint8, rectified.
        ndisp: the range to search, pixels.

    Returns:
        (H, W) float32 pixels, NaN unknown.
    """
    small_left = cv2.resize(left, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    small_right = cv2.resize(right, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    matcher = cv2.StereoBM_create(numDisparities=-(-ndisp // 32) * 16, blockSize=11)
    # sixteenths of a pixel at half resolution are eighths at the full one
    raw = matcher.compute(small_left, small_right).astype(np.float32) / 8
    raw[raw <= 0] = np.nan
    return cv2.resize(raw, left.shape[::-1], interpolation=cv2.INTER_NEAREST)


def sample(values: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Read a map at the nearest pixels; outside, the border's value.

    Args:
        values: (H, W).
        pixels: (N, 2).

    Returns:
        (N,) float64.
    """
    height, width = values.shape
    nearest = np.rint(np.reshape(pixels, (-1, 2))).astype(int)
    column = np.clip(nearest[:, 0], 0, width - 1)
    row = np.clip(nearest[:, 1], 0, height - 1)
    return values[row, column].astype(np.float64)


def _lucas_kanade(
    before, after, pixels, expected, levels
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Track in one direction: (N, 2) float32, (N,) bool, and the mean difference of the patches
    (N,), grey levels.
    """
    found, status, difference = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        pixels,
        expected.copy(),
        winSize=(_WINDOW_PX, _WINDOW_PX),
        maxLevel=levels,
        criteria=_STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        minEigThreshold=_LEAST_TEXTURE,
    )
    good = status[:, 0] > 0  # of the others the difference is whatever the memory held
    return found, good, np.where(good, difference[:, 0], np.float32(0))
