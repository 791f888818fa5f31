"""The whole step as one graph, for a GPU: camera images go in as bytes, metres and a packed
cloud come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.core.errors import EngineError
from depth_ros.engine.spec import ModelSpec

from .convert import input_shapes
from .tensors import STEP_OUTPUTS

# Inputs beside the images, float32: fx, fy, cx, cy in pixels of the image; stereo: baseline_m and
# doffs_px after them.
CAMERA_NUMBERS = {"stereo": 6, "mono": 4}
IO_GRAPH = "1"  # part of the cache key: raise it where this file makes other graphs
IMAGES = ("left", "right", "image")
_LARGEST = 1e30  # more is not a depth; written so, because NaN compares false
# As estimator.preprocess: neighbours whose inverse depths differ by more lie on two surfaces.
_SAME_SURFACE = 0.1


@dataclass(frozen=True)
class Step:
    """The sizes of a whole step: image_size (height, width) of the camera's images; working: to
    which they are resized, ahead of padding; the same in stereo."""

    image_size: tuple[int, int]
    working: tuple[int, int]


def step_shapes(spec: ModelSpec, size: tuple[int, int], step: Step) -> dict[str, tuple[int, ...]]:
    """The shape of every input of a whole step; size: (height, width) of the network's tensors."""
    shapes = dict(input_shapes(spec, size))
    for name in shapes:
        if name in IMAGES:
            shapes[name] = (*step.image_size, 3)
    shapes["camera"] = (CAMERA_NUMBERS[spec.task],)
    return shapes


def with_io(model, spec: ModelSpec, image_size: tuple[int, int], working: tuple[int, int]):
    """Put preparation and decoding around a converted network; they stay float32 whatever the
    network's precision.

    Args:
        model: As convert made it, for tensors of the size that image_size leads to.
        spec: Of the model.
        image_size: (height, width) of the camera's images.
        working: (height, width) to which they are resized, ahead of padding; image_size for stereo.

    Returns:
        A ModelProto. Inputs: each image of the spec as (H, W, 3) uint8 RGB, rectified; what is no
        image, as "prior", as the network takes it (SGBM is no graph: the CPU makes it); "camera",
        see CAMERA_NUMBERS. Outputs: "metres" and "sigma_m" (H, W), "points" (H, W, 4) with x, y, z
        and the colour packed as in core.pointcloud; float32, NaN unknown.

    Raises:
        EngineError: For another task, or a model without uncertainty.
    """
    import onnx

    if spec.task not in CAMERA_NUMBERS or len(spec.outputs) != 2:
        raise EngineError(
            f"with-io: expected a stereo or mono model with uncertainty, got {spec.task} "
            f"{spec.outputs}"
        )
    size = tuple(dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:])
    if min(working) <= 0 or any(a > b for a, b in zip(working, size, strict=True)):
        raise EngineError(
            f"with-io: expected images of at most {size} after resizing, got {working}"
        )
    graph = _Graph(onnx)
    for name in spec.inputs:
        if name not in IMAGES:
            graph.inputs.append((name, onnx.TensorProto.FLOAT, input_shapes(spec, size)[name]))
            graph.add("Identity", [name], f"net/{name}")
        else:
            graph.inputs.append((name, onnx.TensorProto.UINT8, (*image_size, 3)))
            graph.add(
                "Identity", [_prepared(graph, name, spec, image_size, working, size)], f"net/{name}"
            )
    graph.inputs.append(("camera", onnx.TensorProto.FLOAT, (CAMERA_NUMBERS[spec.task],)))
    graph.inline(model, "net/")
    numbers = graph.add("Split", ["camera"], count=CAMERA_NUMBERS[spec.task], axis=0)
    values, log_sigma = (_cropped(graph, f"net/{name}", working) for name in spec.outputs)
    if spec.task == "stereo":
        metres, sigma = _decode_stereo(graph, values, log_sigma, numbers)
    else:
        sizes = Step(image_size, working)
        metres, sigma = _decode_mono(graph, values, log_sigma, numbers, spec.focal_px, sizes)
    _outputs(graph, metres, sigma, spec.inputs[0], numbers, image_size)
    return graph.model(model)


