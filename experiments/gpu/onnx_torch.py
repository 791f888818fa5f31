"""An ONNX graph of fixed size as a torch.fx module: the exported weights themselves, whatever code
they came from.

Only the operators of our networks; shapes, axes and slices must be constants, as they are once
sizes are fixed.
"""

from __future__ import annotations

import operator

import numpy as np
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import fx, nn

_TYPES = {
    1: torch.float32,
    2: torch.uint8,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
}
_PLAIN = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Abs": torch.abs,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Relu": torch.relu,
    "MatMul": torch.matmul,
    "Reciprocal": torch.reciprocal,
    "And": torch.logical_and,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Greater": torch.gt,
    "Where": torch.where,
    "Sqrt": torch.sqrt,
    "Neg": torch.neg,
    "Min": torch.minimum,
    "Max": torch.maximum,
    "Tanh": torch.tanh,
    "Log": torch.log,
    "Pow": torch.pow,
    "Equal": torch.eq,
}
_REDUCE = {"ReduceMax": torch.amax, "ReduceMean": torch.mean, "ReduceSum": torch.sum}
VIEWS = ("Unsqueeze", "Squeeze", "Reshape", "Slice", "Transpose", "Expand", "Identity", "Split")


def to_torch(model) -> fx.GraphModule:
    """Make a module that takes the graph's inputs in order and gives a tuple of its outputs.

    Raises NotImplementedError for an operator that is not known here.
    """
    root = nn.Module()
    graph = fx.Graph()
    constants = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
    values = {
        item.name: graph.placeholder(item.name.replace("/", "_")) for item in model.graph.input
    }
    kept = {}

    def tensor(name):
        """The fx node of a name; constants become buffers where a tensor is wanted of them."""
        if name in values:
            return values[name]
        if name not in kept:
            attribute = f"c{len(kept)}"
            root.register_buffer(attribute, torch.from_numpy(np.array(constants[name])))
            kept[name] = graph.get_attr(attribute)
        return kept[name]

    for node in model.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
            continue
        if (
            node.op_type == "Cast" and node.input[0] in constants
        ):  # scales of a Resize, which fp16 wraps in casts
            kind = helper.tensor_dtype_to_np_dtype(attributes["to"])
            constants[node.output[0]] = constants[node.input[0]].astype(kind)
            continue
        function, arguments = _call(node, attributes, constants, tensor)
        made = graph.call_function(function, arguments)
        made.meta["kind"] = node.op_type
        if len(node.output) == 1:
            values[node.output[0]] = made
        else:
            for i, name in enumerate(node.output):
                values[name] = graph.call_function(operator.getitem, (made, i))
                values[name].meta["kind"] = "Split"
    graph.output(tuple(tensor(item.name) for item in model.graph.output))
    return fx.GraphModule(root, graph).eval()


def _call(node, attributes: dict, constants: dict, tensor):
    """The function of a node, and its arguments."""
    kind = node.op_type
    first = tensor(node.input[0])

    def constant(i, name="", default=None):
        """An input that must be known, or the attribute that older opsets have in its place."""
        if len(node.input) > i and node.input[i]:
            return constants[node.input[i]].tolist()
        return attributes.get(name, default)

    if kind in _PLAIN:
        return _PLAIN[kind], tuple(tensor(name) for name in node.input)
    if kind in _REDUCE:
        axes = constant(1, "axes")
        return _reduced, (kind, first, axes, bool(attributes.get("keepdims", 1)))
    makers = {
        "Identity": lambda: (_same, (first,)),
        "Cast": lambda: (_cast, (first, _TYPES[attributes["to"]])),
        "Clip": lambda: (torch.clamp, (first, constant(1, "min"), constant(2, "max"))),
        "Concat": lambda: (torch.cat, ([tensor(name) for name in node.input], attributes["axis"])),
        "Conv": lambda: (
            _conv,
            (*(tensor(name) for name in node.input), *[None] * (3 - len(node.input)), attributes),
        ),
        "DepthToSpace": lambda: (
            _depth_to_space,
            (first, attributes["blocksize"], attributes.get("mode", b"DCR")),
        ),
        "Elu": lambda: (F.elu, (first, attributes.get("alpha", 1.0))),
        "Expand": lambda: (_expanded, (first, constant(1))),
        "Gather": lambda: (
            _gathered,
            (first, attributes.get("axis", 0), _index(node, constants, tensor)),
        ),
        "GatherElements": lambda: (
            torch.gather,
            (first, attributes.get("axis", 0), tensor(node.input[1])),
        ),
        "LeakyRelu": lambda: (F.leaky_relu, (first, attributes.get("alpha", 0.01))),
        "Pad": lambda: (_padded, (first, constant(1, "pads"), attributes.get("mode", b"constant"))),
        "Reshape": lambda: (_reshaped, (first, constant(1))),
        "Resize": lambda: (_resized, (first, constant(2), constant(3), attributes)),
        "Slice": lambda: (_sliced, (first, constant(1), constant(2), constant(3), constant(4))),
        "Softmax": lambda: (torch.softmax, (first, attributes.get("axis", -1))),
        "Split": lambda: (
            _split,
            (first, constant(1, "split"), attributes.get("axis", 0), len(node.output)),
        ),
        "Squeeze": lambda: (_squeezed, (first, constant(1, "axes"))),
        "Tile": lambda: (torch.tile, (first, [int(n) for n in constant(1)])),
        "Transpose": lambda: (torch.permute, (first, attributes["perm"])),
        "Unsqueeze": lambda: (_unsqueezed, (first, constant(1, "axes"))),
    }
    if kind not in makers:
        raise NotImplementedError(f"{kind} ({node.name}): not among the operators of our networks")
    return makers[kind]()


