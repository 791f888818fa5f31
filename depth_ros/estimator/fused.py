"""The whole step, images to metres and points, as a GPU runs it in one replay; and the same step
by NumPy and OpenCV, which is its reference.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.depth import depth_to_disparity
from depth_ros.core.errors import EngineError
from depth_ros.core.pointcloud import depth_to_cloud
from depth_ros.core.types import Frame
from depth_ros.engine.background import LIVE, UpgradingEngine
from depth_ros.engine.base import Engine
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.fused_graph import CAMERA_NUMBERS, Step, step_shapes
from depth_ros.engine.tensorrt.tensors import STEP_OUTPUTS, Tensors

from .preprocess import (
    inv_depth_from_tensors,
    tensor_size,
    to_image_tensor,
    to_prior,
    to_tensors,
    working_size,
)
from .stereo import Decoded, StereoEstimator, decode_stereo

Say = Callable[[str], None]


def step_of(spec: ModelSpec, image_size: tuple[int, int]) -> Step:
    """Return the sizes of the whole step.

    Args:
        spec: Of a stereo or mono network.
        image_size: (height, width) of the rectified images.

    Raises:
        EngineError: For a model without uncertainty, or of another task.
    """
    if spec.task not in CAMERA_NUMBERS or len(spec.outputs) != 2:
        raise EngineError(
            f"with-io: expected a stereo or mono model with uncertainty, got {spec.task} "
            f"{spec.outputs}"
        )
    return Step(tuple(image_size), working_size(*image_size, spec))


def step_inputs(frame: Frame, spec: ModelSpec, max_disparity_px: int) -> dict[str, np.ndarray]:
    """Make the inputs of the whole step.

    Args:
        frame: Rectified.
        spec: Of the network.
        max_disparity_px: Pixels of the frame, where it does not say.

    Returns:
        By name: the images as (H, W, 3) uint8; "camera", float32 (fx, fy, cx, cy), in stereo also
        baseline_m and doffs_px; "prior" as SGBM makes it, where the network takes one.
    """
    range_px = frame.max_disparity_px or max_disparity_px
    camera = frame.camera
    numbers = [camera.fx, camera.fy, camera.cx, camera.cy]
    if spec.task == "stereo":
        numbers += [frame.rig.baseline_m, frame.rig.doffs_px]
    inputs = {"camera": np.array(numbers, np.float32)}
    for name in spec.inputs:
        if name == "prior":
            inputs[name] = to_prior(frame, spec, range_px)
        elif name == "max_disparity_px":
            inputs[name] = np.array([range_px], np.float32)
        elif name == "right":
            inputs[name] = frame.right
        else:
            inputs[name] = frame.left
    return inputs


class PlainStep:
    """The whole step around an engine of the bare network, by NumPy and OpenCV: the reference of
    the fused step, and its substitute until that is built.

    Args:
        engine: Of a stereo or mono network with uncertainty.
        with_points: Also pack the point cloud.
    """

    outputs = STEP_OUTPUTS

    def __init__(self, engine: Engine, with_points: bool = True):
        self.engine = engine
        self.spec = engine.spec
        self.with_points = with_points
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
        """Compute metres and sigma, and the point cloud where it is wanted.

        Args:
            inputs: As step_inputs makes them.

        Returns:
            "metres" and "sigma_m", (H, W) float32, NaN unknown; "points", see core.pointcloud.
        """
        self.check(inputs)
        if self.spec.task == "stereo":
            metres, sigma_m = self._stereo(inputs)
        else:
            metres, sigma_m = self._mono(inputs)
        outputs = {"metres": metres, "sigma_m": sigma_m}
        if self.with_points:
            image = inputs[self.spec.inputs[0]]
            outputs["points"] = depth_to_cloud(metres, _camera(image, inputs), image)
        return outputs

    def tensors(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Make the inputs of the bare stereo network.

        Args:
            inputs: As step_inputs makes them.

        Returns:
            Arrays by name, as preprocess.to_tensors makes them.
        """
        frame = Frame(0, "", inputs["left"], inputs["right"], _rig(inputs))
        range_px = 1  # already in the prior, where the network takes no range
        if "max_disparity_px" in inputs:
            range_px = int(inputs["max_disparity_px"][0])
        return to_tensors(frame, self.spec, range_px, inputs.get("prior"))

    def _stereo(self, inputs: dict) -> tuple[np.ndarray, np.ndarray]:
        """Metres and sigma of a pair."""
        outputs = self.engine.run(self.tensors(inputs))
        _, depth, sigma_m = decode_stereo(outputs, self.spec, _rig(inputs))
        return depth, sigma_m

    def _mono(self, inputs: dict) -> tuple[np.ndarray, np.ndarray]:
        """Metres and sigma of one image."""
        image = inputs["image"]
        tensor, network_camera = to_image_tensor(image, _camera(image, inputs), self.spec)
        outputs = self.engine.run({"image": tensor})
        inv_depth, rel_sigma = inv_depth_from_tensors(
            outputs, self.spec, network_camera, *image.shape[:2]
        )
        depth = 1 / inv_depth
        return depth, depth * rel_sigma


def _camera(image: np.ndarray, inputs: dict) -> Camera:
    """The camera of the step's inputs."""
    height, width = image.shape[:2]
    return Camera(width, height, *inputs["camera"].astype(np.float64)[:4])


def _rig(inputs: dict) -> StereoRig:
    """The rig of the step's inputs, stereo."""
    baseline_m, doffs_px = inputs["camera"].astype(np.float64)[4:6]
    return StereoRig(_camera(inputs["left"], inputs), baseline_m, doffs_px)


class StepEstimator(StereoEstimator):
    """The stereo estimator around the whole step: one replay of a GPU's graph is one frame.

    Args:
        plain: Does the step until `prepare` has built it, and for good where that is refused.
        prepare: See engine.background.
        max_disparity_px: Pixels of the frame, where it does not say.
        say: Called with a sentence whenever the engine changes.
        policy: See engine.background.
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
        self.engine = UpgradingEngine(plain, prepare, say or (lambda sentence: None), policy)

    def _inputs(self, frame: Frame) -> dict[str, np.ndarray]:
        """The images as they come, the camera's numbers and the prior."""
        return step_inputs(frame, self.engine.spec, self.max_disparity_px)

    def _decode(self, outputs: dict[str, np.ndarray], frame: Frame) -> Decoded:
        """Metres are in the outputs already; disparity follows from them."""
        # Copied: the engine overwrites its buffers with the next frame, while others still read
        # this one.
        depth = np.copy(outputs["metres"])
        sigma_m = np.copy(outputs["sigma_m"])
        rig = frame.rig
        disparity = depth_to_disparity(depth, rig.left.fx, rig.baseline_m, rig.doffs_px)
        return disparity, depth, sigma_m


def rendered(spec: ModelSpec, image_size: tuple[int, int]) -> list[Frame]:
    """Return frames of the procedural room, to compare on where there are no others.

    Args:
        spec: Of the network; one of one camera gets the left images only.
        image_size: (height, width).
    """
    from depth_ros.engine.parity import rendered_pairs

    frames = []
    for number, (rig, left, right) in enumerate(rendered_pairs(image_size)):
        frame = Frame(number, "left", left, right, rig)
        frames.append(frame if spec.task == "stereo" else frame.left_only())
    return frames
