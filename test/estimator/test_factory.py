"""One factory: which engines, which pose network, and where metres come from."""

from types import SimpleNamespace

import pytest

from depth_ros.core.errors import EngineError, SpecError
from depth_ros.engine.load import default_model
from depth_ros.engine.options import EngineOptions
from depth_ros.engine.spec import ModelSpec
from depth_ros.estimator import factory
from depth_ros.estimator.factory import (
    EstimatorOptions,
    describe_model,
    make_estimator,
    rest_unless_wanted,
)
from depth_ros.estimator.mono import MonoEstimator
from depth_ros.estimator.scale import CameraHeightScale, OdometryScale
from depth_ros.estimator.stereo import StereoEstimator

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
            engine = engines[str(model) if model else task]
            engine.loaded_with = (backend, say)
            return engine

        monkeypatch.setattr(factory, "load_engine", load)
        monkeypatch.setattr(
            factory, "default_model", lambda task: task if task in engines else None
        )

    return make


def pose(scale_source="procedural metric"):
    return ModelSpec("p", "pose", **POSE, scale_source=scale_source)


def test_the_shipped_pose_model_belongs_to_the_shipped_model(install):
    install(mono=MONO, pose=pose(), mine=RELATIVE)
    assert make_estimator(EstimatorOptions(mode="mono")).motion.engine.spec.name == "p"
    assert make_estimator(EstimatorOptions(mode="mono", pose_model="none")).motion.engine is None
    assert make_estimator(EstimatorOptions(mode="mono", model="mine")).motion.engine is None
    assert (
        make_estimator(EstimatorOptions(mode="mono", model="mono", pose_model="pose")).motion.engine
        is not None
    )
    with pytest.raises(SpecError, match="one scale"):
        make_estimator(EstimatorOptions(mode="mono", model="mine", pose_model="pose"))


def test_engine_options_travel_and_a_named_engine_is_of_the_depth_model(install):
    install(mono=MONO, pose=pose())
    options = EngineOptions("tensorrt", "fp32", 512, "mono.engine", "", "pycuda", waits=True)
    said = []
    estimator = make_estimator(EstimatorOptions("mono", None, options), say=said.append)
    assert estimator.engine.loaded_with == (options, said.append)
    of_pose = EngineOptions("tensorrt", "fp32", 512, "", "", "pycuda", waits=True)
    assert estimator.motion.engine.loaded_with == (of_pose, said.append)
    named = make_estimator(EstimatorOptions("mono", backend="onnxruntime"))
    assert named.motion.engine.loaded_with[0] == EngineOptions("onnxruntime")


def test_without_a_pose_model_there_is_depth(install):
    install(mono=MONO)
    estimator = make_estimator(EstimatorOptions(mode="mono"))
    assert estimator.motion.engine is None and estimator.scale is None
    assert estimator.scale_name == "procedural metric"


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
        ("relative", {"has_odometry": True}, OdometryScale, "odometry"),
        (
            "relative",
            {"has_odometry": True, "scale_source": "odometry", "camera_height_m": 1.5},
            OdometryScale,
            "odometry",
        ),
    ],
)
def test_where_metres_come_from(install, model, parameters, kind, name):
    install(mono=MONO, relative=RELATIVE, pose=pose(), loose=pose("none"))
    pose_model = "pose" if model == "mono" else "loose"
    estimator = make_estimator(
        EstimatorOptions(mode="mono", model=model, pose_model=pose_model, **parameters)
    )
    assert type(estimator.scale) is (kind or type(None))
    assert estimator.scale_name == name


def test_refuses(install):
    install(relative=RELATIVE)
    with pytest.raises(EngineError, match="expected a pose model"):
        make_estimator(EstimatorOptions(mode="mono", model="relative", has_odometry=True))


def test_mono_needs_a_mono_model():
    with pytest.raises(
        EngineError, match="expected a network's for mono, got 'sgbm', which needs two"
    ):
        make_estimator(EstimatorOptions(mode="mono", backend="sgbm"))
    with pytest.raises(SpecError, match="expected a mono model, got one for 'stereo'"):
        make_estimator(EstimatorOptions(mode="mono", model=str(default_model("stereo"))))


def test_the_pose_network_rests_unless_it_is_used(install):
    install(mono=MONO, pose=pose())
    estimator = make_estimator(EstimatorOptions(mode="mono"))
    for with_odom, method, works in (
        (False, "hybrid", False),
        (True, "hybrid", True),
        (True, "network", True),
        (True, "geometric", False),
    ):
        rest_unless_wanted(estimator, with_odom, method)
        assert estimator.with_motion == works


def test_stereo_by_sgbm_finds_metres_by_the_baseline():
    estimator = make_estimator(EstimatorOptions(backend="sgbm", max_disparity_px=48))
    assert type(estimator) is StereoEstimator and estimator.max_disparity_px == 48
    assert estimator.engines == (estimator.engine,) and estimator.engine.name == "sgbm"
    assert (estimator.scale_name, estimator.scale, estimator.is_metric) == (
        "stereo baseline",
        None,
        True,
    )
    engine = estimator.engine
    assert describe_model(estimator) == f"{engine.spec.name} ({engine.model_hash})"


def test_an_engine_that_is_loaded_already_is_taken_and_counts_as_named(install):
    install(mono=MONO, pose=pose())
    own = SimpleNamespace(spec=MONO, name="own")
    estimator = make_estimator(EstimatorOptions(mode="mono"), own)
    assert type(estimator) is MonoEstimator and estimator.engines == (own,)
    released = make_estimator(EstimatorOptions(mode="mono"))
    assert [engine.spec.name for engine in released.engines] == ["m", "p"]
