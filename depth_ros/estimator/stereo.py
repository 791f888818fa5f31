"""The one orchestrator: a frame goes in, metres come out."""

from __future__ import annotations

import time

import numpy as np

from depth_ros.core.depth import depth_sigma, disparity_to_depth
from depth_ros.core.errors import EngineError, SpecError
from depth_ros.core.types import Estimate, Frame
from depth_ros.engine.base import Engine
from depth_ros.engine.spec import RELATIVE

from .pose_network import Motion, NetworkMotion
from .preprocess import from_tensors, inv_depth_from_tensors, rectified, to_image_tensor, to_tensors
from .scale import ScaleSource


class Estimator:
    """Turn stereo frames into metric depth with an engine.

    max_disparity_px: the range to search, pixels of the frame, where the frame does not say; the
    nearest depth that can be answered is fx * baseline / max_disparity_px. Raises SpecError for an
    engine that is not a stereo one.
    """

    scale: ScaleSource | None = None  # a pair has its metres from the baseline

    def __init__(self, engine: Engine, max_disparity_px: int = 128):
        if engine.spec.task != "stereo":
            raise SpecError(f"expected a stereo model, got one for {engine.spec.task!r}")
        if max_disparity_px <= 0:
            raise EngineError(f"expected a disparity range above 0 px, got {max_disparity_px}")
        self.engine = engine
        self.max_disparity_px = int(max_disparity_px)

    def estimate(self, frame: Frame) -> Estimate:
        """Estimate depth, disparity and their uncertainty, in the size and with the stamp of the
        frame.

        Raises CalibrationError, ImageError, InputError or EngineError; the estimator itself keeps
        no state.
        """
        clock = [time.perf_counter()]
        frame = rectified(frame)
        inputs = to_tensors(
            frame, self.engine.spec, frame.max_disparity_px or self.max_disparity_px
        )
        clock.append(time.perf_counter())
        outputs = self.engine.run(inputs)
        clock.append(time.perf_counter())
        disparity, sigma_px = from_tensors(outputs, self.engine.spec, *frame.left.shape[:2])
        camera, baseline_m = frame.rig.left, frame.rig.baseline_m
        depth = disparity_to_depth(disparity, camera.fx, baseline_m, frame.rig.doffs_px)
        sigma_m = None if sigma_px is None else depth_sigma(depth, sigma_px, camera.fx, baseline_m)
        clock.append(time.perf_counter())
        timing_ms = _timing_ms(clock, "prepare", "engine", "decode")
        left, right = frame.left, frame.right
        return Estimate(
            frame.stamp_ns,
            frame.frame_id,
            frame.rig,
            left,
            depth,
            disparity,
            sigma_m,
            timing_ms,
            right=right,
        )


class MonoEstimator:
    """Turn the images of one camera into depth, and give the motion between them.

    engine: of a mono model. pose_engine: of a pose model of the same scale, or None: no motion.
    scale: what gives metres to relative answers, or corrects metric ones; None: the answers stay
    what the model's spec says they are. Where nothing gives metres, depth is None and inv_depth is
    relative. Raises SpecError for engines of other tasks, or of which one is metric and the other
    is not.
    """

    def __init__(
        self, engine: Engine, pose_engine: Engine | None = None, scale: ScaleSource | None = None
    ):
        if engine.spec.task != "mono":
            raise SpecError(f"expected a mono model, got one for {engine.spec.task!r}")
        self.engine, self.scale = engine, scale
        self.motion = NetworkMotion(pose_engine)
        if pose_engine is not None and pose_engine.spec.is_metric != engine.spec.is_metric:
            sources = engine.spec.scale_source, pose_engine.spec.scale_source
            raise SpecError(f"expected depth and pose of one scale, got scale sources {sources}")
        self.with_motion = True  # False: the pose network rests, as when nobody listens to odom

    @property
    def is_metric(self) -> bool:
        """True where answers are metres, or become metres as soon as the scale is known."""
        return self.scale is not None or self.engine.spec.is_metric

    def estimate(self, frame: Frame) -> Estimate:
        """Estimate depth and sigma, in the size and with the stamp of the frame, and the motion
        since the last one.

        Of a stereo frame the left image is used. Raises CalibrationError, ImageError or
        EngineError.
        """
        clock = [time.perf_counter()]
        frame = rectified(frame.left_only())
        tensor, camera = to_image_tensor(frame.left, frame.camera, self.engine.spec)
        clock.append(time.perf_counter())
        outputs = self.engine.run({"image": tensor})
        clock.append(time.perf_counter())
        motion = self.motion.update(frame) if self.with_motion else Motion()
        clock.append(time.perf_counter())
        inv_depth, rel_sigma = inv_depth_from_tensors(
            outputs, self.engine.spec, camera, *frame.left.shape[:2]
        )
        depth = 1 / inv_depth
        factor = self._factor(frame, depth, motion)
        known = factor is not None
        if known and factor != 1:
            depth *= np.float32(factor)
            inv_depth /= np.float32(factor)
        clock.append(time.perf_counter())
        return Estimate(
            frame.stamp_ns,
            frame.frame_id,
            None,
            frame.left,
            depth if known else None,
            None,
            depth * rel_sigma if known and rel_sigma is not None else None,
            _timing_ms(clock, "prepare", "engine", "pose", "decode"),
            camera=frame.camera,
            inv_depth=inv_depth,
            scale=self._scale_name(known),
            scale_reason="" if known or self.scale is None else self.scale.reason,
            prev_T_curr=_scaled(motion.prev_T_curr, factor or 1.0),
            prev_stamp_ns=motion.prev_stamp_ns,
        )

    def _factor(self, frame: Frame, depth: np.ndarray, motion: Motion) -> float | None:
        """Metres in one unit of the network's depth; None where that is not known."""
        if self.scale is None:
            return 1.0 if self.engine.spec.is_metric else None
        return self.scale.update(
            frame.stamp_ns, depth, frame.camera, motion.prev_stamp_ns, motion.prev_T_curr
        )

    def _scale_name(self, known: bool) -> str:
        """Where the metres of this estimate come from."""
        if not known:
            return RELATIVE
        return self.engine.spec.scale_source if self.scale is None else self.scale.name


def _scaled(prev_T_curr: np.ndarray | None, factor: float) -> np.ndarray | None:
    """The motion with its translation in metres."""
    if prev_T_curr is None:
        return None
    T = prev_T_curr.copy()
    T[:3, 3] *= factor
    return T


def _timing_ms(clock: list[float], *names: str) -> dict[str, float]:
    """Milliseconds between the marks, by name."""
    steps = {name: 1e3 * (clock[i + 1] - clock[i]) for i, name in enumerate(names)}
    return {**steps, "total": 1e3 * (clock[-1] - clock[0])}
