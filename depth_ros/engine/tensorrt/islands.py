"""Half precision where it is safe: islands of convolutions and of what stands between them, in any
ONNX graph.

A half has 11 significant bits and ends at 65504: enough for the inputs and the sums of a
convolution, not for an index (whole numbers are exact up to 2048 only), an exponential (exp(12)
overflows) or a disparity (above 512 px it moves in steps of 0.5). So a node is halved by its kind
and by what its numbers flow into, never by its name:

- A convolution always is. Libraries sum its products in float32, so that its answer is rounded
  once.
- What only moves numbers (concatenation, nearest resize, slices ...) is halved where all that
  follows, through nodes of
  these kinds, is convolutions: those would round the same numbers the same way.
- What computes (sums, products, activations ...) is halved only where its numbers also come from
  halves: a disparity
  that is scaled on its way into a convolution stays float32 until it enters it.
- A Relu behind a half is one: it rounds nothing, and libraries compute it within the convolution.

Everything else stays float32: indices, costs, weights of a softmax, disparities, what makes the
answer.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
MOVES = frozenset(
    {
        "Concat",
        "MaxPool",
        "Slice",
        "Transpose",
        "Reshape",
        "Pad",
        "Split",
        "Identity",
        "Relu",
        "DepthToSpace",
        "SpaceToDepth",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
    }
)
COMPUTES = frozenset(
    {
        "Add",
        "Sub",
        "Mul",
        "LeakyRelu",
        "PRelu",
        "Elu",
        "Clip",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "Tanh",
        "AveragePool",
        "GlobalAveragePool",
    }
)
# onnx.TensorProto
_FLOAT = 1
_HALF = 10


class Flow:
    """Who makes and who takes the tensors of a graph, in which types have been inferred."""

    def __init__(self, graph):
        self.graph = graph
        self.constants = {tensor.name for tensor in graph.initializer}
        self.outputs = {value.name for value in graph.output}
        self.maker: dict[str, int] = {}
        self.takers: dict[str, list[int]] = defaultdict(list)
        for position, node in enumerate(graph.node):
            self.maker.update(dict.fromkeys(node.output, position))
            for name in names_used(node):
                self.takers[name].append(position)
        known = (*graph.value_info, *graph.input, *graph.output)
        self._types = {value.name: value.type.tensor_type.elem_type for value in known}
        self._types |= {tensor.name: tensor.data_type for tensor in graph.initializer}

    def is_float(self, name: str) -> bool:
        """True for a tensor of type float32; False also where the type is not known."""
        return self._types.get(name) == _FLOAT

    def numbers(self, node) -> list[str]:
        """The float32 inputs that a node computes with; a Resize's scales are none."""
        inputs = node.input
        if node.op_type == "Resize":
            inputs = node.input[:1]
        return [name for name in inputs if name and self.is_float(name)]

    def data(self, node) -> list[str]:
        """The same without constants."""
        return [name for name in self.numbers(node) if name not in self.constants]

    def wants_float(self, name: str, halved: set[int]) -> bool:
        """True where a tensor is wanted in float32 although its maker is halved."""
        nodes = self.graph.node
        takes_half = (i in halved and name in self.numbers(nodes[i]) for i in self.takers[name])
        return name in self.outputs or not all(takes_half)


