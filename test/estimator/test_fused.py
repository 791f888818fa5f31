"""The whole step beside the estimator: the same answers, on the way that a GPU takes, with fakes
of the GPU.
"""

import dataclasses
import types

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.load import default_model
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.parity import check_parity
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.fused_graph import step_shapes
from depth_ros.engine.tensorrt.tensors import Tensors
from depth_ros.estimator.fused import PlainStep, StepEstimator, rendered, step_inputs, step_of
from depth_ros.estimator.mono import MonoEstimator
from depth_ros.estimator.preprocess import tensor_size
from depth_ros.estimator.stereo import StereoEstimator

SIZE = (90, 150)  # neither side fits the network


def load(task):
    path = default_model(task)
    if path is None:
        pytest.skip(f"no {task} model is shipped")
    engine = OnnxEngine(path, 1)
    return engine, rendered(engine.spec, SIZE)[0]


@pytest.mark.parametrize("task", ["stereo", "mono"])
def test_the_plain_step_is_the_estimator(task):
    engine, frame = load(task)
    frame = dataclasses.replace(frame, max_disparity_px=48) if task == "stereo" else frame
    wanted = (StereoEstimator if task == "stereo" else MonoEstimator)(engine).estimate(frame)
    inputs = step_inputs(frame, engine.spec, 128)
    got = PlainStep(engine).run(inputs)
    np.testing.assert_allclose(got["metres"], wanted.depth, rtol=1e-5)
    np.testing.assert_allclose(got["sigma_m"], wanted.sigma_m, rtol=1e-5)
    np.testing.assert_array_equal(got["points"][..., 2], got["metres"])
    shapes = step_shapes(engine.spec, tensor_size(*SIZE, engine.spec), step_of(engine.spec, SIZE))
    Tensors.of(engine.spec, shapes).check(inputs)  # what the graph takes is what the step is given


class OneReplay:
    """A GPU's engine of the whole step: answers 3 m everywhere, into the same buffers each time."""

    name = "tensorrt"

    def __init__(self):
        self.inputs, self.fails = None, False
        self.buffers = {"metres": np.zeros(SIZE, np.float32), "sigma_m": np.ones(SIZE, np.float32)}

    def run(self, inputs):
        if self.fails:
            raise EngineError("the GPU failed: 719")
        self.inputs = inputs
        self.buffers["metres"] += 3
        return self.buffers

    def close(self):
        pass


def test_one_replay_is_one_frame():
    engine, frame = load("stereo")
    fast, said = OneReplay(), []
    plain = PlainStep(engine, with_points=False)
    estimator = StepEstimator(plain, lambda inputs, cancelled: fast, 64, said.append)
    first = estimator.estimate(frame)
    np.testing.assert_allclose(
        first.depth, StereoEstimator(engine, 64).estimate(frame).depth, rtol=1e-5
    )
    assert estimator.engine.name == "onnxruntime" and "150x90 in the background" in said[0]
    estimator.engine.wait(10)
    second, third = estimator.estimate(frame), estimator.estimate(frame)
    assert estimator.engine.name == "tensorrt" and fast.inputs["left"].dtype == np.uint8
    assert np.all(second.depth == 3) and np.all(third.depth == 6), (
        "an answer must not change under who reads it"
    )
    rig = frame.rig
    np.testing.assert_allclose(second.disparity, rig.left.fx * rig.baseline_m / 3, rtol=1e-5)
    fast.fails = True
    np.testing.assert_allclose(estimator.estimate(frame).depth, first.depth, rtol=1e-6)
    assert "the GPU failed: 719" in estimator.engine.note and estimator.engine.name == "onnxruntime"


class Changed:
    outputs = ("metres",)

    def __init__(self, plain, change):
        self.plain, self.change, self.spec = plain, change, plain.spec

    def run(self, inputs):
        found = {name: value.copy() for name, value in self.plain.run(inputs).items()}
        self.change(found)
        return found


def nearer(found):
    found["metres"] *= np.float32(1.03)
    found["points"][..., :3] *= np.float32(1.03)


def green(found):
    found["points"].view(np.uint32)[..., 3] ^= 0x1000


def aside(found):
    found["points"][..., 0] += np.float32(0.1)


@pytest.mark.parametrize(
    "change, words",
    [(nearer, "disparity within 0.02 px"), (green, "colours"), (aside, "rays"), (None, "")],
)
def test_the_gate_sees_metres_rays_and_colours(change, words):
    engine, frame = load("stereo")
    plain, frames = PlainStep(engine), [step_inputs(frame, engine.spec, 64)]
    if change is None:
        assert check_parity(plain, plain, "fp16", frames)["mean"] == 0
        return
    with pytest.raises(EngineError, match=words):
        check_parity(Changed(plain, change), plain, "fp16", frames)


def blind(found):
    found["sigma_m"][:] = np.nan


def unsure(found):
    found["sigma_m"] *= np.float32(1.1)


@pytest.mark.parametrize("task, name", [("stereo", "log_sigma"), ("mono", "sigma_m")])
@pytest.mark.parametrize("change", [blind, unsure])
def test_the_gate_sees_sigma(task, name, change):
    engine, frame = load(task)
    plain, frames = PlainStep(engine, with_points=False), [step_inputs(frame, engine.spec, 64)]
    with pytest.raises(EngineError, match=f"expected {name} "):
        check_parity(Changed(plain, change), plain, "fp16", frames)


def test_sky_is_not_an_error():
    """Far away a hundredth of a pixel decides whether there is a depth at all."""
    engine, frame = load("stereo")
    frames = [step_inputs(frame, engine.spec, 64)]

    plain = PlainStep(engine, with_points=False)
    assert check_parity(
        Changed(plain, lambda found: found["metres"].__setitem__(0, np.nan)),
        Changed(plain, lambda found: found["metres"].__setitem__(0, 1e6)),
        "fp32",
        frames,
    )


def test_the_node_takes_it_where_a_gpu_is(monkeypatch):
    """Nothing is built here: the first frame's build fails with what this machine lacks, and the
    estimator goes on.
    """
    from depth_ros.nodes.factory import make_estimator
    from depth_ros.nodes.parameters import Parameters

    _, frame = load("stereo")
    assert type(make_estimator(Parameters())) is StereoEstimator
    monkeypatch.setattr("depth_ros.engine.load.tensorrt_lacks", lambda options: "")
    library = types.SimpleNamespace(__name__="tensorrt")
    monkeypatch.setattr("depth_ros.engine.tensorrt.build.import_library", lambda name: library)
    estimator = make_estimator(Parameters())
    assert isinstance(estimator, StepEstimator)
    first = estimator.estimate(frame)
    estimator.engine.wait(60)
    np.testing.assert_array_equal(estimator.estimate(frame).depth, first.depth)
    assert "onnxruntime goes on" in estimator.engine.note and "NVIDIA" in estimator.engine.note


def test_wrong_inputs_and_models_are_refused():
    engine, frame = load("stereo")
    inputs = step_inputs(frame, engine.spec, 64)
    with pytest.raises(EngineError, match="input left: expected .* uint8, got .* float32"):
        PlainStep(engine).run({**inputs, "left": inputs["left"].astype(np.float32)})
    pose = ModelSpec(
        "p", "pose", ("first", "second"), ("pose",), 0, 0, pose_direction="first_T_second"
    )
    with pytest.raises(EngineError, match="with-io: expected a stereo or mono model"):
        step_of(pose, SIZE)
