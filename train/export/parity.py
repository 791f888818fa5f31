"""Compare an exported model with the PyTorch network that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.engine.matching import matched_prior
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.spec import ModelSpec
from depth_ros.synthetic.renderer import render
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene

_SIZES = ((192, 256), (160, 384), (256, 320))  # height, width
_RANGE_PX = 64


def parity(net: nn.Module, path: Path, images: list[np.ndarray] | None = None) -> float:
    """Compare the first output of PyTorch and ONNX Runtime.

    Args:
        net: The network that was exported to `path`.
        path: The exported model.
        images: (H,W,3) uint8 RGB, neighbours in order; rendered ones where None.

    Returns:
        The largest, over samples and sizes, of the mean absolute difference: of depth relative to
        itself, px of disparity, rad and m of a pose.
    """
    engine = OnnxEngine(path)
    name = engine.spec.outputs[0]
    worst = 0.0
    for tensors in _samples(engine.spec, images or rendered_images()):
        with torch.no_grad():
            expected = net(*tensors)
        if isinstance(expected, tuple):
            expected = expected[0]
        expected = expected.numpy()
        inputs = {key: x.numpy() for key, x in zip(engine.spec.inputs, tensors)}
        difference = np.abs(expected - engine.run(inputs)[name])
        if name == "depth":
            difference = difference / expected
        worst = max(worst, float(difference.mean()))
    return worst


def rendered_images() -> list[np.ndarray]:
    """Render left and right pictures of the demo's room, (H,W,3) uint8, in that order, at two
    instants.
    """
    rig = clip_rig(192, 256)
    left_T_right = np.eye(4)
    left_T_right[0, 3] = rig.baseline_m
    images = []
    for i in (0, 9):
        for pose in (clip_pose(i), clip_pose(i) @ left_T_right):
            rgb = render(clip_scene(), rig.left, pose)["rgb"]
            images.append(np.rint(255 * rgb).astype(np.uint8))
    return images


def example_inputs(spec: ModelSpec, height: int, width: int) -> tuple[Tensor, ...]:
    """Draw input tensors of a spec in its order, uniform in [0,1], for pictures of one size."""
    return tuple(torch.rand(spec.shape(name, (height, width))) for name in spec.inputs)


def _samples(spec: ModelSpec, images: list[np.ndarray]) -> Iterator[tuple[Tensor, ...]]:
    """Input tensors at three sizes, from neighbouring images."""
    for number, (height, width) in enumerate(_SIZES):
        pair = []
        for i in (2 * number, 2 * number + 1):
            pair.append(_resized(images[i % len(images)], height, width))
        planes = [torch.from_numpy(x.transpose(2, 0, 1).copy())[None].float() / 255 for x in pair]
        if spec.task == "stereo":
            planes.append(torch.from_numpy(matched_prior(*pair, _RANGE_PX, spec.prior_scale))[None])
        yield tuple(planes[: len(spec.inputs)])


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H,W,3) u8 at another size, the mean over areas."""
    tensor = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float()
    resized = F.interpolate(tensor, (height, width), mode="area")[0]
    return resized.permute(1, 2, 0).round().byte().numpy()
