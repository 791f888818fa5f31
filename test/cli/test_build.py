"""depth-ros build: from a command line to an engine, or to one line that says what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from depth_ros.cli import main as cli
from depth_ros.cli.build import bag_samples, bar_words, to_arrays
from depth_ros.core.errors import EngineError
from depth_ros.engine.load import default_model
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.recordings.output import encode_image
from depth_ros.recordings.scenes import write_pfm
from depth_ros.synthetic.renderer import render_stereo
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene

MODEL = default_model("stereo")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test finds or locks what the user's cache has."""
    monkeypatch.setenv("DEPTH_ROS_CACHE", str(tmp_path_factory.mktemp("cache")))


TARGET = ("--compute-capability", "8.6")


def run(*arguments):
    return CliRunner().invoke(cli.main, ["build", *map(str, arguments)])


def test_builds_and_then_finds(tmp_path):
    pytest.importorskip("onnx", reason="no package onnx: models cannot be converted")
    pytest.importorskip("tensorrt_rtx", reason="no package tensorrt_rtx: nothing can be compiled")
    arguments = (
        MODEL,
        "--shape",
        "90x120",
        "--compute-capability",
        "8.6",
        "--cache",
        tmp_path / "engines",
    )
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    lines = first.output.splitlines()
    assert (
        lines[0] == "stereo: fp16, tensors of 96x128"
        and "no engine is built for this yet" in lines[1]
    )
    assert (
        "px from ONNX Runtime on average" in lines[3]
        and "limit 0.02 on average (2 frames, rendered)" in lines[3]
    )
    about = json.loads(Path(lines[-1]).with_suffix(".json").read_text())
    assert about["key"]["shapes"]["left"] == [1, 3, 96, 128] and about["spec"]["name"] == "stereo"
    second = run(*arguments)
    assert (
        second.output.splitlines()[1] == "in the cache already"
        and second.output.splitlines()[-1] == lines[-1]
    )


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--precision", "int8"), "int8: expected --calibrate BAG"),
        (("--shape", "90"), "--shape: expected HxW"),
        (("--shape", "0x120"), "--shape"),
        (("--compute-capability", "sm86"), "--compute-capability: expected a number like 8.6"),
        (("--library", "tensorrt", "--compute-capability", "8.6"), "tensorrt"),
        (("--precision", "int8", "--calibrate", "/nowhere"), "expected a rosbag2 directory"),
        (("--frames", "/nowhere"), "expected a rosbag2 directory"),
        (
            ("--import", "/nowhere", *TARGET),
            "/nowhere: expected a TensorRT engine, got No such file",
        ),
        (
            ("--import", "/nowhere", "--save-onnx", "x"),
            "--import: expected no --save-onnx beside it",
        ),
        (("--calibrate", "/nowhere"), "--calibrate: expected --precision int8, got fp16"),
    ],
)
def test_refuses_in_one_line(tmp_path, arguments, words):
    result = run(MODEL, "--cache", tmp_path, *arguments)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and words in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Four rendered pairs with their true disparity, as a folder of scenes."""
    folder, rig = tmp_path_factory.mktemp("scenes"), clip_rig(96, 128)
    for number in range(4):
        found = render_stereo(clip_scene(), rig, clip_pose(3 * number))
        scene = folder / f"room{number}"
        scene.mkdir()
        for name, key in (("im0.png", "left"), ("im1.png", "right")):
            (scene / name).write_bytes(encode_image(np.asarray(found[key])))
        write_pfm(scene / "disp0.pfm", np.asarray(found["disparity"], np.float32))
        camera = f"{rig.left.fx} 0 {rig.left.cx}; 0 {rig.left.fy} {rig.left.cy}; 0 0 1"
        lines = [
            f"cam0=[{camera}]",
            f"cam1=[{camera}]",
            "doffs=0",
            f"baseline={1000 * rig.baseline_m}",
            "width=128",
            "height=96",
            "ndisp=32",
        ]
        (scene / "calib.txt").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("task, figure", [("stereo", "bad2_pct"), ("mono", "abs_rel")])
def test_int8_says_what_it_costs(tmp_path, scenes, task, figure):
    pytest.importorskip("onnx", reason="no package onnx: models cannot be converted")
    pytest.importorskip("tensorrt_rtx", reason="no package tensorrt_rtx: nothing can be compiled")
    model = default_model(task)
    if model is None:
        pytest.skip(f"no {task} model is shipped")
    arguments = (model, "--precision", "int8", "--calibrate", scenes, *TARGET, "--cache", tmp_path)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "(2 frames)" in result.output, (
        "half of the frames are for the ranges, the other half is compared on"
    )
    about = json.loads(Path(result.output.splitlines()[-1]).with_suffix(".json").read_text())
    costs = about["accuracy"]
    assert list(costs) == ["float", "int8"] and costs["float"]["frames_depth"] == 2
    assert "against the truth, int8: " in result.output and figure in costs["int8"]
    assert costs["int8"][figure] != costs["float"][figure]
    assert abs(costs["int8"][figure] - costs["float"][figure]) < (3 if task == "stereo" else 0.1)
    again = run(*arguments)
    assert (
        again.output.splitlines()[1] == "in the cache already"
        and "against the truth, int8" in again.output
    )


def test_compares_on_frames_of_the_user(tmp_path, scenes):
    pytest.importorskip("tensorrt_rtx", reason="no package tensorrt_rtx: nothing can be compiled")
    arguments = (MODEL, "--frames", scenes, "--compute-capability", "8.6", "--cache", tmp_path)
    result = run(*arguments)
    assert (
        result.exit_code == 0
        and "(4 frames)" in result.output
        and "fp16: bad1_pct" in result.output
    ), result.output
    whole = run(*arguments, "--with-io")
    lines = whole.output.splitlines()
    assert (
        lines[0] == "stereo: fp16, tensors of 96x128, the whole step"
        and lines[-1] != result.output.splitlines()[-1]
    )
    assert "disparity: " in whole.output and "px from ONNX Runtime" in whole.output
    key = json.loads(Path(lines[-1]).with_suffix(".json").read_text())["key"]
    assert key["shapes"]["left"] == [96, 128, 3] and key["options"]["with_io"]
    refused = run(
        default_model("pose") or MODEL,
        "--with-io",
        "--compute-capability",
        "8.6",
        "--cache",
        tmp_path,
    )
    if default_model("pose"):
        assert (
            refused.exit_code == 2 and "with-io: expected a stereo or mono model" in refused.stderr
        )


def test_the_graph_is_written_and_an_engine_of_it_imported(tmp_path):
    """What a user compiles with trtexec goes in where a node looks, and is what comes out."""
    onnx = pytest.importorskip("onnx", reason="no package onnx: models cannot be converted")
    pytest.importorskip("tensorrt_rtx", reason="no package tensorrt_rtx: nothing can be compiled")
    target = (MODEL, "--shape", "90x120", *TARGET, "--precision", "fp32")
    built = run(
        *target, "--save-onnx", tmp_path / "new" / "graph.onnx", "--cache", tmp_path / "first"
    )
    assert built.exit_code == 0, built.output
    engine = Path(built.output.splitlines()[-1])
    graph = onnx.load(tmp_path / "new" / "graph.onnx").graph
    shapes = {
        item.name: [side.dim_value for side in item.type.tensor_type.shape.dim]
        for item in graph.input
    }
    assert shapes == json.loads(engine.with_suffix(".json").read_text())["key"]["shapes"]
    imported = run(*target, "--import", engine, "--cache", tmp_path / "second")
    assert imported.exit_code == 0 and "not opened here" in imported.output, imported.output
    found = Path(imported.output.splitlines()[-1])
    assert found.parent == tmp_path / "second" and found.name == engine.name
    assert found.read_bytes() == engine.read_bytes()
    again = run(*target, "--cache", tmp_path / "second")
    assert again.output.splitlines()[1:3] == [
        "in the cache already",
        "imported: compared with ONNX Runtime when it is first opened",
    ]


def test_without_a_library_the_graph_is_written_all_the_same(tmp_path, monkeypatch):
    """On a desk without TensorRT: the robot compiles."""
    pytest.importorskip("onnx", reason="no package onnx: models cannot be converted")

    def absent(name):
        raise EngineError("expected TensorRT, got none")

    monkeypatch.setattr("depth_ros.engine.tensorrt.api.import_library", absent)
    result = run(
        MODEL, "--shape", "90x120", "--precision", "fp32", "--save-onnx", tmp_path / "graph.onnx"
    )
    assert (
        result.exit_code == 0 and "no engine is built here: expected TensorRT" in result.output
    ), result.output
    assert (tmp_path / "graph.onnx").stat().st_size > 100_000 and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "model.onnx").write_text("no")
    assert run(tmp_path / "model.onnx").exit_code == 2


def test_frames_of_a_bag(shared_data):
    spec = OnnxEngine(MODEL).spec
    frames = to_arrays(bag_samples(shared_data / "bags" / "kitti06_stereo", spec), spec)
    assert len(frames) == 24 and set(frames[0]) == set(spec.inputs)
    assert {frame["left"].shape for frame in frames} == {(1, 3, 384, 1248)}


def test_time_to_go():
    assert bar_words(0.5, 6.0) == "building  50 %, 6 s, about 6 s to go"
    assert bar_words(0.0, 6.0) == "building   0 %, 6 s"
