"""The node's estimator without the node, to stand beside a replay. No ROS."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace

from depth_ros.engine.background import UpgradingEngine
from depth_ros.engine.load import default_model, load_engine
from depth_ros.engine.options import EngineOptions
from depth_ros.estimator.fused_engine import stereo_estimator
from depth_ros.recordings.sample import Source

from .preprocess import rectified
from .stereo import Estimator, MonoEstimator

_FRAMES = 2  # a pose network wants two


def twin_estimator(
    mode: str, model, backend: EngineOptions | str, max_disparity_px: int
) -> Estimator | MonoEstimator:
    """Make the estimator that depth_node makes of these parameters: the shipped mono model has a
    pose model beside it.

    Raises EngineError or SpecError as load_engine does.
    """
    options = EngineOptions.of(backend)
    engine = load_engine(model, options, max_disparity_px, mode)
    if mode == "stereo":
        return stereo_estimator(engine, max_disparity_px, options)
    path = None if model else default_model("pose")
    of_pose = replace(options, engine="")  # that one is of the model
    return MonoEstimator(engine, None if path is None else load_engine(path, of_pose, task="pose"))


def make_ready(source: Source, model, options: EngineOptions, max_disparity_px: int) -> None:
    """Have the engines built that a node of these options will want, so that it needs only to open
    them.

    Raises EngineError where they cannot be had.
    """
    estimator = twin_estimator(source.mode, model, options, max_disparity_px)
    engines = [estimator.engine] + ([estimator.motion.engine] if source.mode == "mono" else [])
    with contextlib.ExitStack() as stack:
        for engine in engines:
            if isinstance(engine, UpgradingEngine):
                stack.callback(engine.close)
        for sample in itertools.islice(source, _FRAMES):
            estimator.estimate(rectified(sample.frame))
