"""Run an estimator over an input and gather what report.json says; no ROS, deterministic but for
the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from depth_ros.core.depth import depth_to_disparity
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.core.metrics import align, depth_metrics, stereo_metrics
from depth_ros.core.types import Estimate
from depth_ros.estimator.preprocess import rectified
from depth_ros.recordings.sample import Sample, Source, known_depth
from depth_ros.recordings.topics import Topics

from .odometry_runner import Follower
from .proxies import Proxies, step_between
from .ranges import range_sums
from .report.image_panels import Album, mono_panels, panels, panels_to_jpeg
from .sigma import SigmaFrame, sigma_frame
from .trajectory import Track


@dataclass
class FrameResult:
    """One answered frame: its metrics (empty without ground truth), a picture, and its times in
    milliseconds.

    depth: of metres as they are; depth_median: after median scaling (mono only). stereo_visible: of
    the pixels that both cameras see, where the input says which. ranges: ranges.range_sums of the
    depth that is judged, or None. sigma: of metres, or None. proxies: where nothing is known to
    judge by. relative: depth has no unit.
    """

    name: str
    depth: dict = field(default_factory=dict)
    depth_median: dict = field(default_factory=dict)
    stereo: dict = field(default_factory=dict)
    stereo_visible: dict = field(default_factory=dict)
    timing_ms: dict = field(default_factory=dict)
    coverage: float = 0.0
    picture: bytes = b""
    ranges: np.ndarray | None = None
    sigma: SigmaFrame | None = None
    proxies: dict = field(default_factory=dict)
    relative: bool = False

    @property
    def error(self) -> float | None:
        """The number to rank frames by: bad2 in percent, else abs_rel; None without truth.

        Larger is worse.
        """
        depth = self.depth or self.depth_median
        return self.stereo.get("bad2_pct", depth.get("abs_rel"))


@dataclass
class Evaluation:
    """The results of a run, before they are a report.

    age_ms: of the published depth, per answered pair (replay). track: the way that ego-motion
    found, or None. in_order: frames follow each other. findings: replay.doctor's, or None where it
    did not look. causes: why each dropped frame was dropped, by name (replay). notes: what the
    verdict must not leave out. uncompared: the other models that were asked for and could not be
    run on this input. topics: of a recording, or None. precision: of the numbers that the engine
    computes with, "" where it does not say.
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
    in_order: bool = True
    findings: list | None = None
    causes: dict[str, str] = field(default_factory=dict)
    uncompared: list[str] = field(default_factory=list)
    topics: Topics | None = None
    precision: str = ""


def evaluate(
    source: Source,
    estimator,
    model: str,
    on_step: Callable[[], None] = lambda: None,
    follower: Follower | None = None,
) -> Evaluation:
    """Estimate every sample of a source and compare it with what truth it has.

    estimator: an estimator.StereoEstimator or MonoEstimator, as the source's mode wants.
    on_step: called once a sample, for a progress bar. follower: ego-motion, to be judged too.
    Raises InputError where the source gives no sample at all.
    """
    run = Evaluation(
        source.name, model, estimator.engine.name, source.mode, in_order=source.is_sequence
    )
    run.topics = source.topics
    proxies, album, pose = Proxies(estimator, len(source)), Album(), None
    for sample, estimate in estimates(source, estimator, run):
        run.results.append(judge(sample, estimate))
        run.latency_ms.append(estimate.timing_ms["total"])
        if follower is not None:
            follower.update(estimate, sample.world_T_camera, sample.recorded_depth)
        if run.results[-1].error is None:
            step = (
                follower.track.steps[-1] if follower else step_between(pose, sample.world_T_camera)
            )
            run.results[-1].proxies = proxies.update(sample.frame, estimate, step)
        else:
            proxies.forget()
        album.add(run.results[-1])
        pose = sample.world_T_camera
        on_step()
    run.track = None if follower is None else follower.track
    run.backend = (
        estimator.engine.name
    )  # of what answered: before the first frame it may have been another one
    _close(run, source)
    return run


