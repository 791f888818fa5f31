"""The one orchestrator: a frame goes in, metres come out."""

from __future__ import annotations

import time

from .core.depth import depth_sigma, disparity_to_depth
from .core.errors import EngineError, SpecError
from .core.frame import Estimate, Frame
from .engine.base import Engine
from .prepare import from_tensors, rectified, to_tensors


class Estimator:
    """Turn stereo frames into metric depth with an engine.

    max_disparity_px: the range to search, pixels of the frame, where the frame does not say; the nearest depth that
    can be answered is fx * baseline / max_disparity_px. Raises SpecError for an engine that is not a stereo one.
    """

    def __init__(self, engine: Engine, max_disparity_px: int = 128):
        if engine.spec.task != "stereo":
            raise SpecError(f"expected a stereo model, got one for {engine.spec.task!r}")
        if max_disparity_px <= 0:
            raise EngineError(f"expected a disparity range above 0 px, got {max_disparity_px}")
        self.engine = engine
        self.max_disparity_px = int(max_disparity_px)

    def estimate(self, frame: Frame) -> Estimate:
        """Estimate depth, disparity and their uncertainty, in the size and with the stamp of the frame.

        Raises CalibrationError, ImageError, InputError or EngineError; the estimator itself keeps no state.
        """
        clock = [time.perf_counter()]
        frame = rectified(frame)
        inputs = to_tensors(frame, self.engine.spec, frame.max_disparity_px or self.max_disparity_px)
        clock.append(time.perf_counter())
        outputs = self.engine.run(inputs)
        clock.append(time.perf_counter())
        disparity, sigma_px = from_tensors(outputs, self.engine.spec, *frame.left.shape[:2])
        camera, baseline_m = frame.rig.left, frame.rig.baseline_m
        depth = disparity_to_depth(disparity, camera.fx, baseline_m, frame.rig.doffs_px)
        sigma_m = None if sigma_px is None else depth_sigma(depth, sigma_px, camera.fx, baseline_m)
        clock.append(time.perf_counter())
        timing_ms = _timing_ms(clock)
        return Estimate(frame.stamp_ns, frame.frame_id, frame.rig, frame.left, depth, disparity, sigma_m, timing_ms)


def _timing_ms(clock: list[float]) -> dict[str, float]:
    """Milliseconds between the marks, by name."""
    names = ("prepare", "engine", "decode")
    steps = {name: 1e3 * (clock[i + 1] - clock[i]) for i, name in enumerate(names)}
    return {**steps, "total": 1e3 * (clock[-1] - clock[0])}
