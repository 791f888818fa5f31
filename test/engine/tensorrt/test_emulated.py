"""The judge of the first gate: halves as IEEE 754 has them, 8-bit pairs as they are written."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="no package onnx: graphs cannot be made")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from depth_ros.core.errors import EngineError  # noqa: E402
from depth_ros.engine.tensorrt import emulated  # noqa: E402
from depth_ros.engine.tensorrt.emulated import EmulatedGraph  # noqa: E402


def model(*nodes, constants=()):
    """x (1, 1, 4, 8) in float32 to y."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "g", [x], [y], list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)


def to_half(name):
    return helper.make_node("Cast", [name], [f"{name}.h"], to=TensorProto.FLOAT16)


def to_float(name):
    return helper.make_node("Cast", [name], ["y"], to=TensorProto.FLOAT)


NUMBERS = np.float32(
    [1 / 3, 2049, 4095.9, 65519, 65520, -1e9, 6e-8, 2e-8, 1e-5, np.inf, -np.inf, np.nan]
)
X = np.resize(NUMBERS, (1, 1, 4, 8))


def as_half(x):
    with np.errstate(over="ignore"):
        return x.astype(np.float16)


def run(graph, x=X):
    return EmulatedGraph(graph, ["y"]).run({"x": x})["y"]


def test_a_number_becomes_the_half_that_numpy_makes_of_it():
    """Ties, the largest, what overflows, what is below the normal halves, infinities and NaN."""
    found = run(model(to_half("x"), to_float("x.h")))
    np.testing.assert_array_equal(found, as_half(X).astype(np.float32))
    # Between two other nodes as well, where ONNX Runtime removes a pair of casts
    nodes = (helper.make_node("Neg", ["x"], ["n"]), to_half("n"), to_float("n.h"))
    np.testing.assert_array_equal(run(model(*nodes)), as_half(-X).astype(np.float32))


@pytest.mark.parametrize("kind", ["Exp", "Sqrt", "Mul", "Add", "Sigmoid", "Floor"])
def test_a_node_in_halves_is_rounded_once(kind):
    x = np.abs(np.random.default_rng(3).normal(size=X.shape)).astype(np.float32) * 9
    inputs = ["x.h", "x.h"] if kind in ("Mul", "Add") else ["x.h"]
    graph = model(to_half("x"), helper.make_node(kind, inputs, ["z"]), to_float("z"))
    with np.errstate(over="ignore"):
        wanted = ReferenceEvaluator(graph).run(None, {"x": x})[0]
    found = run(graph, x)
    assert np.isinf(found).any() == (kind == "Exp")
    # NumPy rounds within some functions too: a unit in the last place
    np.testing.assert_allclose(found, wanted, rtol=2**-10)


def test_eight_bits_do_not_saturate():
    """Two products of 255 * 127 do not fit into 16 bits; on a CPU without VNNI ONNX Runtime adds
    them there.
    """
    weight = np.full((8, 1, 2, 2), 127, np.int8)
    grid = {
        "s": np.float32(1),
        "z": np.uint8(0),
        "ws": np.float32(1),
        "wz": np.int8(0),
        "os": np.float32(600),
    }
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in grid.items()]
    constants.append(numpy_helper.from_array(weight, "w"))
    make = helper.make_node
    graph = model(
        make("QuantizeLinear", ["x", "s", "z"], ["q"]),
        make("DequantizeLinear", ["q", "s", "z"], ["d"]),
        make("DequantizeLinear", ["w", "ws", "wz"], ["wd"]),
        make("Conv", ["d", "wd"], ["c"]),
        make("QuantizeLinear", ["c", "os", "z"], ["cq"]),
        make("DequantizeLinear", ["cq", "os", "z"], ["y"]),
        constants=constants,
    )
    found = run(graph, np.full(X.shape, 255, np.float32))
    assert np.all(found == 600 * round(4 * 255 * 127 / 600))


def test_a_node_that_fails_is_named():
    rows = numpy_helper.from_array(np.zeros((3, 1), np.float32), "rows")
    nodes = (
        helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        helper.make_node("Gather", ["rows", "i"], ["y"], axis=0),
    )
    with pytest.raises(EngineError, match="the converted graph failed: .*indices"):
        run(model(*nodes, constants=[rows]), np.full(X.shape, 3, np.float32))


def test_an_onnx_runtime_that_does_not_round_is_refused(monkeypatch):
    """Else the gate would compare float32 with itself, as it once did."""
    monkeypatch.setattr(
        emulated, "_rounding", lambda onnx, a, b: [helper.make_node("Identity", [a], [b])]
    )
    emulated._check_rounding.cache_clear()
    with pytest.raises(EngineError, match="expected an ONNX Runtime whose casts round"):
        EmulatedGraph(model(to_half("x"), to_float("x.h")), ["y"])
    emulated._check_rounding.cache_clear()