def _close(run: Evaluation, source: Source) -> None:
    """Account for every frame; raises InputError where none was usable."""
    for cause, count in source.drops.items():
        run.dropped[cause] = run.dropped.get(cause, 0) + count
    run.reasons = {**source.reasons, **run.reasons}
    run.notes += source.notes
    run.frames_in = len(run.results) + sum(run.dropped.values())
    nominal = sum(bool(result.stereo) and not result.depth for result in run.results)
    if nominal and any(result.depth for result in run.results):
        judged = len(run.results) - nominal
        run.notes.append(
            f"Depth is judged on {judged} of {len(run.results)} scenes: the others are not metric."
        )
    if not run.results:
        causes = "; ".join(
            f"{cause} {count} ({run.reasons.get(cause, '')})"
            for cause, count in run.dropped.items()
        )
        raise InputError(
            f"{source.name}: expected at least one usable {noun(run)}, got none: "
            f"{causes or 'no image'}"
        )
    run.engine_ms = float(np.median([result.timing_ms["engine"] for result in run.results]))


def estimates(source: Iterable[Sample], estimator, run: Evaluation):
    """Yield (sample, estimate), the sample rectified; a frame that the estimator refuses is
    counted with its reason.
    """
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
    """Compare one estimate with its truth: disparity where disparity is known, depth where
    metres mean metres.
    """
    if estimate.disparity is None:
        return _judge_mono(sample, estimate)
    result = FrameResult(sample.name, timing_ms=estimate.timing_ms)
    result.coverage = float(
        np.isfinite(estimate.depth).mean()
    )  # a disparity of 0 is an answer, but no depth
    rig = estimate.rig
    truth_disparity = sample.truth_disparity
    if truth_disparity is None and sample.truth_depth is not None:
        truth_disparity = depth_to_disparity(
            sample.truth_depth, rig.left.fx, rig.baseline_m, rig.doffs_px
        )
    if truth_disparity is not None and np.isfinite(truth_disparity).any():
        result.stereo = stereo_metrics(estimate.disparity, truth_disparity)
        if sample.visible_in_both is not None:
            seen = np.where(sample.visible_in_both, truth_disparity, np.float32(np.nan))
            result.stereo_visible = (
                stereo_metrics(estimate.disparity, seen) if np.isfinite(seen).any() else {}
            )
    if sample.metric and (truth := known_depth(sample)) is not None and within_range(truth):
        result.depth = depth_metrics(estimate.depth, truth)
        result.ranges = range_sums(estimate.depth, truth)
        if estimate.sigma_m is not None:
            result.sigma = sigma_frame(estimate.depth, estimate.sigma_m, truth)
    result.picture = panels_to_jpeg(panels(estimate, truth_disparity))
    return result


def _judge_mono(sample: Sample, estimate: Estimate) -> FrameResult:
    """Compare depth with truth: as it is where both are metric, and with the median of the truth
    lent to it.
    """
    result = FrameResult(sample.name, timing_ms=estimate.timing_ms, relative=estimate.depth is None)
    depth, truth = mono_depth(estimate), sample.truth_depth
    result.coverage = float(np.isfinite(depth).mean())
    if truth is not None and within_range(truth):
        result.depth_median = depth_metrics(depth, truth, scaling="median")
        if sample.metric and estimate.depth is not None:
            result.depth = depth_metrics(depth, truth)
            result.ranges = range_sums(depth, truth)
            if estimate.sigma_m is not None:
                result.sigma = sigma_frame(depth, estimate.sigma_m, truth)
        else:
            result.ranges = range_sums(align(depth, truth, "median"), truth)
    result.picture = panels_to_jpeg(
        mono_panels(estimate.left, depth, truth, "none" if result.depth else "median")
    )
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


def noun(run: Evaluation) -> str:
    """What a frame of this run is called."""
    return "image" if run.mode == "mono" else "pair"


def said_of(source: Source) -> list[str]:
    """Give the sentences about an input that stand below every result: which topics were read,
    what was assumed.
    """
    read = [f"read as {source.topics.sentence()}"] if source.topics is not None else []
    return read + source.notes
