"""The shipped networks in the precision that a GPU gets them in, judged in true half precision."""

import warnings

import pytest

from depth_ros.engine.load import default_model
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.parity import check_parity, rendered_frames
from depth_ros.engine.tensorrt.convert import convert
from depth_ros.engine.tensorrt.emulated import EmulatedGraph
from depth_ros.engine.tolerances import QUANTITIES

onnx = pytest.importorskip("onnx", reason="no package onnx: models cannot be converted")
from onnx.reference import ReferenceEvaluator  # noqa: E402

SMALL, LARGE = (
    (96, 128),
    (480, 640),
)  # of the larger one 15 % of the indices lie beyond the largest half


def load(task):
    path = default_model(task)
    if path is None:
        pytest.skip(f"no {task} model is shipped")
    return path, OnnxEngine(path, 1)


class True16:
    """A graph as ONNX defines its operators, in NumPy."""

    def __init__(self, model, spec):
        self._names, self._evaluator = list(spec.outputs), ReferenceEvaluator(model)

    def run(self, inputs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of branches that are computed and not taken
            return dict(zip(self._names, self._evaluator.run(self._names, inputs)))


@pytest.mark.parametrize("task", ["stereo", "pose"])
def test_halves_by_the_definition_of_onnx(task):
    path, network = load(task)
    frames = rendered_frames(network.spec, SMALL)[:1]
    model = convert(path, network.spec, SMALL, "fp16")
    outcome = check_parity(True16(model, network.spec), network, "fp16", frames)
    emulated = check_parity(EmulatedGraph(model, network.spec.outputs), network, "fp16", frames)
    assert set(outcome["outputs"]) == set(network.spec.outputs)
    # Both differ from float32 by as much, since both round, and only sum in another order
    for found in (outcome, emulated):
        assert 0 < found["mean"] < QUANTITIES[network.spec.outputs[0]].by_precision["fp16"].mean


def test_indices_of_a_camera_image_fit():
    path, network = load("stereo")
    model = convert(path, network.spec, LARGE, "fp16")
    frames = rendered_frames(network.spec, LARGE)[:1]
    outcome = check_parity(EmulatedGraph(model, network.spec.outputs), network, "fp16", frames)
    assert 0 < outcome["mean"] < 0.005 and outcome["outputs"]["log_sigma"]["max"] < 0.05


@pytest.mark.parametrize("task", ["stereo", "mono", "pose"])
def test_most_of_the_arithmetic_is_halved(task):
    """Every convolution, and no cast to half whose answer is cast back."""
    path, network = load(task)
    model = convert(path, network.spec, SMALL, "fp16")
    halves = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions and all(node.input[1] in halves for node in convolutions)
    casts = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Cast"}
    assert not set(casts) & set(casts.values())
    assert all(
        v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        for v in (*model.graph.input, *model.graph.output)
    )
