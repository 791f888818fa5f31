"""The node's estimator without the node, to stand beside a replay. No ROS."""

from __future__ import annotations

from depth_ros.engine.load import default_model, load_engine

from .stereo import Estimator, MonoEstimator


def twin_estimator(
    mode: str, model, backend: str, max_disparity_px: int
) -> Estimator | MonoEstimator:
    """Make the estimator that depth_node makes of these parameters: the shipped mono model has a
    pose model beside it.

    Raises EngineError or SpecError as load_engine does.
    """
    engine = load_engine(model, backend, max_disparity_px, mode)
    if mode == "stereo":
        return Estimator(engine, max_disparity_px)
    path = None if model else default_model("pose")
    return MonoEstimator(engine, None if path is None else load_engine(path, backend, task="pose"))
