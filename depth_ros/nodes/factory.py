"""What differs between stereo and mono: which engines, and where metres come from. No ROS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from depth_ros.core.errors import EngineError
from depth_ros.engine.base import Engine
from depth_ros.engine.load import default_model, load_engine
from depth_ros.engine.options import EngineOptions
from depth_ros.engine.spec import RELATIVE
from depth_ros.estimator.fused_engine import stereo_estimator
from depth_ros.estimator.scale import CameraHeightScale, OdometryScale, ScaleSource
from depth_ros.estimator.stereo import Estimator, MonoEstimator
from depth_ros.odometry import EgoMotion

from .parameters import Parameters

NO_POSE_MODEL = "none"


def make_estimator(parameters: Parameters) -> Estimator | MonoEstimator:
    """Load the engines that the parameters ask for; raises EngineError or SpecError where they
    cannot be had.
    """
    options = engine_options(parameters)
    engine = load_engine(
        parameters.model or None, options, parameters.max_disparity_px, parameters.mode
    )
    engine.warmup()
    if parameters.mode == "stereo":
        return stereo_estimator(engine, parameters.max_disparity_px, options)
    pose_engine = _pose_engine(parameters)
    scale = _scale(parameters, engine.spec.is_metric)
    if isinstance(scale, OdometryScale) and pose_engine is None:
        raise EngineError(
            "scale_source odometry: expected a pose model (pose_model) to compare it with, got none"
        )
    return MonoEstimator(engine, pose_engine, scale)


def engine_options(parameters: Parameters) -> EngineOptions:
    """How engines are to be had, as the parameters say; raises EngineError where they contradict
    each other.
    """
    names = ("backend", "precision", "workspace_mib", "engine", "providers", "cuda_binding")
    return EngineOptions(
        **{name: getattr(parameters, name) for name in names}, waits=parameters.wait_for_engine
    )


def set_engine_logger(estimator: Estimator | MonoEstimator, say: Callable[[str], None]) -> None:
    """Let engines that change while they run say so, as when TensorRT takes over."""
    for engine in _engines(estimator):
        if hasattr(engine, "say"):
            engine.say = say


def close_engines(estimator: Estimator | MonoEstimator) -> None:
    """Let go of a GPU that engines hold, and of builds that are under way; no frame may be
    answered meanwhile.
    """
    for engine in _engines(estimator):
        getattr(engine, "close", lambda: None)()


def _engines(estimator: Estimator | MonoEstimator) -> tuple:
    return estimator.engine, getattr(getattr(estimator, "motion", None), "engine", None)


def make_egomotion(
    parameters: Parameters, estimator: Estimator | MonoEstimator
) -> EgoMotion | None:
    """Make what follows the camera; None where it is off, or would be a network's steps that are
    not metres.

    Without metres geometry still knows turns, and finds metres by wheels or the camera's height
    where it can.

    Raises EngineError for the method network without a pose network, and where TF is asked of no
    method.
    """
    method = parameters.egomotion_method
    if method == "off":
        if parameters.publish_tf:
            raise EngineError("publish_tf: expected an egomotion_method that gives a pose, got off")
        return None
    if method == "network" and (
        isinstance(estimator, Estimator) or estimator.motion.engine is None
    ):
        raise EngineError(
            "egomotion_method network: expected mode mono with a pose model, got none; set "
            "hybrid or off"
        )
    if method == "network" and not estimator.is_metric:
        return None
    return EgoMotion(method)


def rest_unless_wanted(estimator: Estimator | MonoEstimator, with_odom: bool, method: str) -> None:
    """Let the pose network work only while odom is wanted and made with it, or the scale is
    taken from steps.
    """
    if isinstance(estimator, MonoEstimator):
        used = with_odom and method in ("network", "hybrid")
        estimator.with_motion = used or isinstance(estimator.scale, OdometryScale)


def scale_name(estimator: Estimator | MonoEstimator) -> str:
    """Name where the metres of an estimator come from; "none": its answers are relative."""
    scale = getattr(estimator, "scale", None)
    return scale.name if scale else estimator.engine.spec.scale_source


def notes(estimator: Estimator | MonoEstimator) -> tuple[str, ...]:
    """Say what a user must know about the outputs although nothing is wrong."""
    if scale_name(estimator) != RELATIVE:
        return ()
    return (
        "scale source: none: inv_depth/image_rect is relative, not 1/m; give "
        "camera_height_m or odometry_topic",
    )


def _pose_engine(parameters: Parameters) -> Engine | None:
    """The pose network; the shipped one belongs to the shipped depth network, and to no other."""
    path = parameters.pose_model
    if path == NO_POSE_MODEL:
        return None
    if not path:
        path = None if parameters.model else default_model("pose")
    if path is None:
        return None
    options = replace(engine_options(parameters), engine="")  # that one is of the model
    engine = load_engine(Path(path), options, task="pose")
    engine.warmup()
    return engine


def _scale(parameters: Parameters, is_metric: bool) -> ScaleSource | None:
    """What gives metres beside the model; auto asks for it only where the model has none."""
    source = parameters.scale_source
    if source == "auto" and not is_metric:
        if parameters.camera_height_m:
            source = "camera_height"
        elif parameters.odometry_topic:
            source = "odometry"
    if source == "camera_height":
        return CameraHeightScale(parameters.camera_height_m)
    if source == "odometry":
        return OdometryScale()
    return None
