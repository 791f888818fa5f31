"""The numbers of report.json: what a run measured, and the names of what it did not."""

from __future__ import annotations

import numpy as np

from depth_ros.core.metrics import DEPTH_KEYS, mean_metrics
from depth_ros.evaluation.evaluate import Evaluation
from depth_ros.evaluation.intervals import mean_interval
from depth_ros.evaluation.proxies import PROXY_KEYS
from depth_ros.evaluation.ranges import by_range
from depth_ros.evaluation.sigma import SIGMA_KEYS, sigma_figures
from depth_ros.evaluation.trajectory import TRAJECTORY_KEYS, judge_track

# Every number that report.json can hold; what has no value is left out and named in not_measured.
_DEPTH = (*DEPTH_KEYS, "scaling", "abs_rel_ci")
_VISIBLE = ("epe_px", "bad1_pct", "bad2_pct", "d1_pct", "coverage")
KEYS = {
    "frames": ("in", "out", "dropped"),
    "latency_ms": ("p50", "p95", "p99", "engine_p50"),
    "depth": _DEPTH,
    "stereo": ("epe_px", "bad1_pct", "bad2_pct", "d1_pct", "coverage", "bad2_pct_ci", "per_scene"),
    "stereo_visible": _VISIBLE,
    "by_range": ("scaling", "rows"),
    "uncertainty": SIGMA_KEYS,
    "proxies": PROXY_KEYS,
    "odometry": TRAJECTORY_KEYS,
}
# In mono there is no disparity to judge; depth with the median of each frame's truth lent to it
# stands by itself.
MONO_KEYS = {key: KEYS[key] for key in ("frames", "latency_ms", "depth")}
MONO_KEYS |= {"depth_median": _DEPTH, "by_range": KEYS["by_range"], "uncertainty": SIGMA_KEYS}
MONO_KEYS |= {"proxies": PROXY_KEYS[:1] + PROXY_KEYS[2:], "odometry": KEYS["odometry"]}
ERROR_WORDS = {
    "stereo.bad2_pct": "pixels off by more than 2 px, %",
    "depth.abs_rel": "mean error / depth",
    "depth_median.abs_rel": "mean error / depth, scale lent by the truth",
}
_HEAD = ("input", "model", "backend", "mode")


def to_report(run: Evaluation) -> dict:
    """Make the dictionary of report.json: the keys of KEYS or MONO_KEYS, without those that were
    not measured.
    """
    sections = {
        "frames": {
            "in": run.frames_in,
            "out": len(run.results),
            "dropped": dict(sorted(run.dropped.items())),
        },
        "latency_ms": _latency(run),
        "depth": _mean_depth(run, "depth"),
        "depth_median": _mean_depth(run, "depth_median"),
        "stereo": _stereo(run),
        "stereo_visible": _visible(run),
        "by_range": _by_range(run),
        "uncertainty": _known(sigma_figures([r.sigma for r in run.results if r.sigma is not None])),
        "proxies": _proxies(run),
        "odometry": {} if run.track is None else _known(judge_track(run.track)),
    }
    report = {name: getattr(run, name) for name in _HEAD}
    missing = []
    for section, keys in (MONO_KEYS if run.mode == "mono" else KEYS).items():
        values = {key: sections[section][key] for key in keys if key in sections[section]}
        missing += [f"{section}.{key}" for key in keys if key not in values]
        if values:
            report[section] = values
    missing += [f"against.{name}" for name in run.uncompared]
    if run.precision:
        report["precision"] = run.precision
    if run.topics is not None:
        report["topics"] = run.topics.to_json()
    return {**report, **({"notes": run.notes} if run.notes else {}), "not_measured": missing}


def error_key(run: Evaluation, other: Evaluation | None = None) -> tuple[str, str]:
    """Name what frames are ranked by: (section, key); with another run, what both have, if they
    have anything.
    """
    for section, key in (("stereo", "bad2_pct"), ("depth", "abs_rel")):
        if _any(run, section) and (other is None or _any(other, section)):
            return section, key
    return "depth_median", "abs_rel"


