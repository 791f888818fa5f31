from dataclasses import replace
from types import SimpleNamespace

import pytest

from depth_ros.core.errors import EngineError, SpecError
from depth_ros.engine.spec import ModelSpec
from depth_ros.estimator.scale import CameraHeightScale, OdometryScale
from depth_ros.nodes import factory
from depth_ros.nodes.factory import (
    close_engines,
    make_egomotion,
    make_estimator,
    notes,
    rest_unless_wanted,
    scale_name,
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

        def load(model, backend="auto", max_disparity_px=128, task="stereo"):
            return engines[str(model) if model else task]

        monkeypatch.setattr(factory, "load_engine", load)
        monkeypatch.setattr(
            factory, "default_model", lambda task: task if task in engines else None
        )

    return make


def pose(scale_source="procedural metric"):
    return ModelSpec("p", "pose", **POSE, scale_source=scale_source)


def test_the_shipped_pose_model_belongs_to_the_shipped_model(install):
    install(mono=MONO, pose=pose(), mine=RELATIVE)
    assert make_estimator(Parameters(mode="mono")).motion.engine.spec.name == "p"
    assert make_estimator(Parameters(mode="mono", pose_model="none")).motion.engine is None
    assert make_estimator(Parameters(mode="mono", model="mine")).motion.engine is None
    assert (
        make_estimator(Parameters(mode="mono", model="mono", pose_model="pose")).motion.engine
        is not None
    )
    with pytest.raises(SpecError, match="one scale"):
        make_estimator(Parameters(mode="mono", model="mine", pose_model="pose"))


def test_without_a_pose_model_there_is_depth(install):
    install(mono=MONO)
    estimator = make_estimator(Parameters(mode="mono"))
    assert estimator.motion.engine is None and estimator.scale is None
    assert (scale_name(estimator), notes(estimator)) == ("procedural metric", ())


@pytest.mark.parametrize(
    "model, parameters, kind, name",
    [
        ("mono", {}, None, "procedural metric"),
        ("mono", {"camera_height_m": 1.5}, None, "procedural metric"),
        (
            "mono",
            {"camera_height_m": 1.5, "scale_source": "camera_height"},
            CameraHeightScale,
            "camera height",
        ),
        ("relative", {}, None, "none"),
        ("relative", {"camera_height_m": 1.5}, CameraHeightScale, "camera height"),
        ("relative", {"odometry_topic": "wheels"}, OdometryScale, "odometry"),
        (
            "relative",
            {"odometry_topic": "wheels", "scale_source": "odometry", "camera_height_m": 1.5},
            OdometryScale,
            "odometry",
        ),
    ],
)
def test_where_metres_come_from(install, model, parameters, kind, name):
    install(mono=MONO, relative=RELATIVE, pose=pose(), loose=pose("none"))
    pose_model = "pose" if model == "mono" else "loose"
    estimator = make_estimator(
        Parameters(mode="mono", model=model, pose_model=pose_model, **parameters)
    )
    assert type(estimator.scale) is (kind or type(None))
    assert scale_name(estimator) == name
    assert bool(notes(estimator)) == (name == "none")


def test_refuses(install):
    install(relative=RELATIVE)
    with pytest.raises(EngineError, match="expected a pose model"):
        make_estimator(Parameters(mode="mono", model="relative", odometry_topic="wheels"))


def test_mono_needs_a_mono_model():
    with pytest.raises(
        EngineError, match="expected a network's for mono, got 'sgbm', which needs two"
    ):
        make_estimator(Parameters(mode="mono", backend="sgbm"))
    with pytest.raises(SpecError, match="expected a mono model, got one for 'stereo'"):
        make_estimator(Parameters(mode="mono", model=str(factory.default_model("stereo"))))


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


def test_the_pose_network_rests_unless_it_is_used(install):
    install(mono=MONO, pose=pose())
    estimator = make_estimator(Parameters(mode="mono"))
    for with_odom, method, works in (
        (False, "hybrid", False),
        (True, "hybrid", True),
        (True, "network", True),
        (True, "geometric", False),
    ):
        rest_unless_wanted(estimator, with_odom, method)
        assert estimator.with_motion == works


def test_engines_that_change_say_so_where_the_node_speaks():
    said = []
    changing, plain = SimpleNamespace(say=None), SimpleNamespace()
    set_engine_logger(
        SimpleNamespace(engine=plain, motion=SimpleNamespace(engine=changing)), said.append
    )
    changing.say("tensorrt answers from now on")
    assert said == ["tensorrt answers from now on"] and not hasattr(plain, "say")
    set_engine_logger(SimpleNamespace(engine=changing), print)
    assert changing.say is print


def test_a_gpu_is_given_back_by_every_engine_that_holds_one():
    closed = []
    depth, pose_engine = (
        SimpleNamespace(close=lambda name=name: closed.append(name)) for name in ("depth", "pose")
    )
    close_engines(SimpleNamespace(engine=depth, motion=SimpleNamespace(engine=pose_engine)))
    close_engines(SimpleNamespace(engine=SimpleNamespace()))
    assert closed == ["depth", "pose"]
