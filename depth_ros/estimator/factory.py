"""The one estimator factory: the node, the offline commands, the demo and the benchmark use it."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from depth_ros.core.errors import EngineError
from depth_ros.engine.background import UpgradingEngine
from depth_ros.engine.base import Engine
from depth_ros.engine.load import Say, default_model, load_engine
from depth_ros.engine.options import EngineOptions

from .fused_engine import stereo_estimator
from .mono import MonoEstimator
from .preprocess import rectified
from .scale import CameraHeightScale, OdometryScale, ScaleSource
from .stereo import StereoEstimator

if TYPE_CHECKING:  # a node reads no recordings
    from depth_ros.recordings.sample import Source

NO_POSE_MODEL = "none"
_FRAMES = 2  # a pose network wants two


@dataclass(frozen=True)
class EstimatorOptions:
    """What an estimator is made of; the node's parameters of the same names.

    Attributes:
        mode: "stereo" or "mono".
        model: An ONNX file; None or "": the released one of the mode.
        backend: What runs the networks and how, or the name of a backend; a named engine file is
            that of the model.
        max_disparity_px: The range to search, pixels of the frame, where it does not say.
        pose_model: mono: an ONNX file; "": the released one beside the released depth model, none
            beside any other; "none": none.
        scale_source: mono: "camera_height", "odometry", or "auto": the first that is known, where
            the model itself is not metric.
        camera_height_m: Metres from the ground to the camera; 0 unknown.
        has_odometry: Whether positions in metres will be fed to OdometryScale.add_position.
    """

    mode: str = "stereo"
    model: str | Path | None = None
    backend: EngineOptions | str = "auto"
    max_disparity_px: int = 128
    pose_model: str | Path = ""
    scale_source: str = "auto"
    camera_height_m: float = 0.0
    has_odometry: bool = False


def make_estimator(
    options: EstimatorOptions, engine: Engine | None = None, say: Say = lambda words: None
) -> StereoEstimator | MonoEstimator:
    """Load the engines that the options ask for and put an estimator around them.

    Args:
        options: What is wanted.
        engine: Of options.model, where it is loaded already.
        say: Called with a sentence whenever an engine changes, in the thread that runs it.

    Raises:
        EngineError: For an engine that cannot be had, or odometry as scale without a pose model.
        SpecError: For a model of another task, or depth and pose of different scales.

    >>> make_estimator(EstimatorOptions(backend="sgbm", max_disparity_px=64)).engine.name
    'sgbm'
    """
    is_named = engine is not None or bool(options.model)
    if engine is None:
        engine = load_engine(
            options.model, options.backend, options.max_disparity_px, options.mode, say
        )
    if options.mode == "stereo":
        backend = EngineOptions.of(options.backend)
        return stereo_estimator(engine, options.max_disparity_px, backend, say)
    pose_engine = _pose_engine(options, is_named, say)
    scale = _scale_source(options, engine.spec.is_metric)
    if isinstance(scale, OdometryScale) and pose_engine is None:
        raise EngineError(
            "scale_source odometry: expected a pose model (pose_model) to compare it with, got none"
        )
    return MonoEstimator(engine, pose_engine, scale)


def make_ready(source: Source, model, options: EngineOptions, max_disparity_px: int) -> None:
    """Have the engines built that a node of these options will use, so that it only opens them.

    Args:
        source: Of the frames that the node will get.
        model: An ONNX file; None or "": the released one.
        options: What runs the networks, and how.
        max_disparity_px: The range to search, pixels of the frame, where it does not say.

    Raises:
        EngineError: Where they cannot be had.
    """
    estimator = make_estimator(EstimatorOptions(source.mode, model, options, max_disparity_px))
    with contextlib.ExitStack() as stack:
        for engine in estimator.engines:
            if isinstance(engine, UpgradingEngine):
                stack.callback(engine.close)
        for sample in itertools.islice(source, _FRAMES):
            estimator.estimate(rectified(sample.frame))


def describe_model(estimator: StereoEstimator | MonoEstimator) -> str:
    """Return the name and hash of an estimator's model, as reports show them."""
    engine = estimator.engine
    return f"{engine.spec.name} ({engine.model_hash})"


def rest_unless_wanted(
    estimator: StereoEstimator | MonoEstimator, with_odom: bool, method: str
) -> None:
    """Let the pose network run only while its motion is used.

    Args:
        estimator: Of one camera; one of a pair has no pose network.
        with_odom: Whether odometry is computed.
        method: Of odometry: "network", "hybrid" or "geometric".
    """
    if isinstance(estimator, MonoEstimator):
        is_used = with_odom and method in ("network", "hybrid")
        estimator.with_motion = is_used or isinstance(estimator.scale, OdometryScale)


def _pose_engine(options: EstimatorOptions, is_named: bool, say: Say) -> Engine | None:
    """The pose network; the released one belongs to the released depth network and to no other."""
    path = options.pose_model
    if path == NO_POSE_MODEL:
        return None
    if not path:
        path = None if is_named else default_model("pose")
    if path is None:
        return None
    backend = replace(EngineOptions.of(options.backend), engine="")  # that one is of the model
    return load_engine(Path(path), backend, task="pose", say=say)


def _scale_source(options: EstimatorOptions, is_metric: bool) -> ScaleSource | None:
    """What finds metres beside the model; auto asks for it only where the model has none."""
    source = options.scale_source
    if source == "auto" and not is_metric:
        if options.camera_height_m:
            source = "camera_height"
        elif options.has_odometry:
            source = "odometry"
    if source == "camera_height":
        return CameraHeightScale(options.camera_height_m)
    if source == "odometry":
        return OdometryScale()
    return None
