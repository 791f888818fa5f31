"""What a GPU computes of a converted graph, on a CPU and without luck: halves are rounded, 8-bit
pairs are exact.

ONNX Runtime's CPU provider has no half precision: it computes in float32 and removes the casts, so
that a graph in halves is not judged by running it there; and its 8-bit kernels saturate on some
CPUs. So here every tensor of halves becomes one of float32 that is rounded to a half wherever a
node has computed it, as IEEE 754 defines a half's arithmetic, and pairs of QuantizeLinear and
DequantizeLinear are computed as written. Sums within one node are in float32, as on tensor cores.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from depth_ros.core.errors import EngineError

from .fold import import_onnx
from .islands import moves_only

# onnx.TensorProto
_FLOAT = 1
_HALF = 10
_DOUBLE = 11


class EmulatedGraph:
    """A graph with halves or 8-bit pairs, run as a GPU would run it.

    model: an onnx.ModelProto, inputs and outputs float32. names: of the outputs that are wanted.
    Raises EngineError for a graph that ONNX Runtime does not load, or where its casts do not round.
    """

    def __init__(self, model, names):
        _check_rounding()
        self._names = list(names)
        self._session = _open(rounded(model))

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run on arrays by name; raises EngineError where a node fails, as on an index out of
        bounds.
        """
        try:
            values = self._session.run(self._names, inputs)
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise EngineError(f"the converted graph failed: {error}") from error
        return dict(zip(self._names, values, strict=True))


def rounded(model):
    """The graph in float32 with a rounding to half behind every node that computes a half."""
    onnx, _ = import_onnx()
    made = onnx.shape_inference.infer_shapes(model)
    graph = made.graph
    halves = {value.name for value in graph.value_info if value.type.tensor_type.elem_type == _HALF}
    for tensor in graph.initializer:
        if tensor.data_type == _HALF:
            numbers = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(numbers, tensor.name))
    nodes = []
    for node in graph.node:
        made_halves = [name for name in node.output if name in halves]
        if node.op_type == "Constant" and made_halves:
            nodes += _constant(onnx, node)
        elif node.op_type == "Cast" and made_halves:
            nodes += _rounding(onnx, node.input[0], node.output[0])
        elif made_halves and not moves_only(node):
            exact = {name: f"{name}/exact" for name in made_halves}
            node.output[:] = [exact.get(name, name) for name in node.output]
            nodes.append(node)
            for name in made_halves:
                nodes += _rounding(onnx, exact[name], name)
        else:
            nodes.append(node)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return made


def _rounding(onnx, name: str, result: str) -> list:
    """Float32 to half and back.

    By way of double: a pair of casts alone is what ONNX Runtime removes.
    """
    steps = (
        (name, f"{result}/f16", _HALF),
        (f"{result}/f16", f"{result}/f64", _DOUBLE),
        (f"{result}/f64", result, _FLOAT),
    )
    return [
        onnx.helper.make_node("Cast", [source], [target], to=kind) for source, target, kind in steps
    ]


def _constant(onnx, node) -> list:
    """A constant of halves in float32."""
    numbers = onnx.numpy_helper.to_array(node.attribute[0].t).astype(np.float32)
    return [
        onnx.helper.make_node(
            "Constant", [], node.output, value=onnx.numpy_helper.from_array(numbers)
        )
    ]


def _open(model):
    _, ort = import_onnx()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # no integer kernels
    try:
        return ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise EngineError(
            f"expected a converted graph that ONNX Runtime loads, got: {error}"
        ) from error


@cache
def _check_rounding() -> None:
    """Raise EngineError unless ONNX Runtime rounds as it is told: else this would compare
    float32 with itself.
    """
    onnx, _ = import_onnx()
    helper = onnx.helper
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        *_rounding(onnx, "y", "z"),
        helper.make_node("Neg", ["z"], ["n"]),
    ]
    ends = [helper.make_tensor_value_info(name, _FLOAT, [2]) for name in ("x", "n")]
    graph = helper.make_graph(nodes, "rounding", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    numbers = [1 / 3, 1e5]  # 0.33325195 and infinity as halves
    found = _open(model).run(None, {"x": np.array(numbers, np.float32)})[0]
    with np.errstate(over="ignore"):
        expected = -np.array(numbers, np.float16).astype(np.float32)
    if not np.array_equal(found, expected):
        raise EngineError(
            f"expected an ONNX Runtime whose casts round to half, got {found} for {expected}"
        )
