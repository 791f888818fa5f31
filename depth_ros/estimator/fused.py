"""The whole step, images to metres and points, as a GPU runs it in one replay; and the plain way
that judges it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.depth import depth_sigma, depth_to_disparity, disparity_to_depth
from depth_ros.core.errors import EngineError
from depth_ros.core.pointcloud import depth_to_cloud
from depth_ros.core.types import Estimate, Frame
from depth_ros.engine.background import LIVE, UpgradingEngine
from depth_ros.engine.base import Engine
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.fused_graph import CAMERA_NUMBERS, Step, step_shapes
from depth_ros.engine.tensorrt.tensors import STEP_OUTPUTS, Tensors

from .preprocess import (
    from_tensors,
    inv_depth_from_tensors,
    rectified,
    tensor_size,
    to_image_tensor,
    to_prior,
    to_tensors,
    working_size,
)
from .stereo import Estimator

Say = Callable[[str], None]


def step_of(spec: ModelSpec, image_size: tuple[int, int]) -> Step:
    """The sizes of the whole step for images of a (height, width); raises EngineError where the
    model has none.
    """
    if spec.task not in CAMERA_NUMBERS or len(spec.outputs) != 2:
        raise EngineError(
            f"with-io: expected a stereo or mono model with uncertainty, got {spec.task} "
            f"{spec.outputs}"
        )
    return Step(tuple(image_size), working_size(*image_size, spec))


def step_inputs(frame: Frame, spec: ModelSpec, max_disparity_px: int) -> dict[str, np.ndarray]:
    """Make the inputs of the whole step: bytes as they come, the camera's numbers, and the prior,
    which SGBM makes.

    frame: rectified. max_disparity_px: pixels of the frame, where it does not say.
    """
    ndisp, camera = frame.max_disparity_px or max_disparity_px, frame.camera
    numbers = [camera.fx, camera.fy, camera.cx, camera.cy]
    numbers += [frame.rig.baseline_m, frame.rig.doffs_px] if spec.task == "stereo" else []
    inputs = {"camera": np.array(numbers, np.float32)}
    for name in spec.inputs:
        if name == "prior":
            inputs[name] = to_prior(frame, spec, ndisp)
        elif name == "max_disparity_px":
            inputs[name] = np.array([ndisp], np.float32)
        else:
            inputs[name] = frame.right if name == "right" else frame.left
    return inputs


class PlainStep:
    """The whole step around an engine of the bare network, by NumPy and OpenCV: what node and
    estimator do.

    with_points: also pack the cloud.
    """

    outputs = STEP_OUTPUTS

    def __init__(self, engine: Engine, with_points: bool = True):
        self.engine, self.spec, self.with_points = engine, engine.spec, with_points
        self.name = engine.name
        self.model_hash = engine.model_hash
        self.precision = engine.precision

    def warmup(self) -> None:
        """Warm up the network's engine."""
        self.engine.warmup()

    def check(self, inputs: dict[str, np.ndarray]) -> None:
        """Raise EngineError for inputs that do not fit each other."""
        size = inputs[self.spec.inputs[0]].shape[:2]
        shapes = step_shapes(self.spec, tensor_size(*size, self.spec), step_of(self.spec, size))
        Tensors.of(self.spec, shapes).check(inputs)

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Inputs as step_inputs makes them; metres, sigma_m, and points where they are wanted."""
        self.check(inputs)
        image, camera = inputs[self.spec.inputs[0]], _camera(inputs, self.spec)
        metres, sigma_m = (self._stereo if self.spec.task == "stereo" else self._mono)(
            inputs, camera
        )
        found = {"metres": metres, "sigma_m": sigma_m}
        return (
            {**found, "points": depth_to_cloud(metres, camera, image)}
            if self.with_points
            else found
        )

    def tensors(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The inputs of the stereo network, made of those of the step."""
        frame = Frame(0, "", inputs["left"], inputs["right"], _rig(inputs))
        ndisp = (
            int(inputs["max_disparity_px"][0]) if "max_disparity_px" in inputs else 1
        )  # else in the prior already
        return to_tensors(frame, self.spec, ndisp, inputs.get("prior"))

    def _stereo(self, inputs: dict, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        rig = _rig(inputs)
        outputs = self.engine.run(self.tensors(inputs))
        disparity, sigma_px = from_tensors(outputs, self.spec, camera.height, camera.width)
        depth = disparity_to_depth(disparity, camera.fx, rig.baseline_m, rig.doffs_px)
        return depth, depth_sigma(depth, sigma_px, camera.fx, rig.baseline_m)

    def _mono(self, inputs: dict, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        tensor, small = to_image_tensor(inputs["image"], camera, self.spec)
        outputs = self.engine.run({"image": tensor})
        inverse, relative = inv_depth_from_tensors(
            outputs, self.spec, small, camera.height, camera.width
        )
        depth = 1 / inverse
        return depth, depth * relative


def _camera(inputs: dict[str, np.ndarray], spec: ModelSpec) -> Camera:
    """The camera of the step's inputs."""
    height, width = inputs[spec.inputs[0]].shape[:2]
    return Camera(width, height, *inputs["camera"].astype(np.float64)[:4])


def _rig(inputs: dict[str, np.ndarray]) -> StereoRig:
    """The rig of the step's inputs, stereo."""
    height, width = inputs["left"].shape[:2]
    numbers = inputs["camera"].astype(np.float64)
    return StereoRig(Camera(width, height, *numbers[:4]), numbers[4], numbers[5])


class StepEstimator(Estimator):
    """The stereo estimator around the whole step: one replay of a GPU's graph is one frame.

    plain: does the step until `prepare` (see engine.upgrade) has built it, and for good where that
    is refused. policy: see engine.upgrade.
    """

    def __init__(
        self,
        plain: PlainStep,
        prepare,
        max_disparity_px: int = 128,
        say: Say | None = None,
        policy: str = LIVE,
    ):
        super().__init__(plain.engine, max_disparity_px)
        self.engine = UpgradingEngine(plain, prepare, say or (lambda words: None), policy)

    def estimate(self, frame: Frame) -> Estimate:
        """Estimate as Estimator does; raises the same errors."""
        clock = [time.perf_counter()]
        frame = rectified(frame)
        inputs = step_inputs(frame, self.engine.spec, self.max_disparity_px)
        clock.append(time.perf_counter())
        outputs = self.engine.run(inputs)
        clock.append(time.perf_counter())
        # Copied: the engine's own buffers are overwritten by the next frame, while others still
        # read this one.
        depth, sigma_m = (np.copy(outputs[name]) for name in STEP_OUTPUTS[:2])
        rig = frame.rig
        disparity = depth_to_disparity(depth, rig.left.fx, rig.baseline_m, rig.doffs_px)
        clock.append(time.perf_counter())
        steps = [1e3 * (b - a) for a, b in zip(clock, clock[1:])]
        timing_ms = {**dict(zip(("prepare", "engine", "decode"), steps)), "total": sum(steps)}
        return Estimate(
            frame.stamp_ns,
            frame.frame_id,
            rig,
            frame.left,
            depth,
            disparity,
            sigma_m,
            timing_ms,
            right=frame.right,
        )


def rendered(spec: ModelSpec, image_size: tuple[int, int]) -> list[Frame]:
    """Frames of the procedural room in a (height, width), for a gate that has no others."""
    from depth_ros.engine.parity import rendered_pairs

    frames = [
        Frame(i, "left", left, right, rig)
        for i, (rig, left, right) in enumerate(rendered_pairs(image_size))
    ]
    return frames if spec.task == "stereo" else [frame.left_only() for frame in frames]
