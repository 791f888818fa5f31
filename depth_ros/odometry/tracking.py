"""Points in pictures: found, followed in time, found again in the right picture.

OpenCV's Lucas-Kanade throughout.
"""

from __future__ import annotations

import cv2
import numpy as np

_WINDOW_PX, _LEVELS, _BORDER_PX = 11, 3, 4
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.02)
_QUALITY, _CELLS = 0.2, (6, 8)  # share of the mean strength that a corner must have
# Squared grey levels per pixel that a patch must change by in its weakest direction, times OpenCV's
# scale: a straight edge has less, and so has the noise of a sensor alone (1.5 grey levels); points
# slide there, and back again alike. With four times as much, rooms with little texture were lost
# and covariances less true (calibration seeds as below).
_LEAST_TEXTURE = 0.5 / 1024
_LEAST_STRENGTH = (
    _LEAST_TEXTURE / 7
)  # how a corner of that texture looks at half resolution: weaker ones do not begin
_BACK_PX = 0.5  # forward and back again must end where it began
_SAME_BRIGHTNESS = 8.0  # grey levels: beyond, the exposure may have changed
_ROW_PX = 1.0  # a rectified pair agrees in rows
_SAME_PX = (
    2.5  # the tracked disparity and that of the depth map, before the point is taken for an edge
)
# Standard deviations in pixels, of how far a patch moves per grey level of difference, times that
# difference: fitted to the errors against true motion on the calibration clips of
# experiments/odometry/egomotion_nees.py. The difference is not white noise but another view of the
# same thing, so they grow faster than in theory.
_FLOW_SIGMA, _DISPARITY_SIGMA, _MOST_SIGMA_PX = (0.15, 0.55), (0.08, 0.25), 2.0
DARK, FLAT = (
    8.0,
    3.0,
)  # grey levels: mean brightness, standard deviation, below which nothing can be seen