def names_used(node) -> list[str]:
    """The tensors that a node takes, also within its subgraphs."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names.extend(names_used(inner))
    return names


def moves_only(node) -> bool:
    """True for a node that passes numbers on as they are."""
    if node.op_type == "Resize":
        return any(a.name == "mode" and a.s == b"nearest" for a in node.attribute) or not _has(
            node, "mode"
        )
    return node.op_type in MOVES


def find_islands(flow: Flow) -> set[int]:
    """The positions of the nodes that may be computed in half precision."""
    nodes = flow.graph.node
    between = {i for i, node in enumerate(nodes) if _can_stand_between(node, flow)}
    while True:
        halved = _grow(flow, between)
        left_out = {i for i in between - halved if _feeds(flow, between, i)}
        if not left_out:
            return halved
        between -= left_out  # what was thought to follow as a half does not


def _grow(flow: Flow, between: set[int]) -> set[int]:
    """The nodes that are halves if those between convolutions can be, from the inputs on."""
    feeding = {i for i in between if _feeds(flow, between, i)}
    halved: set[int] = set()
    computed: set[int] = set()  # those of them whose numbers come from convolutions alone
    for position, node in enumerate(flow.graph.node):
        from_convolutions = all(flow.maker.get(name) in computed for name in flow.data(node))
        if node.op_type in CONVOLUTIONS and flow.is_float(node.output[0]):
            computed.add(position)
        elif (
            position in between
            and from_convolutions
            and (position in feeding or node.op_type == "Relu")
        ):
            computed.add(position)
        elif position in feeding and moves_only(node):
            halved.add(position)
    return halved | computed


def _feeds(flow: Flow, between: set[int], position: int) -> bool:
    """True where all that takes a node's answers is convolutions, through nodes that can stand
    between them.
    """
    for name in flow.graph.node[position].output:
        if name in flow.outputs or not flow.takers[name]:
            return False
        for taker in flow.takers[name]:
            if name not in flow.numbers(flow.graph.node[taker]):
                return False  # scales of a Resize
            if flow.graph.node[taker].op_type in CONVOLUTIONS:
                continue
            if taker not in between or not _feeds(flow, between, taker):
                return False
    return True


def _can_stand_between(node, flow: Flow) -> bool:
    """True for a kind that is known, of floats throughout."""
    known = node.op_type in MOVES or node.op_type in COMPUTES or node.op_type == "Resize"
    return (
        known and bool(flow.data(node)) and all(flow.is_float(name) for name in node.output if name)
    )


def halve(model, halved: set[int]):
    """Return the model with some nodes in half precision, and casts at their borders.

    Args:
        model: An onnx.ModelProto.
        halved: Positions of the nodes in its graph, as `find_islands` returns them.

    Returns:
        A new ModelProto, whose inputs and outputs are as before.
    """
    import onnx

    flow = Flow(model.graph)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    onnx_helper = onnx.helper
    nodes: list = []
    halves: dict[str, str] = {}  # float32 tensor -> its half

    def half_of(name: str) -> str:
        """The name of a tensor's half; a cast, or a constant, is added the first time."""
        if name in halves:
            return halves[name]
        halves[name] = f"{name}/half"
        if name in weights:
            numbers = onnx.numpy_helper.to_array(weights[name])
            # Too large becomes infinite, which the parity gate sees.
            with np.errstate(over="ignore"):
                rounded = numbers.astype(np.float16)
            graph.initializer.append(onnx.numpy_helper.from_array(rounded, halves[name]))
        else:
            ends = [name], [halves[name]]
            nodes.append(onnx_helper.make_node("Cast", *ends, f"{name}/to_half", to=_HALF))
        return halves[name]

    for position, node in enumerate(model.graph.node):
        if position not in halved:
            nodes.append(node)
            continue
        numbers = set(flow.numbers(node))
        half = onnx.NodeProto()
        half.CopyFrom(node)
        for i, name in enumerate(node.input):
            if name in numbers:
                half.input[i] = half_of(name)
        half.output[:] = [f"{name}/half" for name in node.output]
        nodes.append(half)
        for name in node.output:
            halves[name] = f"{name}/half"
            if flow.wants_float(name, halved):
                ends = [halves[name]], [name]
                nodes.append(onnx_helper.make_node("Cast", *ends, f"{name}/to_float", to=_FLOAT))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    _drop_unused_constants(graph)
    return made


def _drop_unused_constants(graph) -> None:
    """Remove the float32 weights whose halves are used."""
    used = {name for node in graph.node for name in names_used(node)} | {
        value.name for value in graph.output
    }
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _has(node, name: str) -> bool:
    return any(attribute.name == name for attribute in node.attribute)
