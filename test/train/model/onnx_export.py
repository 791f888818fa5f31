"""A network through ONNX and ONNX Runtime, for the tests."""

import numpy as np
import onnx
import onnxruntime
import torch

OPSET = 16


def export(net, path, inputs, outputs, size=(64, 96)):
    """Write `net` of `inputs` pictures with free height and width."""
    example = tuple(torch.rand(1, 3, *size) for _ in inputs)
    axes = {name: {2: "height", 3: "width"} for name in inputs}
    torch.onnx.export(
        net,
        example,
        str(path),
        opset_version=OPSET,
        dynamo=False,
        input_names=inputs,
        output_names=outputs,
        dynamic_axes=axes,
    )
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return path


def largest_relative_difference(net, path, sizes, count=1):
    """Of all outputs, PyTorch against ONNX Runtime, on random pictures of these sizes."""
    session, worst = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]), 0.0
    for size in sizes:
        pictures = [torch.rand(1, 3, *size) for _ in range(count)]
        with torch.no_grad():
            answer = net(*pictures)
            wanted = [x.numpy() for x in (answer if isinstance(answer, tuple) else [answer])]
        got = session.run(None, {i.name: x.numpy() for i, x in zip(session.get_inputs(), pictures)})
        for a, b in zip(wanted, got):
            assert a.shape == b.shape
            worst = max(worst, float(np.abs(a - b).max() / np.abs(a).max()))
    return worst


def resizes(path):
    """(mode, coordinate transformation) of every Resize in the graph."""
    nodes = [n for n in onnx.load(path).graph.node if n.op_type == "Resize"]
    values = [{a.name: onnx.helper.get_attribute_value(a) for a in n.attribute} for n in nodes]
    return [(v["mode"].decode(), v["coordinate_transformation_mode"].decode()) for v in values]
