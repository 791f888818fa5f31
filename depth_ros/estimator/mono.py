"""Images of one camera to depth, metric where the network or a scale source knows metres."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from depth_ros.core.errors import SpecError
from depth_ros.core.types import Estimate, Frame
from depth_ros.engine.base import Engine
from depth_ros.engine.spec import RELATIVE

from .pose_network import Motion, NetworkMotion
from .preprocess import inv_depth_from_tensors, rectified, to_image_tensor
from .scale import ScaleSource
from .stopwatch import Stopwatch


@dataclass(frozen=True, eq=False)
class _Scaled:
    """Maps and motion after the scale; depth and sigma_m None where no scale is known."""

    inv_depth: np.ndarray
    depth: np.ndarray | None
    sigma_m: np.ndarray | None
    prev_T_curr: np.ndarray | None


class MonoEstimator:
    """Turns the images of one camera into depth, and estimates the motion between them.

    Args:
        engine: Of a mono model.
        pose_engine: Of a pose model of the same scale; None: no motion.
        scale: What finds metres for relative depth, or corrects metric depth; None: depth stays
            what the model's spec says. Where nothing gives metres, depth is None and inv_depth is
            relative.

    Raises:
        SpecError: For engines of other tasks, or of which one is metric and the other is not.
    """

    def __init__(
        self, engine: Engine, pose_engine: Engine | None = None, scale: ScaleSource | None = None
    ):
        if engine.spec.task != "mono":
            raise SpecError(f"expected a mono model, got one for {engine.spec.task!r}")
        self.engine = engine
        self.scale = scale
        self.motion = NetworkMotion(pose_engine)
        if pose_engine is not None and pose_engine.spec.is_metric != engine.spec.is_metric:
            sources = (engine.spec.scale_source, pose_engine.spec.scale_source)
            raise SpecError(f"expected depth and pose of one scale, got scale sources {sources}")
        self.with_motion = True  # False: the pose network rests, as when nobody listens to odom

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Every engine that it runs."""
        if self.motion.engine is None:
            return (self.engine,)
        return (self.engine, self.motion.engine)

    @property
    def is_metric(self) -> bool:
        """True where depth is in metres, or will be as soon as the scale is known."""
        return self.scale is not None or self.engine.spec.is_metric

    @property
    def scale_name(self) -> str:
        """Where metres come from; "none": depth is relative."""
        return self.engine.spec.scale_source if self.scale is None else self.scale.name

    def estimate(self, frame: Frame) -> Estimate:
        """Estimate depth and sigma of one frame, and the motion since the last one.

        Args:
            frame: Of a stereo frame the left image is used.

        Returns:
            Maps in the size and with the stamp of the frame, NaN where nothing is known.

        Raises:
            CalibrationError, ImageError: For a frame that cannot be used.
            EngineError: Where an engine fails.
        """
        watch = Stopwatch(time.perf_counter)
        frame = rectified(frame.left_only())
        tensor, camera = to_image_tensor(frame.left, frame.camera, self.engine.spec)
        watch.lap("prepare")
        outputs = self.engine.run({"image": tensor})
        watch.lap("engine")
        motion = self.motion.update(frame) if self.with_motion else Motion()
        watch.lap("pose")
        inv_depth, rel_sigma = inv_depth_from_tensors(
            outputs, self.engine.spec, camera, *frame.left.shape[:2]
        )
        depth = 1 / inv_depth
        factor = self._metres_per_unit(frame, depth, motion)
        scaled = _apply_scale(factor, inv_depth, depth, rel_sigma, motion.prev_T_curr)
        watch.lap("decode")
        return Estimate(
            frame.stamp_ns,
            frame.frame_id,
            None,
            frame.left,
            scaled.depth,
            None,
            scaled.sigma_m,
            watch.timing_ms(),
            camera=frame.camera,
            inv_depth=scaled.inv_depth,
            scale=RELATIVE if factor is None else self.scale_name,
            scale_reason=self._reason(factor),
            prev_T_curr=scaled.prev_T_curr,
            prev_stamp_ns=motion.prev_stamp_ns,
        )

    def _metres_per_unit(self, frame: Frame, depth: np.ndarray, motion: Motion) -> float | None:
        """Metres in one unit of the network's depth; None where that is not known."""
        if self.scale is None:
            return 1.0 if self.engine.spec.is_metric else None
        return self.scale.update(
            frame.stamp_ns, depth, frame.camera, motion.prev_stamp_ns, motion.prev_T_curr
        )

    def _reason(self, factor: float | None) -> str:
        """Why a scale source finds no metres at present; "" where it does, or there is none."""
        if factor is not None or self.scale is None:
            return ""
        return self.scale.reason


def _apply_scale(
    factor: float | None,
    inv_depth: np.ndarray,
    depth: np.ndarray,
    rel_sigma: np.ndarray | None,
    prev_T_curr: np.ndarray | None,
) -> _Scaled:
    """Multiply depth and translation by the metres per unit; in place. None: nothing is metric."""
    if factor is None:
        return _Scaled(inv_depth, None, None, prev_T_curr)
    if factor != 1:
        depth *= np.float32(factor)
        inv_depth /= np.float32(factor)
    sigma_m = None if rel_sigma is None else depth * rel_sigma
    return _Scaled(inv_depth, depth, sigma_m, _scaled_motion(prev_T_curr, factor))


def _scaled_motion(prev_T_curr: np.ndarray | None, factor: float) -> np.ndarray | None:
    """The motion with its translation in metres."""
    if prev_T_curr is None:
        return None
    T = prev_T_curr.copy()
    T[:3, 3] *= factor
    return T