def compare(run: Evaluation, other: Evaluation) -> dict | None:
    """Compare two runs on the frames that both answered: {"what", "frames", "difference", "ci"},
    run minus other.

    A difference below 0 says that run is better. ci: 95 %, from resampling the frames' own
    differences, which is sharper than two intervals side by side; absent below three frames. None
    where the two share no judged frame.
    """
    section, key = error_key(run, other)
    there = {r.name: getattr(r, section).get(key) for r in other.results}
    pairs = [(getattr(r, section).get(key), there.get(r.name)) for r in run.results]
    gaps = np.array(
        [a - b for a, b in pairs if a is not None and b is not None and np.isfinite([a, b]).all()]
    )
    if not len(gaps):
        return None
    found = {"what": f"{section}.{key}", "frames": len(gaps), "difference": float(gaps.mean())}
    interval = mean_interval(gaps, run.in_order)
    return found if interval is None else {**found, "ci": interval}


def percentile(values, share: float) -> float | None:
    """The percentile of a list of numbers, or None of an empty one."""
    return float(np.percentile(values, share)) if len(values) else None


def _latency(run: Evaluation) -> dict:
    """Percentiles of latency in milliseconds."""
    latency = {f"p{share}": percentile(run.latency_ms, share) for share in (50, 95, 99)}
    return _known({**latency, "engine_p50": run.engine_ms})


def _mean_depth(run: Evaluation, kind: str) -> dict:
    """Means over the frames that have metrics of this kind."""
    judged = [getattr(r, kind) for r in run.results if getattr(r, kind)]
    if not judged:
        return {}
    interval = mean_interval([values["abs_rel"] for values in judged], run.in_order)
    return _known({**mean_metrics(judged), "abs_rel_ci": interval})


def _stereo(run: Evaluation) -> dict:
    """Means over frames; per scene where the input is a folder of scenes, else the whole bag as
    one.
    """
    if not _any(run, "stereo"):
        return {}
    judged = {result.name: result.stereo for result in run.results if result.stereo}
    mean = _known(mean_metrics(list(judged.values())))
    each = {name: _known(values) for name, values in judged.items()}
    per_scene = (
        {run.input: dict(mean)} if run.in_order else each
    )  # frames of a recording are not scenes
    interval = mean_interval([values["bad2_pct"] for values in judged.values()], run.in_order)
    return _known({**mean, "bad2_pct_ci": interval, "per_scene": per_scene})


def _visible(run: Evaluation) -> dict:
    """Means over frames of the pixels that both cameras see."""
    judged = [result.stereo_visible for result in run.results if result.stereo_visible]
    return _known(mean_metrics(judged)) if judged else {}


def _by_range(run: Evaluation) -> dict:
    """The table of accuracy by distance, and whether it borrowed its scale."""
    rows = by_range([r.ranges for r in run.results if r.ranges is not None], run.in_order)
    borrowed = _any(run, "depth_median") and not _any(run, "depth")
    return {"scaling": "median" if borrowed else "none", "rows": rows} if rows else {}


def _proxies(run: Evaluation) -> dict:
    """Means over the frames that have them."""
    found = {key: [r.proxies[key] for r in run.results if key in r.proxies] for key in PROXY_KEYS}
    return {key: float(np.mean(values)) for key, values in found.items() if values}


def _any(run: Evaluation, kind: str) -> bool:
    """True where any frame has metrics of this kind."""
    return any(getattr(result, kind) for result in run.results)


def _known(values: dict) -> dict:
    """Drop what is None or not finite: JSON has no NaN, and a metric of nothing was not
    measured.
    """
    return {
        k: v
        for k, v in values.items()
        if v is not None and not (isinstance(v, float) and not np.isfinite(v))
    }
