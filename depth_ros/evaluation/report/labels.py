"""What the figures of report.json are called on a page: words, unit, and why one was not
measured.
"""

from __future__ import annotations

from depth_ros.evaluation.proxies import PROXY_WORDS

# Words, factor from report.json, unit. Keys are the same in every section but those of _BY_SECTION.
_FIGURES = {
    "abs_rel": ("mean error / depth (abs_rel)", 100, "%"),
    "sq_rel": ("mean squared error / depth (sq_rel)", 1, "m"),
    "rmse": ("root mean square error (rmse)", 1, "m"),
    "rmse_log": ("rmse of log depth", 1, ""),
    "silog": ("spread of log error x 100 (silog)", 1, ""),
    "delta1": ("within 25 % of the truth (delta 1)", 100, "%"),
    "delta2": ("within 56 % (delta 2)", 100, "%"),
    "delta3": ("within 95 % (delta 3)", 100, "%"),
    "coverage": ("pixels with truth that were answered", 100, "%"),
    "epe_px": ("mean error of disparity", 1, "px"),
    "bad1_pct": ("pixels off by more than 1 px", 1, "%"),
    "bad2_pct": ("pixels off by more than 2 px", 1, "%"),
    "d1_pct": ("pixels off by more than 3 px and 5 % (D1)", 1, "%"),
    "per_scene": ("scene by scene", 1, ""),
    "rows": ("accuracy by distance", 1, ""),
    "within_1_sigma_pct": ("errors within one sigma (68.3 is right)", 1, "%"),
    "within_2_sigma_pct": ("errors within two sigma (95.4 is right)", 1, "%"),
    "median_ratio": ("factor that sigma lacks (1 is right)", 1, ""),
    "ause": ("worse than sorting by true error (ause)", 1, ""),
    "aurg": ("better than sorting by chance (aurg)", 1, ""),
    "share_of_oracle": ("sorting by sigma: share of the perfect gain", 100, "%"),
    "method": ("method", 1, ""),
    "scale": ("metres from", 1, ""),
    "ate_m": ("absolute trajectory error, rmse (ATE)", 1, "m"),
    "rpe_trans_m": ("error from frame to frame, rmse (RPE)", 1, "m"),
    "rpe_rot_deg": ("turn from frame to frame, rmse (RPE)", 1, "degrees"),
    "t_err_pct": ("drift over segments (KITTI)", 1, "%"),
    "r_err_deg_per_100m": ("turn over segments (KITTI)", 1, "degrees per 100 m"),
    "segments_m": ("lengths of the segments", 1, "m"),
    "segments": ("segments", 1, ""),
    "end_drift_m": ("off at the end", 1, "m"),
    "end_drift_pct": ("off at the end, of the way", 1, "%"),
    "end_drift_deg": ("turned at the end", 1, "degrees"),
    "path_m": ("length of the estimated way", 1, "m"),
    "truth_path_m": ("length of the true way", 1, "m"),
    "nees": ("error by covariance (NEES / 6; 1 is right, above: too sure)", 1, ""),
    "nees_covered_pct": ("steps within their 95 % bound", 1, "%"),
    "lost": ("frames lost", 1, ""),
    "gaps": ("times lost", 1, ""),
    "geometry_ms": ("CPU of ego-motion a frame, median", 1, "ms"),
    "p50": ("median", 1, "ms"),
    "p95": ("95 of 100 below", 1, "ms"),
    "p99": ("99 of 100 below", 1, "ms"),
    "engine_p50": ("the engine alone, median", 1, "ms"),
    **{key: (words, 1, "") for key, words in PROXY_WORDS.items()},
}
_BY_SECTION = {
    "latency_ms.p50": ("time of a frame, median", 1, "ms"),
    "latency_ms.p95": ("time of a frame, 95 of 100 below", 1, "ms"),
    "depth_median.abs_rel": ("mean error / depth, scale lent by the truth", 100, "%"),
    "stereo_visible.bad2_pct": ("pixels that both see, off by more than 2 px", 1, "%"),
    "proxies.left_right_off_pct": ("proxy: left and right disagree", 1, "%"),
    "proxies.photometric_grey": ("proxy: moved picture differs", 1, "of 255"),
    "proxies.temporal_pct": ("proxy: depth changes between frames", 1, "%"),
}
_SECTIONS = {
    "frames": "Frames",
    "latency_ms": "Time",
    "depth": "Depth in metres",
    "depth_median": "Depth, scale lent by the truth",
    "stereo": "Disparity",
    "stereo_visible": "Disparity, visible in both",
    "by_range": "Accuracy by distance",
    "uncertainty": "Uncertainty",
    "proxies": "Proxies",
    "odometry": "Ego-motion",
    "against": "Comparison",
}
_WHOLE = {
    "depth": "no true depth in metres, or a model without metres",
    "depth_median": "no true depth",
    "stereo": "no true depth or disparity",
    "stereo_visible": "nobody says which pixels both cameras see",
    "by_range": "no true depth",
    "uncertainty": "no true depth, or no sigma from this engine; not heard in a replay",
    "proxies": "they stand in where there is no truth",
    "odometry": "not asked for: --egomotion hybrid",
    "latency_ms": "no frame was timed",
}
_PLAIN = ("scaling",)  # named in the words above a table