def _index(node, constants, tensor):
    """A Gather's index: a number where it is one, else a tensor."""
    value = constants.get(node.input[1])
    if value is not None and value.ndim == 0:
        return int(value)
    return tensor(node.input[1])


def _same(x):
    return x


def _cast(x, kind):
    return x.to(kind)


def _reduced(kind, x, axes, keep):
    return _REDUCE[kind](x, dim=axes if axes is not None else list(range(x.dim())), keepdim=keep)


def _conv(x, weight, bias, attributes):
    pads = attributes.get("pads", [0, 0, 0, 0])
    if pads[:2] != pads[2:]:
        x = F.pad(x, (pads[1], pads[3], pads[0], pads[2]))
        pads = [0, 0, 0, 0]
    return F.conv2d(
        x,
        weight,
        bias,
        attributes.get("strides", [1, 1]),
        pads[:2],
        attributes.get("dilations", [1, 1]),
        attributes.get("group", 1),
    )


def _depth_to_space(x, block, mode):
    if mode == b"CRD":
        return F.pixel_shuffle(x, block)
    batch, channels, height, width = x.shape
    x = x.reshape(batch, block, block, channels // block**2, height, width).permute(
        0, 3, 4, 1, 5, 2
    )
    return x.reshape(batch, channels // block**2, height * block, width * block)


def _expanded(x, shape):
    if len(shape) >= x.dim():
        return x.expand([-1 if n == 1 else n for n in shape])
    return x


def _gathered(x, axis, index):
    if isinstance(index, int):
        return x.select(axis, index)
    return torch.index_select(x, axis, index)


def _padded(x, pads, mode):
    half = len(pads) // 2
    if any(pads[: half - 2]) or any(pads[half : 2 * half - 2]):
        raise NotImplementedError("Pad: expected rows and columns only")
    sides = (pads[half - 1], pads[-1], pads[half - 2], pads[-2])
    return F.pad(
        x, sides, mode={b"constant": "constant", b"edge": "replicate", b"reflect": "reflect"}[mode]
    )


def _reshaped(x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])


def _resized(x, scales, sizes, attributes):
    if sizes:
        size = sizes[2:]
    else:
        size = [round(n * s) for n, s in zip(x.shape[2:], scales[2:])]
    if attributes["mode"] == b"nearest":
        return F.interpolate(x, size=size, mode="nearest")
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _sliced(x, starts, ends, axes, steps):
    where = [slice(None)] * x.dim()
    for i, (start, end) in enumerate(zip(starts, ends)):
        if axes:
            axis = axes[i]
        else:
            axis = i
        where[axis] = slice(start, min(end, x.shape[axis]), steps[i] if steps else 1)
    return x[tuple(where)]


def _split(x, sizes, axis, count):
    return torch.split(x, sizes or x.shape[axis] // count, axis)


def _squeezed(x, axes):
    for axis in sorted(axes, reverse=True):
        x = x.squeeze(axis)
    return x


def _unsqueezed(x, axes):
    for axis in sorted(axes):
        x = x.unsqueeze(axis)
    return x
