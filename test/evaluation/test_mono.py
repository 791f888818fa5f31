"""Recordings of one camera: what becomes a frame, and figures with and without the scale of the
truth.
"""

import json

import numpy as np
import pytest
from bags import DISPARITY_PX, START_NS, STEP_NS
from click.testing import CliRunner

from depth_ros.cli import main as cli
from depth_ros.core.errors import InputError
from depth_ros.engine.spec import METADATA_KEY, ModelSpec
from depth_ros.estimator.mono import MonoEstimator
from depth_ros.evaluation.evaluate import evaluate
from depth_ros.evaluation.report.figures import MONO_KEYS, to_report
from depth_ros.evaluation.report.report import write_report
from depth_ros.evaluation.report.verdict import verdict
from depth_ros.recordings.bag import Bag
from depth_ros.recordings.output import write_estimate
from depth_ros.recordings.sample import open_source


class FlatEngine:
    """Answers one depth everywhere."""

    name, model_hash = "flat", "0"

    def __init__(self, depth, **spec):
        self.spec = ModelSpec(
            "flat", "mono", ("image",), ("depth",), 0, 0, **{"scale_source": "procedural", **spec}
        )
        self.depth = depth

    def run(self, inputs):
        return {"depth": np.full((1, 1, *inputs["image"].shape[2:]), self.depth, np.float32)}


def test_one_camera_makes_a_mono_source(mono_bag, pair, camera):
    source = open_source(mono_bag())
    samples = list(source)
    assert (source.mode, len(source), source.drops) == ("mono", 3, {})
    assert [sample.frame.stamp_ns for sample in samples] == [
        START_NS + i * STEP_NS for i in range(3)
    ]
    frame = samples[1].frame
    np.testing.assert_array_equal(frame.left, pair[0])
    assert (frame.camera, frame.right, frame.rig, frame.calibrations) == (camera, None, None, None)
    assert samples[2].truth_depth[3, 4] == 5.0


def test_left_of_a_stereo_bag(make_bag, pair):
    path = make_bag()
    assert open_source(path).mode == "stereo"
    source = open_source(path, "mono")
    np.testing.assert_array_equal(next(iter(source)).frame.left, pair[0])
    assert source.topics.images == {"": "/left/image_rect"} and len(list(source)) == 3


def test_left_of_a_scene_keeps_its_truth_as_depth(make_scene, rig):
    (sample,) = open_source(make_scene(), "mono")
    assert sample.frame.right is None and sample.truth_disparity is None
    # calib.txt says fx 80, baseline 0.21 m, doffs 2
    assert sample.truth_depth[3, 4] == pytest.approx(80 * 0.21 / (DISPARITY_PX + 2))


def test_raw_images_carry_their_calibration(mono_bag, make_calibration):
    frame = next(iter(Bag(mono_bag(name="image_raw", D=(0.1, 0, 0, 0, 0)), "mono"))).frame
    assert frame.calibrations == (make_calibration(D=(0.1, 0, 0, 0, 0)),)


def test_unusable_images_are_counted_with_their_reason(mono_bag):
    source = Bag(mono_bag(K=(0,) * 9), "mono")
    assert list(source) == [] and source.drops == {"bad_calibration": 3}
    assert "K: expected positive" in source.reasons["bad_calibration"]


def test_what_is_missing_is_named(bag_builder, pair):
    depth_only, blind = bag_builder("depth_only"), bag_builder("blind")
    depth_only.image("camera/depth", START_NS, pair[0])
    blind.image("camera", START_NS, pair[0])
    with pytest.raises(InputError, match="image_rect or .../image_raw, got topics"):
        Bag(depth_only.close(), "mono")
    with pytest.raises(InputError, match="CameraInfo on /camera/camera_info"):
        Bag(blind.close(), "mono")


