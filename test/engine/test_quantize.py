"""int8: which parts are rounded, and what that costs, on rendered frames that were not
calibrated on.
"""

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.load import default_model
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.parity import arrays_of
from depth_ros.engine.quantize import to_int8
from depth_ros.engine.tensorrt.emulated import EmulatedGraph
from depth_ros.synthetic.renderer import render
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene

onnx = pytest.importorskip("onnx", reason="no package onnx: models cannot be converted")
ort = pytest.importorskip("onnxruntime")


def frames(spec, numbers, size=(96, 128)):
    rig = clip_rig(*size)
    step = np.eye(4)
    step[0, 3] = rig.baseline_m
    found = []
    for number in numbers:
        poses = [clip_pose(number) @ side for side in (np.eye(4), step)]
        pair = [
            np.rint(255 * render(clip_scene(), rig.left, pose)["rgb"]).astype(np.uint8)
            for pose in poses
        ]
        found.append(arrays_of(spec, *pair))
    return found


@pytest.mark.parametrize("form", ["tensorrt", "cpu"])
@pytest.mark.parametrize("task, most", [("stereo", 0.1), ("mono", 0.12), ("pose", 0.01)])
def test_it_stays_near_float(tmp_path, task, most, form):
    """Judged by what the integers are, and on a CPU also by what ONNX Runtime makes of them,
    which must be the same.
    """
    path = default_model(task)
    if path is None:
        pytest.skip(f"no {task} model is shipped")
    whole = OnnxEngine(path, 1)
    made = to_int8(onnx.load(str(path)), frames(whole.spec, range(0, 12, 2)), form)
    onnx.save(made, str(tmp_path / "int8.onnx"))
    kernels = OnnxEngine(tmp_path / "int8.onnx", 1)  # the spec is still in it
    assert kernels.spec == whole.spec
    exact = EmulatedGraph(made, whole.spec.outputs)
    name = whole.spec.outputs[0]
    for inputs in frames(whole.spec, (3, 7)):
        wanted, got = whole.run(inputs)[name], exact.run(inputs)[name]
        size = wanted if task == "mono" else 1
        assert 0 < (np.abs(got - wanted) / size).mean() < most
        if form == "cpu":
            # A sum that lies between two steps may be rounded to either: of some pixels, by their
            # own last step
            assert (np.abs(kernels.run(inputs)[name] - got) / size).mean() < most / 10


def wide_sums():
    """Images of 255 under weights of one sign: the largest sums that 8 bits can make."""
    pad = {"pads": [1, 1, 1, 1]}
    made = graph(
        ("Conv", ["image", "first"], "a", pad),
        ("Relu", ["a"], "b", {}),
        ("Conv", ["b", "wide"], "c", pad),
        ("Relu", ["c"], "d", {}),
        ("Conv", ["d", "last"], "depth", pad),
        weights={"first": (16, 3, 3, 3), "wide": (16, 16, 3, 3), "last": (1, 16, 3, 3)},
    )
    for tensor in made.graph.initializer:
        shape = onnx.numpy_helper.to_array(tensor).shape
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(shape, 0.05, np.float32), tensor.name))
    return made


def test_the_largest_sums_do_not_saturate_on_any_cpu(tmp_path):
    """Without VNNI ONNX Runtime adds two products of bytes into 16 bits: 2 * 255 * 64 = 32640
    fits, and is right.
    """
    model, inputs = wide_sums(), {"image": np.ones((1, 3, 16, 16), np.float32)}
    made = to_int8(model, [inputs], "cpu")
    weights = [
        onnx.numpy_helper.to_array(w).astype(int)
        for w in made.graph.initializer
        if len(w.dims) == 4
    ]
    bytes_ = [w for w in weights if np.abs(w).max() > 1]
    assert bytes_ and all(2 * 255 * np.abs(w).max() <= np.iinfo(np.int16).max for w in bytes_)
    options = ort.SessionOptions()
    session = ort.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    wanted = EmulatedGraph(model, ["depth"]).run(inputs)["depth"]
    np.testing.assert_allclose(
        session.run(None, inputs)[0], wanted, rtol=0.02
    )  # 8 bits, three times


