"""The shipped models as graphs of one size and precision, inputs for them, and what they cost in
bytes and FLOPs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch.fx.passes.shape_prop import ShapeProp

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from onnx_torch import VIEWS, to_torch  # noqa: E402

from depth_ros.engine.onnx import OnnxEngine  # noqa: E402
from depth_ros.engine.parity import arrays_of  # noqa: E402
from depth_ros.engine.tensorrt.convert import convert  # noqa: E402
from depth_ros.engine.tensorrt.fused_graph import CAMERA_NUMBERS, Step, step_shapes, with_io  # noqa: E402
from depth_ros.estimator.preprocess import tensor_size, working_size  # noqa: E402

_DISPARITY_PX = 12


class Model:
    """A shipped model at the size that images of (height, width) give: .network and .step graphs,
    and their inputs.

    The graphs are those that the package builds engines of; .plain and .plain_step are the same in
    float32. tensors: (height, width) of the network's tensors where that is not what the estimator
    would choose.
    """

    def __init__(
        self,
        task: str,
        image_size: tuple[int, int],
        half: bool,
        tensors: tuple[int, int] | None = None,
    ):
        path = ROOT / "models" / f"{task}.onnx"
        self.spec = OnnxEngine(path).spec
        self.size = tensors or tensor_size(*image_size, self.spec)
        self.plain = convert(path, self.spec, self.size, "fp32")
        self.network = convert(path, self.spec, self.size, "fp16") if half else self.plain
        first, second = images(image_size)
        small = images(self.size)
        self.inputs = arrays_of(self.spec, *small)
        self.step = None
        self.plain_step = None
        self.step_inputs = {}
        if task in CAMERA_NUMBERS and len(self.spec.outputs) == 2:
            if task == "stereo":
                working = image_size
            else:
                working = tensors or working_size(*image_size, self.spec)
            step = Step(tuple(image_size), tuple(working))
            self.step = with_io(self.network, self.spec, step.image_size, step.working)
            self.plain_step = with_io(self.plain, self.spec, step.image_size, step.working)
            made = {
                "left": first,
                "right": second,
                "image": first,
                "camera": _camera(task, image_size),
            }
            shapes = step_shapes(self.spec, self.size, step)
            self.step_inputs = {n: made[n] if n in made else self.inputs[n] for n in shapes}

    def ordered(self, graph, inputs: dict) -> list[np.ndarray]:
        """Inputs in the order of a graph."""
        return [inputs[item.name] for item in graph.graph.input]


def images(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A made-up textured pair of (height, width): the same everywhere but for a shift, (H, W, 3)
    uint8.
    """
    height, width = size
    rng = np.random.default_rng(5)
    coarse = rng.integers(
        0, 256, (-(-height // 4), -(-(width + _DISPARITY_PX) // 4), 3), dtype=np.uint8
    )
    wide = coarse.repeat(4, 0).repeat(4, 1)[:height, : width + _DISPARITY_PX]
    return np.ascontiguousarray(wide[:, :width]), np.ascontiguousarray(wide[:, _DISPARITY_PX:])


def count(model, inputs: list[np.ndarray]) -> dict:
    """Count what one frame costs, operator by operator, from the graph itself.

    flops: two a multiplication with addition in convolutions and matrix products, one a number
    elsewhere. bytes_least: weights, inputs and outputs once: what no fusion can save.
    bytes_unfused: every operator reads its inputs and writes its output.
    """
    module = to_torch(model).to("meta")  # shapes only: in half precision a CPU would take minutes
    tensors = [torch.from_numpy(array).to("meta") for array in inputs]
    with torch.inference_mode():
        ShapeProp(module).propagate(*tensors)
    flops = unfused = 0
    for node in module.graph.nodes:
        kind = node.meta.get("kind")
        if kind is None or kind in VIEWS or "tensor_meta" not in node.meta:
            continue
        made = node.meta["tensor_meta"]
        if not hasattr(made, "shape"):
            continue
        unfused += _bytes(made) + sum(
            _bytes(n.meta["tensor_meta"]) for n in node.all_input_nodes if _is_tensor(n)
        )
        flops += _flops(node, kind, made)
    outputs = list(module.graph.nodes)[-1].all_input_nodes
    least = sum(array.nbytes for array in inputs) + sum(
        _bytes(node.meta["tensor_meta"]) for node in outputs
    )
    weights = sum(buffer.numel() * buffer.element_size() for buffer in module.buffers())
    return {
        "flops": flops,
        "bytes_least": least + weights,
        "bytes_unfused": unfused,
        "bytes_weights": weights,
    }


def _flops(node, kind: str, made) -> int:
    numbers = int(np.prod(made.shape))
    if kind == "Conv":
        weight = node.args[1].meta["tensor_meta"].shape
        return 2 * numbers * int(np.prod(weight[1:]))
    if kind == "MatMul":
        return 2 * numbers * int(node.args[0].meta["tensor_meta"].shape[-1])
    return numbers


def _bytes(meta) -> int:
    return int(np.prod(meta.shape)) * torch.empty((), dtype=meta.dtype).element_size()


def _is_tensor(node) -> bool:
    return hasattr(node.meta.get("tensor_meta"), "shape")


def _camera(task: str, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return np.array(
        [0.8 * width, 0.8 * width, width / 2, height / 2, 0.12, 0][: CAMERA_NUMBERS[task]],
        np.float32,
    )
