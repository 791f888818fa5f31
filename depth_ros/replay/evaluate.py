"""Run an estimator over an input and gather what report.json says; no ROS, deterministic but for the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from ..core.depth import depth_to_disparity
from ..core.errors import DepthRosError, InputError
from ..core.frame import Estimate
from ..core.metrics import DEPTH_KEYS, depth_metrics, mean_metrics, stereo_metrics
from ..prepare import rectified
from .follow import Follower
from .panel import mono_panels, panels, panels_to_jpeg
from .sample import Sample, Source, known_depth
from .trajectory import TRAJECTORY_KEYS, Track, judge_track

# Every number that report.json can hold; what has no value is left out and named in not_measured.
_DEPTH = (*DEPTH_KEYS, "scaling")
KEYS = {
    "frames": ("in", "out", "dropped"),
    "latency_ms": ("p50", "p95", "p99", "engine_p50"),
    "depth": _DEPTH,
    "stereo": ("epe_px", "bad1_pct", "bad2_pct", "d1_pct", "coverage", "per_scene"),
    "odometry": TRAJECTORY_KEYS,
}
# In mono there is no disparity to judge; depth with the median of each frame's truth lent to it stands by itself.
MONO_KEYS = {**{key: KEYS[key] for key in ("frames", "latency_ms", "depth")}, "depth_median": _DEPTH}
MONO_KEYS["odometry"] = KEYS["odometry"]
_HEAD = ("input", "model", "backend", "mode")


@dataclass
class FrameResult:
    """One answered frame: its metrics (empty without ground truth), a picture, and its times in milliseconds.

    depth: of metres as they are; depth_median: after median scaling (mono only).
    """

    name: str
    depth: dict = field(default_factory=dict)
    depth_median: dict = field(default_factory=dict)
    stereo: dict = field(default_factory=dict)
    timing_ms: dict = field(default_factory=dict)
    coverage: float = 0.0
    picture: bytes = b""

    @property
    def error(self) -> float | None:
        """The number to rank frames by: bad2 in percent, else abs_rel; None without truth. Larger is worse."""
        depth = self.depth or self.depth_median
        return self.stereo.get("bad2_pct", depth.get("abs_rel"))


@dataclass
class Evaluation:
    """The results of a run, before they are a report.

    age_ms: of the published depth, per answered pair (replay). track: the way that ego-motion found, or None.
    """

    input: str
    model: str
    backend: str
    mode: str = "stereo"
    frames_in: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    results: list[FrameResult] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    age_ms: list[float] = field(default_factory=list)
    engine_ms: float | None = None
    notes: list[str] = field(default_factory=list)
    replay: bool = False
    track: Track | None = None


def evaluate(
    source: Source,
    estimator,
    model: str,
    on_step: Callable[[], None] = lambda: None,
    follower: Follower | None = None,
) -> Evaluation:
    """Estimate every sample of a source and compare it with what truth it has.

    estimator: an estimator.Estimator or MonoEstimator, as the source's mode wants.
    on_step: called once a sample, for a progress bar. follower: ego-motion, to be judged too.
    Raises InputError where the source gives no sample at all.
    """
    run = Evaluation(source.name, model, estimator.engine.name, source.mode)
    for sample, estimate in estimates(source, estimator, run):
        run.results.append(judge(sample, estimate))
        run.latency_ms.append(estimate.timing_ms["total"])
        if follower is not None:
            follower.update(sample, sample.frame, estimate)
        on_step()
    run.track = None if follower is None else follower.track
    for cause, count in source.drops.items():
        run.dropped[cause] = run.dropped.get(cause, 0) + count
    run.reasons = {**getattr(source, "reasons", {}), **run.reasons}
    run.frames_in = len(run.results) + sum(run.dropped.values())
    nominal = sum(bool(result.stereo) and not result.depth for result in run.results)
    if nominal and _any(run, "depth"):
        judged = len(run.results) - nominal
        run.notes.append(f"Depth is judged on {judged} of {len(run.results)} scenes: the others are not metric.")
    if not run.results:
        causes = "; ".join(f"{cause} {count} ({run.reasons.get(cause, '')})" for cause, count in run.dropped.items())
        raise InputError(f"{source.name}: expected at least one usable {noun(run)}, got none: {causes or 'no image'}")
    run.engine_ms = percentile([result.timing_ms["engine"] for result in run.results], 50)
    return run


def estimates(source: Iterable[Sample], estimator, run: Evaluation):
    """Yield (sample, estimate), the sample rectified; a frame that the estimator refuses is counted with its reason."""
    for sample in source:
        try:
            sample = replace(sample, frame=rectified(sample.frame))
            estimate = estimator.estimate(sample.frame)
        except DepthRosError as error:
            run.dropped["refused"] = run.dropped.get("refused", 0) + 1
            run.reasons.setdefault("refused", str(error))
            continue
        yield sample, estimate


def judge(sample: Sample, estimate: Estimate) -> FrameResult:
    """Compare one estimate with its truth: disparity where disparity is known, depth where metres mean metres."""
    if estimate.disparity is None:
        return _judge_mono(sample, estimate)
    result = FrameResult(sample.name, timing_ms=estimate.timing_ms)
    result.coverage = float(np.isfinite(estimate.disparity).mean())
    rig = estimate.rig
    truth_disparity = sample.truth_disparity
    if truth_disparity is None and sample.truth_depth is not None:
        truth_disparity = depth_to_disparity(sample.truth_depth, rig.left.fx, rig.baseline_m, rig.doffs_px)
    if truth_disparity is not None and np.isfinite(truth_disparity).any():
        result.stereo = stereo_metrics(estimate.disparity, truth_disparity)
    if sample.metric and (truth := known_depth(sample)) is not None and within_range(truth):
        result.depth = depth_metrics(estimate.depth, truth)
    result.picture = panels_to_jpeg(panels(estimate, truth_disparity))
    return result


def _judge_mono(sample: Sample, estimate: Estimate) -> FrameResult:
    """Compare depth with truth: as it is where both are metric, and with the median of the truth lent to it."""
    result = FrameResult(sample.name, timing_ms=estimate.timing_ms)
    depth, truth = mono_depth(estimate), sample.truth_depth
    result.coverage = float(np.isfinite(depth).mean())
    if truth is not None and within_range(truth):
        result.depth_median = depth_metrics(depth, truth, scaling="median")
        if sample.metric and estimate.depth is not None:
            result.depth = depth_metrics(depth, truth)
    result.picture = panels_to_jpeg(mono_panels(estimate.left, depth, truth, "none" if result.depth else "median"))
    return result


def mono_depth(estimate: Estimate) -> np.ndarray:
    """Give depth, metres, or in the unknown unit of a relative model."""
    if estimate.depth is not None:
        return estimate.depth
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(estimate.inv_depth > 0, 1 / estimate.inv_depth, np.float32(np.nan))


def within_range(truth: np.ndarray, min_m: float = 1e-3, max_m: float = 80.0) -> bool:
    """True where a pixel of truth lies in the range that depth_metrics judges."""
    return bool(np.any((truth >= min_m) & (truth <= max_m)))


def to_report(run: Evaluation) -> dict:
    """Make the dictionary of report.json: the keys of KEYS or MONO_KEYS, without those that were not measured."""
    sections = {
        "frames": {"in": run.frames_in, "out": len(run.results), "dropped": dict(sorted(run.dropped.items()))},
        "latency_ms": _latency(run),
        "depth": _mean_depth(run, "depth"),
        "depth_median": _mean_depth(run, "depth_median"),
        "stereo": _stereo(run),
        "odometry": {} if run.track is None else _known(judge_track(run.track)),
    }
    report = {name: getattr(run, name) for name in _HEAD}
    missing = []
    for section, keys in (MONO_KEYS if run.mode == "mono" else KEYS).items():
        values = {key: sections[section][key] for key in keys if key in sections[section]}
        missing += [f"{section}.{key}" for key in keys if key not in values]
        if values:
            report[section] = values
    return {**report, "not_measured": missing}


def noun(run: Evaluation) -> str:
    """What a frame of this run is called."""
    return "image" if run.mode == "mono" else "pair"


def percentile(values, share: float) -> float | None:
    """The percentile of a list of numbers, or None of an empty one."""
    return float(np.percentile(values, share)) if len(values) else None


def _latency(run: Evaluation) -> dict:
    """Percentiles of latency in milliseconds."""
    latency = {f"p{share}": percentile(run.latency_ms, share) for share in (50, 95, 99)}
    return _known({**latency, "engine_p50": run.engine_ms})


def _mean_depth(run: Evaluation, kind: str) -> dict:
    """Means over the frames that have metrics of this kind."""
    return _known(mean_metrics([getattr(r, kind) for r in run.results if getattr(r, kind)])) if _any(run, kind) else {}


def _stereo(run: Evaluation) -> dict:
    """Means over frames; per scene where the input is a folder of scenes, else the whole bag as one."""
    if not _any(run, "stereo"):
        return {}
    judged = {result.name: result.stereo for result in run.results if result.stereo}
    mean = _known(mean_metrics(list(judged.values())))
    names = all(not name.isdigit() for name in judged)  # the frames of a bag have stamps for names
    per_scene = {name: _known(values) for name, values in judged.items()} if names else {run.input: dict(mean)}
    return {**mean, "per_scene": per_scene}


def _any(run: Evaluation, kind: str) -> bool:
    """True where any frame has metrics of this kind."""
    return any(getattr(result, kind) for result in run.results)


def _known(values: dict) -> dict:
    """Drop what is None or not finite: JSON has no NaN, and a metric of nothing was not measured."""
    return {k: v for k, v in values.items() if v is not None and not (isinstance(v, float) and not np.isfinite(v))}