class _Graph:
    """Nodes in order, each named by its number unless a name is given."""

    def __init__(self, onnx):
        self.onnx = onnx
        self.nodes: list = []
        self.weights: list = []
        self.inputs: list[tuple] = []
        self.outputs: list[tuple] = []

    def add(self, kind: str, inputs: list, name: str = "", count: int = 1, **attributes):
        """Add a node; arrays among the inputs become constants.

        Returns its output's name, or a list of count names.
        """
        names = []
        for value in inputs:
            if not isinstance(value, str):
                value = self._constant(value)
            names.append(value)
        base = name or f"io/{len(self.nodes)}"
        if count == 1:
            self.nodes.append(self.onnx.helper.make_node(kind, names, [base], **attributes))
            return base
        outputs = [f"{base}.{i}" for i in range(count)]
        self.nodes.append(self.onnx.helper.make_node(kind, names, outputs, **attributes))
        return outputs

    def inline(self, model, prefix: str) -> None:
        """Take the nodes of a model in, all names with a prefix."""
        inner = self.onnx.compose.add_prefix(model, prefix).graph
        self.nodes.extend(inner.node)
        self.weights.extend(inner.initializer)

    def model(self, like):
        """The model, checked."""
        helper = self.onnx.helper
        kind = self.onnx.TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info(*value) for value in self.inputs]
        outputs = [helper.make_tensor_value_info(name, kind, shape) for name, shape in self.outputs]
        graph = helper.make_graph(self.nodes, "with_io", inputs, outputs, self.weights)
        made = helper.make_model(graph, opset_imports=like.opset_import, ir_version=like.ir_version)
        self.onnx.checker.check_model(made)
        return made

    def _constant(self, value) -> str:
        name = f"io/c{len(self.weights)}"
        self.weights.append(self.onnx.numpy_helper.from_array(np.asarray(value), name))
        return name


def _f(*values) -> np.ndarray:
    """Numbers as a float32 constant: one as a scalar, several as a vector."""
    return np.squeeze(np.array(values, np.float32))


def _prepared(graph: _Graph, image: str, spec: ModelSpec, image_size, working, size) -> str:
    """(H, W, 3) uint8 to the network's tensor, as estimator.preprocess does it.

    A byte may only be cast, so that comes first.
    """
    planes = graph.add("Transpose", [graph.add("Cast", [image], to=1)], perm=[2, 0, 1])
    if working != tuple(image_size):
        rows, columns = (area_matrix(n, m) for n, m in zip(image_size, working, strict=True))
        planes = graph.add("MatMul", [graph.add("MatMul", [rows, planes]), columns.T.copy()])
        planes = graph.add("Round", [planes])
    mean, std = (_f(*values).reshape(3, 1, 1) for values in (spec.mean, spec.std))
    tensor = graph.add("Mul", [graph.add("Sub", [planes, mean]), np.float32(1) / std])
    tensor = graph.add("Unsqueeze", [tensor, np.array([0])])
    below, right = (n - m for n, m in zip(size, working, strict=True))
    for axis, rest, last in ((2, below, working[0] - 1), (3, right, working[1] - 1)):
        if rest:  # the border repeated: by index, because TensorRT pads with zeros only
            order = np.minimum(np.arange(last + 1 + rest), last)
            tensor = graph.add("Gather", [tensor, order], axis=axis)
    return tensor


def _cropped(graph: _Graph, tensor: str, working) -> str:
    """(1, 1, h, w) to (h', w') without the padding."""
    part = graph.add("Slice", [tensor, np.array([0, 0]), np.array(working), np.array([2, 3])])
    return graph.add("Squeeze", [part, np.array([0, 1])])


def _known(graph: _Graph, values: str) -> str:
    """True where a number is above 0 and finite."""
    small = graph.add("Less", [values, _f(_LARGEST)])
    return graph.add("And", [graph.add("Greater", [values, _f(0)]), small])


def _decode_stereo(graph: _Graph, disparity: str, log_sigma: str, numbers: list):
    """depth = fx b / (d + doffs); sigma_z = z^2 / (fx b) sigma_d, as core.depth."""
    focal_baseline = graph.add("Mul", [numbers[0], numbers[4]])
    moved = graph.add("Add", [disparity, numbers[5]])
    depth = graph.add(
        "Where", [_known(graph, moved), graph.add("Div", [focal_baseline, moved]), _f(np.nan)]
    )
    sigma = graph.add("Mul", [graph.add("Mul", [depth, depth]), graph.add("Exp", [log_sigma])])
    return depth, graph.add("Div", [sigma, focal_baseline])


