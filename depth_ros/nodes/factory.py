"""What the node's parameters ask for: the estimator and the odometry. No ROS."""

from __future__ import annotations

from collections.abc import Callable

from depth_ros.core.errors import EngineError
from depth_ros.engine.options import EngineOptions
from depth_ros.engine.spec import RELATIVE
from depth_ros.estimator import factory
from depth_ros.estimator.factory import EstimatorOptions
from depth_ros.estimator.mono import MonoEstimator
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.odometry import EgoMotion

from .parameters import Parameters


def make_estimator(parameters: Parameters) -> StereoEstimator | MonoEstimator:
    """Make the estimator that the parameters ask for, ready for the first frame.

    Raises:
        EngineError, SpecError: As estimator.factory.make_estimator.
    """
    estimator = factory.make_estimator(estimator_options(parameters))
    for engine in estimator.engines:
        engine.warmup()
    return estimator


def estimator_options(parameters: Parameters) -> EstimatorOptions:
    """Return the part of the parameters of which an estimator is made."""
    return EstimatorOptions(
        mode=parameters.mode,
        model=parameters.model,
        backend=engine_options(parameters),
        max_disparity_px=parameters.max_disparity_px,
        pose_model=parameters.pose_model,
        scale_source=parameters.scale_source,
        camera_height_m=parameters.camera_height_m,
        has_odometry=bool(parameters.odometry_topic),
    )


def engine_options(parameters: Parameters) -> EngineOptions:
    """Return how engines are to be had, as the parameters say.

    Raises:
        EngineError: For parameters that contradict each other.
    """
    names = ("backend", "precision", "workspace_mib", "engine", "providers", "cuda_binding")
    return EngineOptions(
        **{name: getattr(parameters, name) for name in names}, waits=parameters.wait_for_engine
    )


def set_engine_logger(
    estimator: StereoEstimator | MonoEstimator, say: Callable[[str], None]
) -> None:
    """Log changes of engines while they run, as when TensorRT takes over."""
    for engine in estimator.engines:
        if hasattr(engine, "say"):
            engine.say = say


def close_engines(estimator: StereoEstimator | MonoEstimator) -> None:
    """Release a GPU that engines hold, and stop builds; no frame may be estimated meanwhile."""
    for engine in estimator.engines:
        getattr(engine, "close", lambda: None)()


def make_egomotion(
    parameters: Parameters, estimator: StereoEstimator | MonoEstimator
) -> EgoMotion | None:
    """Make the odometry that the parameters ask for.

    Returns:
        None where it is off, or would chain a network's motion that is not metric. Geometry without
        metres still knows rotations, and finds metres by wheels or camera height where it can.

    Raises:
        EngineError: For the method network without a pose network, and for publish_tf without a
            method.
    """
    method = parameters.egomotion_method
    if method == "off":
        if parameters.publish_tf:
            raise EngineError("publish_tf: expected an egomotion_method that gives a pose, got off")
        return None
    if method == "network" and not _has_pose_network(estimator):
        raise EngineError(
            "egomotion_method network: expected mode mono with a pose model, got none; set "
            "hybrid or off"
        )
    if method == "network" and not estimator.is_metric:
        return None
    return EgoMotion(method)


def _has_pose_network(estimator: StereoEstimator | MonoEstimator) -> bool:
    """True where a network estimates the motion between frames."""
    return isinstance(estimator, MonoEstimator) and estimator.motion.engine is not None


def notes(estimator: StereoEstimator | MonoEstimator) -> tuple[str, ...]:
    """Return what a user must know about the outputs although nothing is wrong."""
    if estimator.scale_name != RELATIVE:
        return ()
    return (
        "scale source: none: inv_depth/image_rect is relative, not 1/m; give "
        "camera_height_m or odometry_topic",
    )
