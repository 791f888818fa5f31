"""Metrics of depth, stereo disparity and motion: written once, used by evaluation, training and
tests.
"""

from __future__ import annotations

import numpy as np

from .errors import ImageError
from .lie import so3_log

DEPTH_KEYS = (
    "abs_rel",
    "sq_rel",
    "rmse",
    "rmse_log",
    "silog",
    "delta1",
    "delta2",
    "delta3",
    "coverage",
)
SCALINGS = ("none", "median", "scale-shift")
# Shares of the image's height and width
_GARG_ROWS = (0.40810811, 0.99189189)
_GARG_COLUMNS = (0.03594771, 0.96405229)


def depth_metrics(
    pred: np.ndarray,
    truth: np.ndarray,
    min_m: float = 1e-3,
    max_m: float = 80.0,
    scaling: str = "none",
) -> dict:
    """Compare depth with ground truth (Eigen et al. 2014), where that lies in [min_m, max_m].

    Args:
        pred: Any shape, metres, NaN unknown (0 and inf count as unknown too); clipped to the range.
        truth: Ground truth, the same shape and unit.
        min_m: Of the range.
        max_m: Of the range.
        scaling: What align does to pred first, over the judged pixels. Its name is in the result,
            so that figures of metric depth and of depth with a borrowed scale cannot be mixed.

    Returns:
        abs_rel, sq_rel (m), rmse (m), rmse_log, silog (100 x standard deviation of the log error),
        delta1-3 (shares of max(p/t, t/p) < 1.25^k), coverage (share of judged pixels with a
        prediction), scaling. Figures are NaN where nothing was predicted.

    Raises:
        ImageError: For shapes that differ, ground truth without a pixel in the range, an empty
            range, or an unknown scaling.

    >>> depth_metrics(np.array([2.0, 5.0]), np.array([2.0, 4.0]))["abs_rel"]
    0.125
    """
    pred, truth = _pair(pred, truth)
    _check_scaling(scaling)
    if not 0 < min_m < max_m:
        raise ImageError(f"expected a range of depth above 0 m, got {min_m} to {max_m} m")
    with np.errstate(invalid="ignore"):
        judged = (truth >= min_m) & (truth <= max_m)
        answered = judged & np.isfinite(pred) & (pred > 0)
    if not judged.any():
        raise ImageError(f"expected truth between {min_m} and {max_m} m, got none")
    result = {"coverage": float(answered.sum() / judged.sum()), "scaling": scaling}
    if not answered.any():
        return {**dict.fromkeys(DEPTH_KEYS, float("nan")), **result}
    t = truth[answered]
    p = np.clip(align(pred[answered], t, scaling), min_m, max_m)
    return {**_depth_errors(p, t), **result}


def align(pred: np.ndarray, truth: np.ndarray, how: str) -> np.ndarray:
    """Scale depth to ground truth, over the pixels where both are known (finite and above 0).

    Args:
        pred: Any shape, metres up to scale.
        truth: Ground truth, the same shape, metres.
        how: "none": as it is. "median": pred times median(truth) / median(pred) (Zhou et al. 2017).
            "scale-shift": s / pred + t fitted to 1 / truth by least squares (Ranftl et al. 2020,
            eq. 4), for inverse depth of unknown scale and offset; what that moves behind the camera
            is inf.

    Returns:
        float64 of the same shape, NaN unknown.

    Raises:
        ImageError: For shapes that differ, an unknown name, or no pixel in common.

    >>> align(np.array([1.0, 2.0, 8.0]), np.array([3.0, 6.0, 9.0]), "median").tolist()
    [3.0, 6.0, 24.0]
    """
    pred, truth = _pair(pred, truth)
    _check_scaling(how)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(pred) & (pred > 0)
        both = known & np.isfinite(truth) & (truth > 0)
    pred = np.where(known, pred, np.nan)
    if how == "none":
        return pred
    if not both.any():
        raise ImageError("expected a pixel where prediction and truth are known, got none")
    if how == "median":
        return pred * (np.median(truth[both]) / np.median(pred[both]))
    # [1 / pred, 1] (s, t)^T = 1 / truth
    columns = np.stack([1 / pred[both], np.ones(both.sum())], axis=1)
    scale, shift = np.linalg.lstsq(columns, 1 / truth[both], rcond=None)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = scale / pred + shift
        aligned = np.where(inverse > 0, 1 / inverse, np.inf)
    return np.where(known, aligned, np.nan)


def garg_crop(height: int, width: int) -> np.ndarray:
    """Make the mask in which KITTI is evaluated (Garg et al. 2016).

    It leaves out sky, bonnet and the outer columns.

    Args:
        height: Of the image.
        width: Of the image.

    Returns:
        (height, width) bool, True where ground truth counts.

    >>> mask = garg_crop(375, 1242)
    >>> np.argwhere(mask).min(0).tolist(), np.argwhere(mask).max(0).tolist()
    ([153, 44], [370, 1196])
    """
    top, bottom = (int(share * height) for share in _GARG_ROWS)
    left, right = (int(share * width) for share in _GARG_COLUMNS)
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def rotation_error_deg(pred: np.ndarray, truth: np.ndarray) -> float:
    """Measure the angle of the rotation between two transforms.

    Args:
        pred: (4, 4) a_T_b.
        truth: (4, 4), of the same a and b.

    Returns:
        Degrees in [0, 180].

    >>> turned = np.diag([-1.0, -1.0, 1.0, 1.0])
    >>> rotation_error_deg(turned, np.eye(4))
    180.0
    """
    between = np.asarray(pred, np.float64)[:3, :3].T @ np.asarray(truth, np.float64)[:3, :3]
    return float(np.degrees(np.linalg.norm(so3_log(between))))


