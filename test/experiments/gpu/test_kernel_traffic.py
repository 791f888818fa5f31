"""Bytes of kernels, counted from what a builder says of them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "experiments" / "gpu"))

from kernel_traffic import Traffic, count_traffic, described_kernels  # noqa: E402


def tensor(name, dimensions, kind):
    layout = "Strides: [60,20,5,1], StrideOrder: [3,2,1,0]"
    return (
        f"{{ Name: {name}, Dimensions: [{dimensions}], {layout}, Datatype: {kind}, Format: (x) }}"
    )


def kernel(inputs, constants, outputs, kind="kgen"):
    ends = "TacticName: t_0x1, StreamId: 0, Metadata: [ONNX Layer: Conv.9]"
    return (
        f"Name: k_myl0_2, LayerType: {kind}, Inputs: [ {', '.join(inputs)}], "
        f"Constants: [ {', '.join(constants)}], Outputs: [ {', '.join(outputs)}], {ends}"
    )


def test_each_tensor_is_counted_once_a_kernel():
    image = tensor("image", "1,3,4,5", "Float")  # 240 bytes
    weight = tensor("w", "8,3,3,3", "Half")  # 432 bytes
    features = tensor("f/half.1", "1,8,2,5", "Half")  # 160 bytes
    rounded = tensor("f/int8", "1,8,2,5", "Int8")  # 80 bytes
    lines = [
        "parsing took 3 ms",
        kernel([image, image], [weight], [features]),
        kernel([features], [], [rounded, tensor("scale", "", "Float")]),
        kernel([], [], [], "signal"),
    ]
    assert count_traffic(lines) == Traffic(240 + 160 + 160 + 80 + 4, 432, 2)


def test_what_it_cannot_read_it_does_not_count_as_nothing():
    with pytest.raises(ValueError, match="expected kernels in the builder's messages, got none"):
        count_traffic(["another version words it otherwise"])
    with pytest.raises(ValueError, match="expected a type out of .*, got Int4"):
        count_traffic([kernel([tensor("x", "1,8", "Int4")], [], [])])


def test_a_compiled_sum_moves_its_inputs_and_its_output():
    """y = left + right of (1, 1, 16, 24) float32: three tensors of 1536 bytes, in one kernel."""
    trt = pytest.importorskip("tensorrt_rtx", reason="no package tensorrt_rtx")
    helper = pytest.importorskip("onnx.helper", reason="no package onnx")
    ends = [helper.make_tensor_value_info(name, 1, [1, 1, 16, 24]) for name in ("a", "b", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", ends[:2], ends[2:])
    opset = helper.make_opsetid("", 13)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    lines = described_kernels(trt, model.SerializeToString(), "8.6")
    assert count_traffic(lines) == Traffic(3 * 16 * 24 * 4, 0, 1)
