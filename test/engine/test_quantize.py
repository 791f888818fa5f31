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
from depth_ros.synthetic.renderer import render
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene

onnx = pytest.importorskip("onnx", reason="no package onnx: models cannot be converted")


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
    path = default_model(task)
    if path is None:
        pytest.skip(f"no {task} model is shipped")
    whole = OnnxEngine(path, 1)
    made = to_int8(onnx.load(str(path)), frames(whole.spec, range(0, 12, 2)), form)
    onnx.save(made, str(tmp_path / "int8.onnx"))
    rounded = OnnxEngine(tmp_path / "int8.onnx", 1)  # the spec is still in it
    assert rounded.spec == whole.spec
    name = whole.spec.outputs[0]
    for inputs in frames(whole.spec, (3, 7)):
        wanted, got = whole.run(inputs)[name], rounded.run(inputs)[name]
        off = np.abs(got - wanted) / (wanted if task == "mono" else 1)
        assert 0 < off.mean() < most


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
    assert rounded_inputs(to_int8(layers(), data)) == ["Conv"]
    assert rounded_inputs(to_int8(layers(), data, "cpu")) == ["Conv", "LeakyRelu", "Mul"]


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