def test_metric_model_is_judged_as_it_is_and_with_the_scale_of_the_truth(mono_bag, tmp_path):
    run = evaluate(open_source(mono_bag(truth_m=5.0)), MonoEstimator(FlatEngine(4.0)), "m")
    report = write_report(run, tmp_path / "out")
    assert (report["mode"], report["frames"]["out"]) == ("mono", 3)
    assert (report["depth"]["abs_rel"], report["depth"]["scaling"]) == (pytest.approx(0.2), "none")
    assert (report["depth_median"]["abs_rel"], report["depth_median"]["scaling"]) == (
        pytest.approx(0.0),
        "median",
    )
    measured = [f"{section}.{key}" for section in MONO_KEYS for key in report.get(section, {})]
    every = [f"{section}.{key}" for section, keys in MONO_KEYS.items() for key in keys]
    assert sorted(measured + report["not_measured"]) == sorted(every)
    words = " ".join(verdict(run, report))
    assert (
        "3 of 3 images answered" in words
        and "Depth is off by 20.0 %" in words
        and "median scaling" in words
    )
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/jpeg") == 3


def test_relative_model_is_never_judged_in_metres(mono_bag, tmp_path):
    estimator = MonoEstimator(FlatEngine(4.0, scale_source="none"))
    run = evaluate(open_source(mono_bag()), estimator, "m")
    report = to_report(run)
    assert "depth" not in report and report["depth_median"]["abs_rel"] == pytest.approx(0.0)
    assert "knows no metres" in " ".join(verdict(run, report))
    estimate = estimator.estimate(next(iter(open_source(tmp_path / "mono"))).frame)
    names = [path.name for path in write_estimate(tmp_path / "files", "a", estimate)]
    assert sorted(names) == ["a_color.png", "a_inv_depth.npy"]


def test_command_takes_the_mode_from_the_model(make_bag, mono_bag, tmp_path):
    spec = ModelSpec("tiny", "mono", ("image",), ("depth",), 0, 0, scale_source="procedural metric")
    model = flat_model(tmp_path / "mono.onnx", spec, depth=80 * 0.21 / DISPARITY_PX)
    for bag, error in ((make_bag(), 0.0), (mono_bag(truth_m=2.8), 0.5)):
        result = CliRunner().invoke(
            cli.main,
            ["evaluate", str(bag), "--model", str(model), "--out", str(tmp_path / bag.name)],
        )
        assert result.exit_code == 0, result.output
        report = json.loads((tmp_path / bag.name / "report.json").read_text())
        assert report["mode"] == "mono" and report["depth"]["abs_rel"] == pytest.approx(
            error, abs=1e-5
        )


def test_command_refuses_what_does_not_fit(mono_bag, make_bag, monkeypatch):
    monkeypatch.setattr("depth_ros.engine.load.default_model", lambda task: None)
    mono = str(mono_bag())
    for arguments, words in (
        (["evaluate", mono], "expected a model (mono)"),
        (["evaluate", mono, "--mode", "stereo"], "expected left images"),
        (
            ["evaluate", mono, "--replay", "--backend", "sgbm"],
            "expected a network's for mono, got 'sgbm', which needs two cameras",
        ),
        (
            ["evaluate", str(make_bag()), "--mode", "mono", "--backend", "sgbm"],
            "expected a network's for mono, got 'sgbm', which needs two cameras",
        ),
    ):
        result = CliRunner().invoke(cli.main, arguments)
        assert result.exit_code == 2 and words in result.stderr, result.output


def flat_model(path, spec, depth):
    """An ONNX model of one depth: 0 * mean of the channels + depth."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])
    output = helper.make_tensor_value_info("depth", TensorProto.FLOAT, [1, 1, "h", "w"])
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT, [], [value])
        for name, value in (("o", 0), ("d", depth))
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["grey", "o"], ["zero"]),
        helper.make_node("Add", ["zero", "d"], ["depth"]),
    ]
    graph = helper.make_graph(nodes, "flat", [image], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    "name, images, fx",
    [
        ("kitti_lidar_frames", 5, 707.0493),
        ("tartanair_hospital", 100, 320.0),
        ("tum_fr1_piece", 10, 517.3),
    ],
)
def test_recordings_of_one_camera_with_truth(shared_data, name, images, fx):
    source = open_source(shared_data / "bags" / name)
    first = next(iter(source))
    assert (source.mode, len(source), first.frame.camera.fx) == ("mono", images, fx)
    assert (
        np.isfinite(first.truth_depth).any()
        and first.truth_depth.shape == first.frame.left.shape[:2]
    )
