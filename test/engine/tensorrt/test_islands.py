"""Half precision by kind and flow: on a network with what coarse-to-fine stereo has beside its
convolutions.
"""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="no package onnx: graphs cannot be made")
ort = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from depth_ros.core.errors import EngineError  # noqa: E402
from depth_ros.engine.tensorrt.convert import to_fp16  # noqa: E402
from depth_ros.engine.tensorrt.emulated import EmulatedGraph  # noqa: E402
from depth_ros.engine.tensorrt.fold import fold  # noqa: E402
from depth_ros.engine.tensorrt.islands import Flow, find_islands, halve  # noqa: E402

HEIGHT, WIDTH = 280, 256  # 71 680 places: indices that no half can say, nor reach
SHIFT_PX = 3
LARGEST_LOGIT = 30.0  # exp(30) = 1e13


class Graph:
    """Nodes by kind, in order; arrays become constants."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def add(self, kind, *inputs, **attributes):
        names = [self._name(value) for value in inputs]
        output = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], output, **attributes))
        return output

    def _name(self, value):
        if isinstance(value, str):
            return value
        self.constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def model(self, shape, outputs):
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
        made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "g", [image], made, self.constants)
        opsets = [helper.make_opsetid("", 16)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def weight(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32) / np.float32(
        np.prod(shape[1:]) ** 0.5
    )


def coarse_to_fine():
    """Features are gathered at computed places, weighed by exponentials, kept by a running
    minimum and shuffled.
    """
    g = Graph()
    pad = {"pads": [1, 1, 1, 1]}
    features = g.add("Relu", g.add("Conv", "image", weight(4, 3, 3, 3), **pad))
    features = g.add("Relu", g.add("Conv", features, weight(4, 4, 3, 3, seed=2), **pad))
    rows = g.add("Reshape", g.add("Transpose", features, perm=[0, 2, 3, 1]), np.array([-1, 4]))
    # A disparity of 3 px, to within a hundredth, from a convolution: it is rounded, and becomes an
    # index
    hint = g.add(
        "Mul", g.add("Conv", features, weight(1, 4, 1, 1, seed=3) * 1e-3), np.float32(0.01)
    )
    disparity = g.add("Add", hint, np.float32(SHIFT_PX))
    column = g.add(
        "Sub", np.arange(WIDTH, dtype=np.float32).reshape(1, 1, 1, -1), g.add("Round", disparity)
    )
    column = g.add("Clip", column, np.float32(0), np.float32(WIDTH - 1))
    place = g.add("Add", column, np.arange(HEIGHT, dtype=np.float32).reshape(1, 1, -1, 1) * WIDTH)
    index = g.add("Reshape", g.add("Cast", place, to=TensorProto.INT64), np.array([-1]))
    cost = g.add("Abs", g.add("Sub", g.add("Gather", rows, index, axis=0), rows))
    cost = g.add(
        "Reshape", g.add("ReduceSum", cost, np.array([1])), np.array([1, 1, HEIGHT, WIDTH])
    )
    beside = g.add("Slice", cost, np.array([0]), np.array([WIDTH - 1]), np.array([3]))
    beside = g.add("Pad", beside, np.array([0, 0, 0, 1, 0, 0, 0, 0]), mode="edge")
    best = g.add("Min", cost, beside)
    merged = g.add("Concat", features, best, g.add("Div", disparity, np.float32(32)), axis=1)
    mixed = g.add("Relu", g.add("Conv", merged, weight(4, 6, 3, 3, seed=4), **pad))
    logits = g.add("Conv", mixed, weight(4, 4, 1, 1, seed=5) * 60)
    logits = g.add("Clip", logits, np.float32(-LARGEST_LOGIT), np.float32(LARGEST_LOGIT))
    weights = g.add("Exp", logits)
    share = g.add("Div", weights, g.add("ReduceSum", weights, np.array([1])))
    out = g.add("DepthToSpace", g.add("Add", share, disparity), blocksize=2, mode="CRD")
    sigma = g.add("Conv", mixed, weight(1, 4, 1, 1, seed=6))
    return g.model([1, 3, HEIGHT, WIDTH], [out, sigma])


IMAGE = np.random.default_rng(9).random((1, 3, HEIGHT, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def halved():
    return to_fp16(coarse_to_fine())


@pytest.fixture(scope="module")
def true_answers(halved):
    """What the graph in halves is, by ONNX's own definition of its operators."""
    return ReferenceEvaluator(halved).run(None, {"image": IMAGE})