def test_the_shipped_int8_model_is_what_its_integers_are():
    """On every CPU, also on one without VNNI, whatever the kernels do."""
    path = default_model("stereo")
    twin = path and path.with_name("stereo_int8.onnx")
    if twin is None or not twin.is_file():
        pytest.skip("no int8 form of the stereo model is shipped")
    kernels, model = OnnxEngine(twin, 1), onnx.load(str(twin))
    exact = EmulatedGraph(model, kernels.spec.outputs)
    whole = OnnxEngine(path, 1)
    for inputs in frames(whole.spec, (3,), (192, 256)):
        wanted, got = exact.run(inputs), kernels.run(inputs)
        for name in wanted:
            assert np.abs(got[name] - wanted[name]).mean() < 0.01
        assert np.abs(got["disparity"] - whole.run(inputs)["disparity"]).mean() < 0.1


def graph(*nodes, weights):
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(1)
    kept = [
        numpy_helper.from_array(rng.normal(size=w).astype(np.float32) / 9, n)
        for n, w in weights.items()
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])
    depth = helper.make_tensor_value_info("depth", TensorProto.FLOAT, None)
    made = [helper.make_node(op, inputs, [out], **extra) for op, inputs, out, extra in nodes]
    model = helper.make_model(
        helper.make_graph(made, "g", [image], [depth], kept),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    return onnx.shape_inference.infer_shapes(model)


def layers():
    pad = {"pads": [1, 1, 1, 1]}
    return graph(
        ("Conv", ["image", "first"], "a", pad),
        ("LeakyRelu", ["a"], "b", {"alpha": 0.1}),
        ("Conv", ["b", "wide"], "c", pad),
        ("LeakyRelu", ["c"], "d", {"alpha": 0.1}),
        ("Mul", ["d", "d"], "mixed", {}),
        ("Conv", ["mixed", "last"], "depth", pad),
        weights={"first": (16, 3, 3, 3), "wide": (16, 16, 3, 3), "last": (1, 16, 3, 3)},
    )


def two_ways():
    """A skip around a wide layer, joined with it and with the image, and what a wide layer
    answers itself.
    """
    pad = {"pads": [1, 1, 1, 1]}
    return graph(
        ("Conv", ["image", "first"], "a", pad),
        ("Relu", ["a"], "b", {}),
        ("Conv", ["b", "wide"], "c", pad),
        ("Relu", ["c"], "d", {}),
        ("Concat", ["b", "d"], "joined", {"axis": 1}),
        ("Conv", ["joined", "double"], "e", pad),
        ("Relu", ["e"], "f", {}),
        ("Concat", ["f", "image"], "mixed", {"axis": 1}),
        ("Conv", ["mixed", "entry"], "g", pad),
        ("Conv", ["g", "border"], "h", pad),
        ("Exp", ["h"], "depth", {}),
        weights={
            "first": (16, 3, 3, 3),
            "wide": (16, 16, 3, 3),
            "double": (16, 32, 3, 3),
            "entry": (16, 19, 3, 3),
            "border": (16, 16, 3, 3),
        },
    )


def rounded_inputs(model):
    """The kinds of node that take what a DequantizeLinear of an activation gives."""
    constants = {w.name for w in model.graph.initializer}
    made = {n.output[0]: n for n in model.graph.node}
    active = {
        n.output[0]
        for n in model.graph.node
        if n.op_type == "DequantizeLinear" and n.input[0] not in constants
    }
    return sorted(made[n.output[0]].op_type for n in model.graph.node if active & set(n.input))


def test_first_and_last_layers_and_products_stay_float():
    data = [{"image": np.random.default_rng(2).random((1, 3, 16, 16), np.float32)}]
    assert rounded_inputs(to_int8(layers(), data)) == [
        "Conv"
    ]  # also the product between two layers is one of floats
    assert rounded_inputs(to_int8(layers(), data, "cpu")) == ["Conv", "LeakyRelu", "Mul"]


IMAGE = np.random.default_rng(2).random((1, 3, 16, 16), np.float32)


def makers_and_types(model):
    """The node that makes a tensor, and the type of each tensor."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    types = {t.name: t.data_type for t in model.graph.initializer}
    for value in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output):
        types[value.name] = value.type.tensor_type.elem_type
    return {name: node for node in model.graph.node for name in node.output}, types


def test_tensorrt_moves_bytes_between_layers_and_halves_at_the_borders():
    model = to_int8(two_ways(), [{"image": IMAGE}])
    makers, types = makers_and_types(model)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    eights = [types[n.input[0]] == onnx.TensorProto.FLOAT for n in convolutions]
    # The first, the one that takes the image in, and the one whose answer is an exponent are
    # halves.
    assert eights == [False, True, True, False, False]
    joined = next(node for node in model.graph.node if node.op_type == "Concat")
    assert [makers[name].op_type for name in joined.input] == ["DequantizeLinear"] * 2
    after = next(
        node
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] in joined.output
    )
    before = [makers[name] for name in joined.input]
    values = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    assert len({float(values[node.input[1]]) for node in (*before, after)}) == 1, (
        "one scale: bytes are moved as they are"
    )
    assert (
        next(types[n.input[0]] for n in model.graph.node if n.op_type == "Exp")
        == onnx.TensorProto.FLOAT
    )


def test_ranges_keep_all_but_a_ten_thousandth():
    """The largest of 10 000 numbers, and of as many in another frame, saturate; the next ones do
    not.
    """
    from depth_ros.engine.tensorrt.qdq import measure_ranges

    one = (
        np.random.default_rng(5)
        .permutation(np.arange(1, 10001, dtype=np.float32))
        .reshape(1, 1, 100, 100)
    )
    nodes = [onnx.helper.make_node("Neg", ["image"], ["negative"])]
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 1, 100, 100])
    out = onnx.helper.make_tensor_value_info("negative", onnx.TensorProto.FLOAT, None)
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "g", [image], [out]),
        opset_imports=[onnx.helper.make_opsetid("", 13)],
        ir_version=8,
    )
    frames_ = [{"image": one}, {"image": one + np.float32(100)}]
    assert measure_ranges(model, ["image"], frames_) == {"image": 10098.0}
    inner = onnx.helper.make_node("Abs", ["negative"], ["last"])
    model.graph.node.append(inner)
    model.graph.output[0].name = "last"
    assert measure_ranges(model, ["negative"], frames_[:1]) == {"negative": 9999.0}


def test_tensorrt_gets_symmetric_pairs_and_a_float_bias():
    data = [{"image": np.random.default_rng(2).random((1, 3, 16, 16), np.float32)}]
    model = to_int8(layers(), data)
    values = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    zeros = [
        values[n.input[2]]
        for n in model.graph.node
        if n.op_type in ("QuantizeLinear", "DequantizeLinear")
    ]
    assert zeros and all(not zero.any() and zero.dtype == np.int8 for zero in zeros)


def test_what_cannot_be_rounded_is_refused():
    with pytest.raises(EngineError, match="expected frames for calibration, got none"):
        to_int8(layers(), [])
    with pytest.raises(EngineError, match="form"):
        to_int8(layers(), [{}], "gpu")
    plain = graph(("LeakyRelu", ["image"], "depth", {"alpha": 0.1}), weights={})
    with pytest.raises(EngineError, match="expected convolutions"):
        to_int8(plain, [{"image": np.zeros((1, 3, 16, 16), np.float32)}])
