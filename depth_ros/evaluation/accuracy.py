"""How far engines are from the truth, on the same samples: what a precision costs where truth is
known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from depth_ros.core.depth import depth_to_disparity
from depth_ros.core.metrics import depth_metrics, mean_metrics, stereo_metrics
from depth_ros.estimator.factory import EstimatorOptions, make_estimator
from depth_ros.estimator.preprocess import rectified
from depth_ros.recordings.sample import Sample, known_depth

_STEREO, _DEPTH = ("bad1_pct", "bad2_pct", "epe_px"), ("abs_rel", "delta1")
_RANGE_M = (1e-3, 80.0)
_LEAST_PIXELS = 100  # of truth in a frame, for its median to mean something


class Graph:
    """Anything with run(inputs) -> outputs, seen as an engine of a spec."""

    def __init__(self, runner, spec, name: str):
        self.run, self.spec, self.name, self.model_hash = runner.run, spec, name, ""

    def warmup(self) -> None:
        """Nothing to do."""


def truth_errors(
    samples: Iterable[Sample], engines: dict[str, object], max_disparity_px: int = 128
) -> dict:
    """Judge engines (by name; of one task, with specs) on the samples that have truth, one by one.

    Stereo: bad1_pct, bad2_pct, epe_px where disparity is known; both: abs_rel, delta1 of depth
    where that is known, in mono after each frame's median is put right. Means over frames. Returns
    {name: {figure: mean, "frames": n judged by disparity, "frames_depth": n by depth}}; empty where
    no sample has truth.
    """
    task = next(iter(engines.values())).spec.task
    if task == "pose":
        return {}
    options = EstimatorOptions(task, max_disparity_px=max_disparity_px)
    makers = {name: make_estimator(options, engine) for name, engine in engines.items()}
    found: dict[str, dict[str, list]] = {name: {"disparity": [], "depth": []} for name in engines}
    for sample in samples:
        truth = known_depth(sample) if sample.metric else None
        known = (
            truth is not None
            and np.sum((truth >= _RANGE_M[0]) & (truth <= _RANGE_M[1])) >= _LEAST_PIXELS
        )
        if sample.truth_disparity is None and not known:
            continue
        sample = replace(
            sample, frame=rectified(sample.frame), truth_depth=truth if known else None
        )
        for name, estimator in makers.items():
            _judge(found[name], estimator.estimate(sample.frame), sample)
    means = {name: _means(figures) for name, figures in found.items()}
    return {name: values for name, values in means.items() if values}


def _judge(figures: dict[str, list], estimate, sample: Sample) -> None:
    """Add the figures of one answer."""
    disparity, rig = sample.truth_disparity, estimate.rig
    if estimate.disparity is not None:
        if disparity is None:
            disparity = depth_to_disparity(
                sample.truth_depth, rig.left.fx, rig.baseline_m, rig.doffs_px
            )
        figures["disparity"].append(stereo_metrics(estimate.disparity, disparity))
    if sample.truth_depth is not None:
        depth = estimate.depth if estimate.depth is not None else 1 / estimate.inv_depth
        scaling = "none" if estimate.disparity is not None else "median"
        figures["depth"].append(
            depth_metrics(depth, sample.truth_depth, *_RANGE_M, scaling=scaling)
        )


def _means(figures: dict[str, list]) -> dict:
    """The means, and over how many frames."""
    means = {}
    for kind, keys, count in (("disparity", _STEREO, "frames"), ("depth", _DEPTH, "frames_depth")):
        if figures[kind]:
            mean = mean_metrics(figures[kind])
            means |= {key: float(mean[key]) for key in keys} | {count: len(figures[kind])}
    return means