def _decode_mono(graph: _Graph, depth: str, log_sigma: str, numbers: list, focal_px, sizes: Step):
    """Metres of this camera, resized as inverse depth, but never across two surfaces, as
    estimator.preprocess does it.
    """
    image_size = sizes.image_size
    working = sizes.working
    fx = graph.add("Mul", [numbers[0], _f(working[1] / image_size[1])])
    metres = depth
    if focal_px:
        metres = graph.add("Mul", [depth, graph.add("Div", [fx, _f(focal_px)])])
    inverse = graph.add(
        "Where", [_known(graph, depth), graph.add("Reciprocal", [metres]), _f(np.nan)]
    )
    relative = graph.add("Exp", [log_sigma])
    if working != tuple(image_size):
        nearest = _nearest(graph, inverse, image_size, working)
        smooth = graph.add("Unsqueeze", [inverse, np.array([0, 1])])
        wanted = np.array([1, 1, *image_size])
        smooth = graph.add(
            "Resize",
            [smooth, "", "", wanted],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        smooth = graph.add("Squeeze", [smooth, np.array([0, 1])])
        off = graph.add("Abs", [graph.add("Sub", [smooth, nearest])])
        close = graph.add("LessOrEqual", [off, graph.add("Mul", [nearest, _f(_SAME_SURFACE)])])
        inverse = graph.add("Where", [close, smooth, nearest])
        relative = _nearest(graph, relative, image_size, working)
    metres = graph.add("Reciprocal", [inverse])
    return metres, graph.add("Mul", [metres, relative])


def _nearest(graph: _Graph, values: str, image_size, working) -> str:
    """Nearest resize by rows and columns picked."""
    for axis, (n, m) in enumerate(zip(image_size, working, strict=True)):
        values = graph.add("Gather", [values, np.int64((np.arange(n) + 0.5) * m / n)], axis=axis)
    return values


def _outputs(graph: _Graph, metres: str, sigma: str, image: str, numbers: list, image_size) -> None:
    """Metres, sigma, and points with colour."""
    height, width = image_size
    graph.add("Identity", [metres], "metres")
    graph.add("Identity", [sigma], "sigma_m")
    fx, fy, cx, cy = numbers[:4]
    u = np.arange(width, dtype=np.float32)[None]
    v = np.arange(height, dtype=np.float32)[:, None]
    x = graph.add("Mul", [graph.add("Div", [graph.add("Sub", [u, cx]), fx]), metres])
    y = graph.add("Mul", [graph.add("Div", [graph.add("Sub", [v, cy]), fy]), metres])
    parts = [
        graph.add("Unsqueeze", [part, np.array([2])])
        for part in (x, y, metres, _packed(graph, image))
    ]
    graph.add("Concat", parts, "points", axis=2)
    graph.outputs = list(
        zip(STEP_OUTPUTS, ((height, width), (height, width), (height, width, 4)), strict=True)
    )


def _packed(graph: _Graph, image: str) -> str:
    """The float of bits 0x3FRRGGBB without bit casts: q = (65536 R + 256 G + B) / 2^23, for R <
    128 (1 + q) / 2.
    """
    rgb = graph.add("Cast", [image], to=1)
    # Not a product of matrices, which may be TF32.
    weighted = graph.add("Mul", [rgb, _f(65536, 256, 1) / np.float32(2**23)])
    q = graph.add("ReduceSum", [weighted, np.array([2])], keepdims=0)
    half = graph.add("Add", [graph.add("Mul", [q, _f(0.5)]), _f(0.5)])
    return graph.add("Where", [graph.add("Less", [q, _f(1)]), half, q])


def area_matrix(old: int, new: int) -> np.ndarray:
    """The (new, old) float32 matrix that averages areas where it shrinks, and interpolates where it
    grows.

    >>> area_matrix(4, 2).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    if new >= old:
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(old))).astype(np.float32)
    edges = np.arange(new + 1) * (old / new)
    low = np.maximum(edges[:-1, None], np.arange(old))
    high = np.minimum(edges[1:, None], np.arange(old) + 1)
    return (np.maximum(0, high - low) * (new / old)).astype(np.float32)
