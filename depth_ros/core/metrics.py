"""Metrics of depth and of stereo disparity: written once, used by evaluation, training and tests."""

from __future__ import annotations

import numpy as np

from .errors import ImageError

DEPTH_KEYS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "silog", "delta1", "delta2", "delta3", "coverage")
STEREO_KEYS = ("epe_px", "bad1_pct", "bad2_pct", "d1_pct", "coverage")
SCALINGS = ("none", "median")


def depth_metrics(
    pred: np.ndarray, truth: np.ndarray, min_m: float = 1e-3, max_m: float = 80.0, scaling: str = "none"
) -> dict:
    """Compare depth with truth (Eigen et al. 2014), over answered pixels whose truth lies in [min_m, max_m].

    pred, truth: same shape, metres, NaN unknown (0 and inf count as unknown too). Predictions are clipped to the range.
    scaling: "none", or "median": pred is multiplied by median(truth) / median(pred) first, for depth of unknown scale.
    Returns abs_rel, sq_rel (m), rmse (m), rmse_log, silog (100 x standard deviation of the log error), delta1-3
    (shares of max(p/t, t/p) < 1.25^k), coverage (share answered), scaling. Figures are NaN where nothing was answered.
    Raises ImageError for shapes that differ, truth without a pixel in the range, or an unknown scaling.

    >>> depth_metrics(np.array([2.0, 5.0]), np.array([2.0, 4.0]))["abs_rel"]
    0.125
    """
    pred, truth = _pair(pred, truth)
    if scaling not in SCALINGS:
        raise ImageError(f"scaling: expected one of {SCALINGS}, got {scaling!r}")
    with np.errstate(invalid="ignore"):
        judged = (truth >= min_m) & (truth <= max_m)
        answered = judged & np.isfinite(pred) & (pred > 0)
    if not judged.any():
        raise ImageError(f"expected truth between {min_m} and {max_m} m, got none")
    p, t = pred[answered], truth[answered]
    result = {"coverage": float(answered.sum() / judged.sum()), "scaling": scaling}
    if not len(p):
        return {**dict.fromkeys(DEPTH_KEYS, float("nan")), **result}
    if scaling == "median":
        p = p * (np.median(t) / np.median(p))
    return {**_depth_errors(np.clip(p, min_m, max_m), t), **result}


def stereo_metrics(pred: np.ndarray, truth: np.ndarray) -> dict:
    """Compare disparity with truth, over all pixels with truth, occluded ones included.

    pred, truth: same shape, pixels; NaN or inf = no answer, no truth. A pixel without answer is bad, lowers coverage.
    Returns epe_px (mean error of the answered), bad1_pct, bad2_pct (errors over 1 and 2 px), d1_pct (KITTI: over 3 px
    and over 5 % of the truth), coverage. Raises ImageError for shapes that differ, or without truth.

    >>> stereo_metrics(np.array([10.0, 13.0, np.nan, 4.0]), np.array([10.0, 10.0, 10.0, np.inf]))["epe_px"]
    1.5
    """
    pred, truth = _pair(pred, truth)
    judged = np.isfinite(truth)
    if not judged.any():
        raise ImageError("expected at least one pixel with truth, got none")
    p, t = pred[judged], truth[judged]
    answered = np.isfinite(p)
    error = np.where(answered, np.abs(np.where(answered, p, 0) - t), np.inf)
    return {
        "epe_px": float(error[answered].mean()) if answered.any() else float("nan"),
        "bad1_pct": _percent(error > 1),
        "bad2_pct": _percent(error > 2),
        "d1_pct": _percent((error > 3) & (error > 0.05 * np.abs(t))),
        "coverage": float(answered.mean()),
    }


def mean_metrics(metrics: list[dict]) -> dict:
    """Average figures over frames or scenes, each counting alike; NaN are left out, texts must agree.

    Raises ImageError for an empty list, other keys, or texts that differ (scalings must not be mixed).

    >>> mean_metrics([{"epe_px": 1.0}, {"epe_px": 2.0}])
    {'epe_px': 1.5}
    """
    if not metrics:
        raise ImageError("expected at least one set of metrics, got none")
    if any(set(one) != set(metrics[0]) for one in metrics):
        raise ImageError(f"expected the same keys everywhere, got {sorted({key for one in metrics for key in one})}")
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


def _mean(key: str, values: list):
    """The mean of numbers without the NaN, or the one text that all have."""
    if isinstance(values[0], str):
        if len(set(values)) > 1:
            raise ImageError(f"{key}: expected one value, got {sorted(set(values))}")
        return values[0]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _pair(pred, truth) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 of one shape; float32 sums of millions of pixels lose digits."""
    pred, truth = np.asarray(pred, np.float64), np.asarray(truth, np.float64)
    if pred.shape != truth.shape:
        raise ImageError(f"expected prediction and truth of one shape, got {pred.shape} and {truth.shape}")
    return pred, truth


def _percent(mask: np.ndarray) -> float:
    """The share of a mask in percent."""
    return float(100 * mask.mean())