def types_of(model):
    """The element type of every tensor."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    known = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    values = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    return known | {value.name: value.type.tensor_type.elem_type for value in values}


def test_no_half_is_an_index_an_exponent_or_a_disparity(halved):
    onnx.checker.check_model(halved, full_check=True)
    types = types_of(halved)
    takes_half = {
        n.op_type
        for n in halved.graph.node
        for name in n.input
        if types.get(name) == TensorProto.FLOAT16
    }
    gives_half = {
        n.op_type
        for n in halved.graph.node
        for name in n.output
        if types[name] == TensorProto.FLOAT16
    }
    assert "Conv" in takes_half and "Relu" in takes_half and "Concat" in takes_half
    delicate = {"Gather", "Round", "Exp", "Div", "ReduceSum", "Abs", "Min", "Clip", "DepthToSpace"}
    assert not delicate & (takes_half | gives_half)
    whole = [
        n
        for n in halved.graph.node
        if n.op_type == "Cast" and n.attribute[0].i == TensorProto.INT64
    ]
    assert whole and all(types[n.input[0]] == TensorProto.FLOAT for n in whole)


def test_every_convolution_is_halved_and_no_tensor_is_cast_there_and_back(halved):
    types = types_of(halved)
    convolutions = [node for node in halved.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 6
    assert all(
        types[name] == TensorProto.FLOAT16
        for node in convolutions
        for name in (*node.input, *node.output)
    )
    casts = {node.input[0]: node.output[0] for node in halved.graph.node if node.op_type == "Cast"}
    assert not set(casts) & set(casts.values())
    # Features to the matching, hint, logits and sigma from the islands; image, best and disparity
    # into them.
    assert (
        len([name for name in casts if types[name] != types[casts[name]]]) == 4 + 3 + 1
    )  # and the index


def test_in_true_half_precision_it_stays_near_float(halved, true_answers):
    """Logits reach 30, where a half moves in steps of 2^-6: 1.6 % of a weight, 4e-3 of a share, and
    as much again for each of the layers before."""
    names = [value.name for value in halved.graph.output]
    session = ort.InferenceSession(
        coarse_to_fine().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for answer, wanted in zip(true_answers, session.run(names, {"image": IMAGE})):
        assert np.isfinite(answer).all()
        np.testing.assert_allclose(answer, wanted, atol=2e-2)


def test_the_emulated_graph_is_the_true_one(halved, true_answers):
    """Sums within a node may be in another order: one unit in the last place of a half, behind
    six layers.
    """
    names = [value.name for value in halved.graph.output]
    got = EmulatedGraph(halved, names).run({"image": IMAGE})
    for name, answer in zip(names, true_answers):
        np.testing.assert_allclose(got[name], answer, atol=1e-2)
        assert np.abs(got[name] - answer).mean() < 1e-3


def test_a_graph_that_is_halved_throughout_is_seen(halved):
    """What a blind conversion does: indices beyond 65504, exponentials beyond it, and the
    emulation says so.
    """
    folded = fold(coarse_to_fine())
    flow = Flow(folded.graph)
    everything = {
        i for i, n in enumerate(folded.graph.node) if flow.data(n) and n.op_type != "Cast"
    }
    blind = halve(folded, everything)
    names = [value.name for value in blind.graph.output]
    with pytest.raises(EngineError, match="indices element out of data bounds"):
        EmulatedGraph(blind, names).run({"image": IMAGE})


def test_scales_of_a_resize_and_sums_with_floats_stay_float():
    g = Graph()
    small = g.add("Conv", "image", weight(8, 3, 1, 1))
    large = g.add("Resize", small, "", np.array([1, 1, 2, 2], np.float32), mode="nearest")
    raw = g.add("Resize", "image", "", np.array([1, 1, 2, 2], np.float32), mode="nearest")
    loose = g.add("Add", raw, np.float32(1))
    out = g.add("Conv", g.add("Concat", large, loose, axis=1), weight(1, 11, 1, 1, seed=2))
    folded = fold(g.model([1, 3, 8, 12], [out]))
    flow = Flow(folded.graph)
    halved = [folded.graph.node[i].op_type for i in sorted(find_islands(flow))]
    assert sorted(halved) == [
        "Concat",
        "Conv",
        "Conv",
        "Resize",
    ]  # not the Add, nor the Resize of the image before it
    types = types_of(to_fp16(folded))
    assert TensorProto.FLOAT in [
        types[n.input[2]] for n in to_fp16(folded).graph.node if n.op_type == "Resize"
    ]