def label(section: str, key: str) -> tuple[str, float, str]:
    """Give (words, factor, unit) of a figure; an unknown one keeps its key.

    >>> label("depth", "abs_rel")
    ('mean error / depth (abs_rel)', 100, '%')
    """
    return (
        _BY_SECTION.get(f"{section}.{key}") or _FIGURES.get(key) or (key.replace("_", " "), 1, "")
    )


def table(section: str, values: dict) -> list[tuple[str, str]]:
    """Give the rows (words, figure with unit and interval) of a section of report.json.

    >>> table("depth", {"abs_rel": 0.1, "abs_rel_ci": [0.05, 0.2], "rmse": 1.5, "scaling": "none"})
    [('mean error / depth (abs_rel)', '10 % [5, 20]'), ('root mean square error (rmse)', '1.5 m')]
    """
    rows = []
    for key, value in values.items():
        if key in ("per_scene", "rows", *_PLAIN) or key.endswith("_ci"):
            continue
        words, factor, unit = label(section, key)
        text = " ".join(filter(None, (number(value, factor), unit)))
        if ends := values.get(f"{key}_ci"):
            text += f" [{number(ends, factor)}]"
        rows.append((words, text))
    return rows


def number(value, factor: float = 1) -> str:
    """Write a figure with four digits at most; a list with commas, None as a dash.

    >>> number(0.123456, 100), number(None), number([1.0, 20])
    ('12.35', '–', '1, 20')
    """
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(number(item, factor) for item in value)
    return f"{factor * value:.4g}" if isinstance(value, float) else str(value)


def missing(names: list[str], report: dict) -> list[tuple[str, str]]:
    """Say what was not measured: (section in words, why, or which of its figures).

    >>> missing(
    ...     ["odometry.ate_m", "stereo.epe_px", "stereo.coverage"], {"odometry": {"t_err_pct": 1.0}}
    ... )
    [('Ego-motion', 'absolute trajectory error, rmse (ATE)'), ('Disparity', 'no true depth or
    disparity')]
    """
    keys: dict[str, list[str]] = {}
    for section, _, key in (name.partition(".") for name in names):
        if key not in _PLAIN:
            keys.setdefault(section, []).append(key)
    rows = []
    for section, absent in keys.items():
        if section in _WHOLE and section not in report:
            rows.append((_SECTIONS[section], _WHOLE[section]))
            continue
        plain = [key for key in absent if not (key.endswith("_ci") or section == "against")]
        words = [label(section, key)[0] for key in plain] or absent
        if any(key.endswith("_ci") for key in absent):
            words = (
                [*words, "intervals: fewer than three frames"]
                if plain
                else ["intervals: fewer than three frames"]
            )
        rows.append((_SECTIONS.get(section, section), "; ".join(words)))
    return rows


def short(model: str) -> str:
    """Give a model's name without its hash and what stands behind a comma: for legends and heads of
    tables.

    >>> short("OpenCV SGBM-3WAY, padded and filled (129926c0f6c1)"), short("mine (0123456789ab)")
    ('OpenCV SGBM-3WAY', 'mine')
    """
    return model.split(" (")[0].split(",")[0]


def short_names(models: list[str]) -> list[str]:
    """Give short names where they tell the models apart, else the full ones."""
    names = [short(model) for model in models]
    return names if len(set(names)) == len(names) else models