def to_grey(image: np.ndarray) -> np.ndarray:
    """Make (H, W) uint8 grey of (H, W, 3) uint8 RGB."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def fault(grey: np.ndarray) -> str:
    """Say why a picture shows nothing, "" where it does."""
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(cv2.resize(grey, (80, 60))))
    if mean < DARK:
        return f"the image is dark (mean {mean:.0f} of 255)"
    return f"the image is blank (deviation {deviation:.1f} of 255)" if deviation < FLAT else ""


def detect(grey: np.ndarray, taken: np.ndarray, count: int) -> np.ndarray:
    """Find corners away from those taken, (N, 2) float32 pixels: the best of every cell, so that
    they spread.

    Corners are Shi and Tomasi's (1994) at half resolution. taken: (M, 2) pixels. count: how many
    are wanted.
    """
    small = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    (height, width), border = small.shape, _BORDER_PX
    strength = cv2.cornerMinEigenVal(small, 3)
    is_best = cv2.compare(strength, cv2.dilate(strength, np.ones((9, 9), np.uint8)), cv2.CMP_GE)
    is_best &= cv2.compare(
        strength, max(_QUALITY * cv2.mean(strength)[0], _LEAST_STRENGTH), cv2.CMP_GT
    )
    is_best[:border], is_best[-border:], is_best[:, :border], is_best[:, -border:] = 0, 0, 0, 0
    near = np.zeros(strength.shape, np.uint8)
    u, v = np.asarray(taken, int).reshape(-1, 2).T // 2
    near[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)] = 255
    found = cv2.findNonZero(is_best & ~cv2.dilate(near, np.ones((13, 13), np.uint8)))
    if found is None:
        return np.zeros((0, 2), np.float32)
    columns, rows = found.reshape(-1, 2).T
    value = strength[rows, columns]
    cell = (rows * _CELLS[0] // height) * _CELLS[1] + columns * _CELLS[1] // width
    order = np.lexsort((-value, cell))
    rank = np.arange(len(order)) - np.searchsorted(
        cell[order], cell[order]
    )  # 0 = the best of its cell
    best = order[np.argsort(rank, kind="stable")][:count]
    return (np.stack([columns[best], rows[best]], -1) * 2 + 0.5).astype(np.float32).reshape(-1, 2)


def follow(before: np.ndarray, after: np.ndarray, pixels: np.ndarray, guess: np.ndarray):
    """Follow pixels (N, 2) from one picture into the next, forward and back (Lucas and Kanade
    1981).

    guess: (N, 2) where they are expected. Returns pixels (N, 2) float32, which of them arrived (N,)
    bool, and their standard deviations (N, 2).
    """
    if not len(pixels):
        return np.zeros((0, 2), np.float32), np.zeros(0, bool), np.zeros((0, 2))
    found = _there_and_back(before, after, pixels, guess)
    if abs(cv2.mean(before)[0] - cv2.mean(after)[0]) > _SAME_BRIGHTNESS:
        again = _there_and_back(before, _as_bright(after, before), pixels, guess)
        found = again if again[1].sum() > found[1].sum() else found
    return found


def _there_and_back(before, after, pixels, guess):
    """As follow, with the pictures as they are."""
    pixels, height, width = np.ascontiguousarray(pixels, np.float32), *after.shape
    guess = np.clip(np.nan_to_num(guess), -50, max(height, width) + 50).astype(np.float32)
    found, good, left_over = _lucas_kanade(before, after, pixels, guess, _LEVELS)
    back, returned, _ = _lucas_kanade(after, before, found, pixels, 0)
    inside = ((found >= _BORDER_PX) & (found < (width - _BORDER_PX, height - _BORDER_PX))).all(1)
    good = good & returned & inside & (np.linalg.norm(back - pixels, axis=1) < _BACK_PX)
    ratio = unsharpness(before, pixels) * np.nan_to_num(left_over)[:, None]
    return (
        found,
        good,
        np.clip(
            _FLOW_SIGMA[0] + _FLOW_SIGMA[1] * np.clip(ratio, 0.0, 9.0) ** 3, None, _MOST_SIGMA_PX
        ),
    )


def _as_bright(grey: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Give a picture the mean and the contrast of another: Lucas and Kanade take brightness for
    constant.
    """
    (mean, deviation), (as_mean, as_deviation) = (cv2.meanStdDev(image) for image in (grey, other))
    gain = float(as_deviation[0, 0] / max(deviation[0, 0], 1.0))
    levels = as_mean[0, 0] + gain * (np.arange(256) - mean[0, 0])
    return cv2.LUT(grey, np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def match_right(left: np.ndarray, right: np.ndarray, pixels: np.ndarray, guess_px: np.ndarray):
    """Measure the disparity (N,) of pixels (N, 2) of the left picture, NaN where the pictures do
    not agree.

    guess_px: (N,) disparity to begin at, NaN where nothing is known: such a point is not answered.
    Returns the disparities and their standard deviations (N,).
    """
    disparity, sigma = np.full(len(pixels), np.nan), np.full(len(pixels), np.nan)
    known = np.flatnonzero(np.isfinite(guess_px))
    if not len(known):
        return disparity, sigma
    points = np.ascontiguousarray(pixels[known], np.float32)
    start = points.copy()
    start[:, 0] -= guess_px[known]
    found, good, left_over = _lucas_kanade(left, right, points, start, 0)
    back, returned, _ = _lucas_kanade(right, left, found, points, 0)
    measured = points[:, 0] - found[:, 0]
    good &= (
        returned
        & (np.abs(found[:, 1] - points[:, 1]) < _ROW_PX)
        & (np.abs(measured - guess_px[known]) < _SAME_PX)
    )
    good &= np.linalg.norm(back - points, axis=1) < _BACK_PX
    disparity[known[good]] = measured[good]
    ratio = unsharpness(left, points)[:, 0] * np.nan_to_num(left_over)
    sigma[known[good]] = np.clip(
        _DISPARITY_SIGMA[0] + _DISPARITY_SIGMA[1] * np.clip(ratio, 0.0, 9.0) ** 2,
        None,
        _MOST_SIGMA_PX,
    )[good]
    return disparity, sigma


def unsharpness(grey: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Give by how many pixels (N, 2) a grey level of difference moves what is found around pixels
    (N, 2), (u, v).

    The root of the diagonal of the inverse of the mean structure tensor: sigma of Lucas and Kanade
    is this times the grey levels in which the two patches differ (Förstner 1987), so a point on a
    horizontal edge is sure in v only.
    """
    half, size = _WINDOW_PX // 2 + 1, _WINDOW_PX + 2  # a derivative looks 1 px farther
    corner = np.clip(np.rint(pixels[:, ::-1]).astype(int) - half, 0, np.subtract(grey.shape, size))
    patches = np.lib.stride_tricks.sliding_window_view(grey, (size, size))[
        corner[:, 0], corner[:, 1]
    ]
    strip = patches.transpose(1, 0, 2).reshape(
        size, -1
    )  # side by side: of long lines derivatives are fast
    du, dv = (
        cv2.Sobel(strip, cv2.CV_32F, *order, scale=1 / 8)[1:-1].reshape(_WINDOW_PX, -1, size)[
            ..., 1:-1
        ]
        for order in ((1, 0), (0, 1))
    )
    uu, uv, vv = (
        np.einsum("vnu,vnu->n", a, b) / _WINDOW_PX**2 for a, b in ((du, du), (du, dv), (dv, dv))
    )
    uu, vv = uu + 0.5, vv + 0.5
    return np.sqrt(np.stack([vv, uu], -1) / (uu * vv - uv**2)[:, None])


def coarse_disparity(left: np.ndarray, right: np.ndarray, ndisp: int = 128) -> np.ndarray:
    """Match a grey pair at half resolution by blocks, where no depth is given: (H, W) float32
    pixels, NaN unknown.
    """
    small = [
        cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for image in (left, right)
    ]
    raw = (
        cv2.StereoBM_create(numDisparities=-(-ndisp // 32) * 16, blockSize=11)
        .compute(*small)
        .astype(np.float32)
        / 8
    )
    raw[raw <= 0] = np.nan
    return cv2.resize(raw, left.shape[::-1], interpolation=cv2.INTER_NEAREST)


def sample(values: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Read a map (H, W) at the nearest pixels, (N,) float64; outside, the border's value."""
    column, row = (
        np.rint(pixels).astype(int).T if len(pixels) else (np.zeros(0, int), np.zeros(0, int))
    )
    height, width = values.shape
    return values[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)].astype(np.float64)


def _lucas_kanade(before, after, pixels, guess, levels):
    """Track one way; (N, 2) float32, (N,) bool, and the mean difference of the patches (N,),
    grey levels.
    """
    found, status, difference = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        pixels,
        guess.copy(),
        winSize=(_WINDOW_PX, _WINDOW_PX),
        maxLevel=levels,
        criteria=_STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        minEigThreshold=_LEAST_TEXTURE,
    )
    good = status[:, 0] > 0  # of the others the difference is whatever the memory held
    return found, good, np.where(good, difference[:, 0], np.float32(0))