def translation_direction_error_deg(pred: np.ndarray, truth: np.ndarray) -> float:
    """Measure the angle between the directions of two translations; scale does not matter.

    Args:
        pred: (4, 4) a_T_b.
        truth: (4, 4), of the same a and b.

    Returns:
        Degrees in [0, 180]; NaN where either does not move: it has no direction.

    >>> sideways = np.eye(4)
    >>> sideways[0, 3] = 0.1
    >>> forward = np.eye(4)
    >>> forward[2, 3] = 2.0
    >>> translation_direction_error_deg(sideways, forward)
    90.0
    """
    a = np.asarray(pred, np.float64)[:3, 3]
    b = np.asarray(truth, np.float64)[:3, 3]
    if not (a.any() and b.any()):
        return float("nan")
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def stereo_metrics(pred: np.ndarray, truth: np.ndarray) -> dict:
    """Compare disparity with ground truth, occluded pixels included.

    Args:
        pred: Any shape, pixels; NaN or inf: unknown, which counts as bad and lowers coverage.
        truth: The same shape, pixels; NaN or inf: no ground truth, which counts for nothing.

    Returns:
        epe_px (mean error where pred is known), bad1_pct, bad2_pct (errors over 1 and 2 px), d1_pct
        (KITTI: over 3 px and over 5 % of the ground truth), coverage.

    Raises:
        ImageError: For shapes that differ, or without ground truth.

    >>> stereo_metrics(np.array([10.0, 13.0, np.nan, 4.0]), np.array([10.0, 10.0, 10.0, np.inf]))[
    ...     "epe_px"
    ... ]
    1.5
    """
    pred, truth = _pair(pred, truth)
    judged = np.isfinite(truth)
    if not judged.any():
        raise ImageError("expected at least one pixel with truth, got none")
    t = truth[judged]
    error = np.abs(pred[judged] - t)
    answered = np.isfinite(error)
    error[~answered] = np.inf
    epe_px = float("nan")
    if answered.any():
        epe_px = float(error[answered].mean())
    return {
        "epe_px": epe_px,
        "bad1_pct": _percent(error > 1),
        "bad2_pct": _percent(error > 2),
        "d1_pct": _percent((error > 3) & (error > 0.05 * np.abs(t))),
        "coverage": float(answered.mean()),
    }


def mean_metrics(metrics: list[dict]) -> dict:
    """Average figures over frames or scenes, each counting alike.

    Args:
        metrics: Of one frame or scene each, with the same keys; NaN are left out, texts must agree.

    Raises:
        ImageError: For an empty list, other keys, or texts that differ (scalings must not be
            mixed).

    >>> mean_metrics([{"epe_px": 1.0}, {"epe_px": 2.0}])
    {'epe_px': 1.5}
    """
    if not metrics:
        raise ImageError("expected at least one set of metrics, got none")
    if any(set(one) != set(metrics[0]) for one in metrics):
        raise ImageError(
            "expected the same keys everywhere, got "
            f"{sorted({key for one in metrics for key in one})}"
        )
    return {key: _mean(key, [one[key] for one in metrics]) for key in metrics[0]}


def _depth_errors(p: np.ndarray, t: np.ndarray) -> dict:
    """The figures of answered pixels."""
    log_error = np.log(p) - np.log(t)
    ratio = np.maximum(p / t, t / p)
    return {
        "abs_rel": float(np.mean(np.abs(p - t) / t)),
        "sq_rel": float(np.mean((p - t) ** 2 / t)),
        "rmse": float(np.sqrt(np.mean((p - t) ** 2))),
        "rmse_log": float(np.sqrt(np.mean(log_error**2))),
        "silog": float(100 * np.std(log_error)),
        **{f"delta{k}": float(np.mean(ratio < 1.25**k)) for k in (1, 2, 3)},
    }


def _check_scaling(how: str) -> None:
    """Refuse a name that is not one of SCALINGS."""
    if how not in SCALINGS:
        raise ImageError(f"scaling: expected one of {SCALINGS}, got {how!r}")


def _mean(key: str, values: list):
    """The mean of numbers without the NaN, or the one text that all have."""
    if isinstance(values[0], str):
        if len(set(values)) > 1:
            raise ImageError(f"{key}: expected one value, got {sorted(set(values))}")
        return values[0]
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return float("nan")
    return float(np.mean(known))


def _pair(pred, truth) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 of one shape; float32 sums of millions of pixels lose digits."""
    pred = np.asarray(pred, np.float64)
    truth = np.asarray(truth, np.float64)
    if pred.shape != truth.shape:
        raise ImageError(
            f"expected prediction and truth of one shape, got {pred.shape} and {truth.shape}"
        )
    return pred, truth


def _percent(mask: np.ndarray) -> float:
    """The share of a mask in percent."""
    return float(100 * mask.mean())
