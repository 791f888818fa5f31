from dataclasses import replace
from types import SimpleNamespace

import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.options import EngineOptions
from depth_ros.engine.spec import ModelSpec
from depth_ros.estimator import factory
from depth_ros.estimator.factory import EstimatorOptions
from depth_ros.nodes.factory import (
    close_engines,
    estimator_options,
    make_egomotion,
    make_estimator,
    notes,
    set_engine_logger,
)
from depth_ros.nodes.parameters import Parameters

SIZE = {"height": 0, "width": 0}
MONO = ModelSpec("m", "mono", ("image",), ("depth",), **SIZE, scale_source="procedural metric")
RELATIVE = ModelSpec("r", "mono", ("image",), ("depth",), **SIZE, scale_source="none")
POSE = {
    "inputs": ("first", "second"),
    "outputs": ("pose",),
    **SIZE,
    "pose_direction": "first_T_second",
}


@pytest.fixture
def install(monkeypatch):
    """A factory: engines of these specs, by path or task, instead of files."""

    def make(**specs):
        engines = {
            key: SimpleNamespace(spec=spec, name="fake", warmup=lambda: None)
            for key, spec in specs.items()
        }

        def load(model, backend="auto", max_disparity_px=128, task="stereo", say=None):
            return engines[str(model) if model else task]

        monkeypatch.setattr(factory, "load_engine", load)
        monkeypatch.setattr(
            factory, "default_model", lambda task: task if task in engines else None
        )

    return make


def pose(scale_source="procedural metric"):
    return ModelSpec("p", "pose", **POSE, scale_source=scale_source)


def test_the_parameters_become_options_of_the_same_names():
    parameters = Parameters(
        mode="mono",
        model="m.onnx",
        backend="onnxruntime",
        max_disparity_px=96,
        pose_model="p.onnx",
        scale_source="odometry",
        camera_height_m=1.25,
        odometry_topic="wheels",
        precision="fp32",
        providers="cuda",
        wait_for_engine=True,
    )
    engine = EngineOptions("onnxruntime", "fp32", providers="cuda", waits=True)
    assert estimator_options(parameters) == EstimatorOptions(
        "mono", "m.onnx", engine, 96, "p.onnx", "odometry", 1.25, has_odometry=True
    )


def test_a_relative_scale_is_noted(install):
    install(mono=MONO, relative=RELATIVE)
    assert notes(make_estimator(Parameters(mode="mono"))) == ()
    (note,) = notes(make_estimator(Parameters(mode="mono", model="relative")))
    assert "inv_depth/image_rect is relative" in note


def test_which_ego_motion(install):
    install(mono=MONO, relative=RELATIVE, pose=pose(), loose=pose("none"))
    mono = Parameters(mode="mono")
    assert make_egomotion(mono, make_estimator(mono)).method == "hybrid"
    off = Parameters(mode="mono", egomotion_method="off")
    assert make_egomotion(off, make_estimator(off)) is None
    with pytest.raises(
        EngineError, match="publish_tf: expected an egomotion_method that gives a pose, got off"
    ):
        make_egomotion(replace(off, publish_tf=True), make_estimator(off))
    relative = Parameters(mode="mono", model="relative")
    assert make_egomotion(relative, make_estimator(relative)).method == "hybrid", (
        "turns are known without metres"
    )
    loose = Parameters(
        mode="mono", model="relative", pose_model="loose", egomotion_method="network"
    )
    assert make_egomotion(loose, make_estimator(loose)) is None, (
        "steps of a network that are not metres"
    )
    alone = Parameters(mode="mono", pose_model="none")
    assert make_egomotion(alone, make_estimator(alone)).method == "hybrid"


def test_the_network_alone_needs_a_pose_model(install):
    stereo = ModelSpec("s", "stereo", ("left", "right"), ("disparity",), **SIZE)
    install(mono=MONO, stereo=stereo)
    for mode in ("mono", "stereo"):
        parameters = Parameters(mode=mode, egomotion_method="network")
        with pytest.raises(
            EngineError, match="egomotion_method network: expected mode mono with a pose model"
        ):
            make_egomotion(parameters, make_estimator(parameters))


def test_engines_that_change_say_so_where_the_node_speaks():
    said = []
    changing, plain = SimpleNamespace(say=None), SimpleNamespace()
    set_engine_logger(SimpleNamespace(engines=(plain, changing)), said.append)
    changing.say("tensorrt answers from now on")
    assert said == ["tensorrt answers from now on"] and not hasattr(plain, "say")
    set_engine_logger(SimpleNamespace(engines=(changing,)), print)
    assert changing.say is print


def test_a_gpu_is_given_back_by_every_engine_that_holds_one():
    closed = []
    depth, pose_engine = (
        SimpleNamespace(close=lambda name=name: closed.append(name)) for name in ("depth", "pose")
    )
    close_engines(SimpleNamespace(engines=(depth, pose_engine)))
    close_engines(SimpleNamespace(engines=(SimpleNamespace(),)))
    assert closed == ["depth", "pose"]
