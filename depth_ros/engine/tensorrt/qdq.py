"""int8 for TensorRT: pairs of QuantizeLinear and DequantizeLinear within the islands that fp16
halves.

Between two convolutions numbers are 8 bits wide: a pair stands at the input of each convolution
that becomes int8, and at both ends of what only moves numbers on their way there, so that
concatenations and resizes move bytes. The pairs of one such way share their scale: rounding twice
to one grid is rounding once. What stands between two pairs is left in float32, as TensorRT wants it
to compute it within the convolution; the rest of the islands is halved.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from depth_ros.core.errors import EngineError

from .fold import import_onnx
from .islands import CONVOLUTIONS, Flow, find_islands, halve, moves_only

_CHANNELS = 8  # fewest input channels of an int8 convolution
_ANSWERS = 2  # a convolution with as many outputs makes an answer
# Share of what a tensor held in calibration that its range keeps; the rest saturates.
# models/mono.onnx decides this: single large activations of its encoder would make the steps of all
# others coarse. See docs/tensorrt.md.
PERCENTILE = 99.99
_LARGEST = 127  # symmetric: -128 is not used
_LEAST_SCALE = 1e-9  # of a tensor that was 0 throughout


@dataclass(frozen=True)
class _Plan:
    """Positions of nodes: eights become int8 convolutions, moves carry bytes to them, halved
    become halves.
    """

    flow: Flow
    eights: set[int]
    moves: set[int]
    halved: set[int]

    def rounded(self) -> list[str]:
        """The tensors at which pairs stand."""
        nodes = (self.flow.graph.node[i] for i in sorted(self.eights | self.moves))
        return list(dict.fromkeys(name for node in nodes for name in self.flow.data(node)))


def add_pairs(folded, frames: list[dict]):
    """Return a folded model in which convolutions compute in int8 and the rest of the islands in
    halves.

    Weights are rounded per output channel, biases stay float.

    Args:
        folded: An onnx.ModelProto, as `fold` returns it.
        frames: Input arrays by name, for the ranges.

    Raises:
        EngineError: Where no convolution is wide enough.
    """
    onnx, _ = import_onnx()
    plan = _plan(folded)
    scales = _scales(plan, measure_ranges(folded, plan.rounded(), frames))
    made = halve(folded, plan.halved)
    names = {folded.graph.node[i].name: i for i in plan.eights | plan.moves}
    writer = _Writer(onnx, made.graph, scales)
    for node in list(made.graph.node):
        position = names.get(node.name)
        if position is not None:
            original = folded.graph.node[position]
            writer.round_inputs(node, set(plan.flow.data(original)))
        if position in plan.eights:
            writer.round_weight(node)
        writer.nodes.append(node)
    writer.finish()
    return made


def is_wide(weight_shape) -> bool:
    """True for the weight of a convolution that int8 suits: not the first, a depthwise, or one that
    makes an answer.

    Few channels a group are where rounding costs the most and int8 saves the least.
    """
    return weight_shape[1] >= _CHANNELS and weight_shape[0] > _ANSWERS


def measure_ranges(model, names: list[str], frames: list[dict]) -> dict[str, float]:
    """The magnitude below which PERCENTILE of a tensor's numbers lie, over all frames, by name
    of the tensor.
    """
    onnx, ort = import_onnx()
    seen = onnx.ModelProto()
    seen.CopyFrom(model)
    known = {value.name for value in (*seen.graph.input, *seen.graph.output)}
    inner = [name for name in names if name not in known]
    seen.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        seen.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    largest: dict[str, list[np.ndarray]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for frame in frames:
        answers = dict(zip(inner, session.run(inner, frame), strict=True)) if inner else {}
        for name in names:
            values = np.abs(answers[name] if name in answers else frame[name]).ravel()
            counts[name] += values.size
            # As many as may lie above the range in all frames together: whichever frame they come
            # from
            kept = min(values.size, _above(values.size * len(frames)) + 1)
            largest[name].append(np.partition(values, -kept)[-kept:])
    return {
        name: float(np.sort(np.concatenate(largest[name]))[-1 - _above(counts[name])])
        for name in names
    }


def _above(count: int) -> int:
    """How many of so many numbers may lie above the range."""
    return int(count * (1 - PERCENTILE / 100))


def _plan(folded) -> _Plan:
    """Decide which node becomes what."""
    flow = Flow(folded.graph)
    nodes = folded.graph.node
    islands = find_islands(Flow(folded.graph))
    shapes = {tensor.name: tensor.dims for tensor in folded.graph.initializer}
    eights = set()
    for i in islands:
        wide = (
            nodes[i].op_type == "Conv"
            and nodes[i].input[1] in shapes
            and is_wide(shapes[nodes[i].input[1]])
        )
        if wide and _comes_from(flow, islands, i) and _goes_into(flow, islands, i):
            eights.add(i)
    if not eights:
        raise EngineError(
            f"int8: expected convolutions of at least {_CHANNELS} channels between others, got none"
        )
    moves = {i for i in islands if _carries(flow, eights, i)}
    between = {i for i in islands - eights - moves if _is_between(flow, eights, moves, i)}
    return _Plan(flow, eights, moves, islands - eights - moves - between)


def _comes_from(flow: Flow, islands: set[int], position: int) -> bool:
    """True where all that a node computes with was computed in islands: images, costs and
    disparities, which enter them here, need more than 8 bits, and may lie outside of the range that
    calibration saw."""
    for name in flow.data(flow.graph.node[position]):
        maker = flow.maker.get(name)
        if maker not in islands:
            return False
        if moves_only(flow.graph.node[maker]) and not _comes_from(flow, islands, maker):
            return False
    return True


def _goes_into(flow: Flow, islands: set[int], position: int) -> bool:
    """True where only islands take a convolution's answer: costs, logits and what makes the answer
    are not the sums of bytes."""
    takers = [taker for name in flow.graph.node[position].output for taker in flow.takers[name]]
    ends = any(name in flow.outputs for name in flow.graph.node[position].output)
    return bool(takers) and not ends and islands.issuperset(takers)


def _carries(flow: Flow, eights: set[int], position: int) -> bool:
    """True for what only moves numbers, all of them into int8 convolutions."""
    node = flow.graph.node[position]
    if node.op_type in (*CONVOLUTIONS, "Relu") or not moves_only(node):
        return False
    takers = [taker for name in node.output for taker in flow.takers[name]]
    return bool(takers) and all(
        taker in eights or _carries(flow, eights, taker) for taker in takers
    )


def _is_between(flow: Flow, eights: set[int], moves: set[int], position: int) -> bool:
    """True for an activation or sum whose numbers come from int8 convolutions and go into pairs."""
    node = flow.graph.node[position]
    if node.op_type in CONVOLUTIONS:
        return False
    makers = [flow.maker.get(name, -1) for name in flow.data(node)]
    takers = [taker for name in node.output for taker in flow.takers[name]]
    return eights.issuperset(makers) and (eights | moves).issuperset(takers)


def _scales(plan: _Plan, ranges: dict[str, float]) -> dict[str, np.ndarray]:
    """The step of each rounded tensor; one for all that are moved into one another."""
    groups: dict[str, str] = {}

    def group(name: str) -> str:
        while groups.get(name, name) != name:
            name = groups[name]
        return name

    for position in plan.moves:
        node = plan.flow.graph.node[position]
        for name in (*plan.flow.data(node), *node.output[1:]):
            groups[group(name)] = group(node.output[0])
    most: dict[str, float] = defaultdict(float)
    for name, value in ranges.items():
        most[group(name)] = max(most[group(name)], value)
    steps = {name: max(most[group(name)] / _LARGEST, _LEAST_SCALE) for name in ranges}
    return {name: np.array(step, np.float32) for name, step in steps.items()}


class _Writer:
    """Nodes in order, with pairs among them; each tensor gets one pair, each weight one copy."""

    def __init__(self, onnx, graph, scales: dict[str, np.ndarray]):
        self._onnx, self._graph, self._scales = onnx, graph, scales
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._rounded: dict[str, str] = {}
        self.nodes: list = []

    def round_inputs(self, node, names: set[str]) -> None:
        """Put pairs in front of some inputs of a node."""
        for i, name in enumerate(node.input):
            if name in names:
                node.input[i] = self._rounded.get(name) or self._pair(name)

    def round_weight(self, node) -> None:
        """Round the weight of a convolution per output channel."""
        name = node.input[1]
        if name not in self._rounded:
            weight = self._onnx.numpy_helper.to_array(self._weights[name])
            per_channel = np.abs(weight).reshape(len(weight), -1).max(1)
            scale = np.maximum(per_channel / _LARGEST, _LEAST_SCALE).astype(np.float32)
            whole = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.int8)
            ends = [self._constant(f"{name}/int8", whole), *self._grid(name, scale)]
            self._add("DequantizeLinear", ends, f"{name}/rounded", axis=0)
            self._rounded[name] = f"{name}/rounded"
        node.input[1] = self._rounded[name]

    def finish(self) -> None:
        """Put the nodes into the graph, and drop the weights that were rounded."""
        nodes = [self._onnx.NodeProto.FromString(node.SerializeToString()) for node in self.nodes]
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        used = {name for node in nodes for name in node.input} | {
            value.name for value in self._graph.output
        }
        kept = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)

    def _pair(self, name: str) -> str:
        grid = self._grid(name, self._scales[name])
        self._add("QuantizeLinear", [name, *grid], f"{name}/int8")
        self._add("DequantizeLinear", [f"{name}/int8", *grid], f"{name}/rounded")
        self._rounded[name] = f"{name}/rounded"
        return self._rounded[name]

    def _grid(self, name: str, scale: np.ndarray) -> list[str]:
        """The constants of a scale and of its zero, which is 0."""
        zero = np.zeros(np.shape(scale), np.int8)
        return [
            self._constant(f"{name}/scale", np.asarray(scale)),
            self._constant(f"{name}/zero", zero),
        ]

    def _add(self, kind: str, inputs: list[str], output: str, **attributes) -> None:
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [output], output, **attributes))

    def _constant(self, name: str, value: np.ndarray) -> str:
        self._graph.initializer.append(self._onnx.numpy_helper.from_array(value, name))
        return name
