"""Stereo frames to metric depth: rectify, prepare, run the engine, decode."""

from __future__ import annotations

import time

import numpy as np

from depth_ros.core.camera import StereoRig
from depth_ros.core.depth import depth_sigma, disparity_to_depth
from depth_ros.core.errors import EngineError, SpecError
from depth_ros.core.types import Estimate, Frame
from depth_ros.engine.base import Engine
from depth_ros.engine.spec import ModelSpec

from .preprocess import from_tensors, rectified, to_tensors
from .scale import ScaleSource
from .stopwatch import Stopwatch

# Disparity in pixels, depth in metres, sigma of depth in metres or None
Decoded = tuple[np.ndarray, np.ndarray, np.ndarray | None]


class StereoEstimator:
    """Turns stereo frames into metric depth with an engine. Keeps no state between frames.

    Args:
        engine: Of a stereo model, or SGBM; see engine.load.load_engine.
        max_disparity_px: The range to search, pixels of the frame, where the frame itself does
            not say. The nearest depth that can be found is fx * baseline / max_disparity_px.

    Raises:
        SpecError: For an engine of another task.
        EngineError: For a range that is not above 0.

    >>> from depth_ros.core.camera import Camera
    >>> from depth_ros.engine.sgbm import SgbmEngine
    >>> texture = np.random.default_rng(0).integers(0, 256, (64, 160, 3), np.uint8)
    >>> rig = StereoRig(Camera(128, 64, 100.0, 100.0, 63.5, 31.5), baseline_m=0.1)
    >>> frame = Frame(0, "left", texture[:, :128].copy(), texture[:, 8:136].copy(), rig)
    >>> depth = StereoEstimator(SgbmEngine(32), 32).estimate(frame).depth
    >>> round(float(np.nanmedian(depth)), 2)  # 100 px * 0.1 m / 8 px
    1.25
    """

    scale: ScaleSource | None = None  # the baseline gives metres
    is_metric = True

    def __init__(self, engine: Engine, max_disparity_px: int = 128):
        if engine.spec.task != "stereo":
            raise SpecError(f"expected a stereo model, got one for {engine.spec.task!r}")
        if max_disparity_px <= 0:
            raise EngineError(f"expected a disparity range above 0 px, got {max_disparity_px}")
        self.engine = engine
        self.max_disparity_px = int(max_disparity_px)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Every engine that it runs."""
        return (self.engine,)

    @property
    def scale_name(self) -> str:
        """Where metres come from."""
        return self.engine.spec.scale_source

    def estimate(self, frame: Frame) -> Estimate:
        """Estimate depth, disparity and their uncertainty of one frame.

        Args:
            frame: A pair, raw with its calibrations or rectified with its rig.

        Returns:
            Maps in the size and with the stamp of the frame, NaN where nothing is known.

        Raises:
            CalibrationError, ImageError, InputError: For a frame that cannot be used.
            EngineError: Where the engine fails.
        """
        watch = Stopwatch(time.perf_counter)
        frame = rectified(frame)
        inputs = self._inputs(frame)
        watch.lap("prepare")
        outputs = self.engine.run(inputs)
        watch.lap("engine")
        disparity, depth, sigma_m = self._decode(outputs, frame)
        watch.lap("decode")
        return Estimate(
            frame.stamp_ns,
            frame.frame_id,
            frame.rig,
            frame.left,
            depth,
            disparity,
            sigma_m,
            watch.timing_ms(),
            right=frame.right,
        )

    def _inputs(self, frame: Frame) -> dict[str, np.ndarray]:
        """The engine's input arrays of a rectified frame."""
        return to_tensors(frame, self.engine.spec, frame.max_disparity_px or self.max_disparity_px)

    def _decode(self, outputs: dict[str, np.ndarray], frame: Frame) -> Decoded:
        """The engine's output arrays as maps of the frame."""
        return decode_stereo(outputs, self.engine.spec, frame.rig)


def decode_stereo(outputs: dict[str, np.ndarray], spec: ModelSpec, rig: StereoRig) -> Decoded:
    """Convert the outputs of a stereo network to disparity, depth and uncertainty.

    z = fx b / (d + doffs) and, to first order, sigma_z = z^2 / (fx b) sigma_d.

    Args:
        outputs: (1, 1, h, w) float32 by name, at the network's size.
        spec: Of the network.
        rig: Of the rectified frame, at the size that is returned.

    Returns:
        disparity (pixels of the frame), depth (metres) and sigma of depth (metres; None where the
        network has no uncertainty), each (H, W) float32, NaN unknown.

    Raises:
        EngineError: For an output of another shape.
    """
    camera = rig.left
    disparity, sigma_px = from_tensors(outputs, spec, camera.height, camera.width)
    depth = disparity_to_depth(disparity, camera.fx, rig.baseline_m, rig.doffs_px)
    if sigma_px is None:
        return disparity, depth, None
    return disparity, depth, depth_sigma(depth, sigma_px, camera.fx, rig.baseline_m)
