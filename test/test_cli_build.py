"""depth-ros build: from a command line to an engine, or to one line that says what is missing."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from depth_ros import cli
from depth_ros.cli_build import bag_frames, bar_words
from depth_ros.engine.load import default_model
from depth_ros.engine.onnx_engine import OnnxEngine

MODEL = default_model("stereo")


def run(*arguments):
    return CliRunner().invoke(cli.main, ["build", *map(str, arguments)])


def test_builds_and_then_finds(tmp_path):
    pytest.importorskip("onnx", reason="no package onnx: models cannot be converted")
    pytest.importorskip("tensorrt_rtx", reason="no package tensorrt_rtx: nothing can be compiled")
    arguments = (MODEL, "--shape", "90x120", "--compute-capability", "8.6", "--cache", tmp_path / "engines")
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    lines = first.output.splitlines()
    assert lines[0] == "stereo: fp16, tensors of 96x128" and "no engine is built for this yet" in lines[1]
    assert "px from ONNX Runtime on average" in lines[3] and "limit 0.05 on average (2 frames)" in lines[3]
    about = json.loads(Path(lines[-1]).with_suffix(".json").read_text())
    assert about["key"]["shapes"]["left"] == [1, 3, 96, 128] and about["spec"]["name"] == "stereo"
    second = run(*arguments)
    assert second.output.splitlines()[1] == "in the cache already" and second.output.splitlines()[-1] == lines[-1]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--precision", "int8"), "int8: expected --calibrate BAG"),
        (("--shape", "90"), "--shape: expected HxW"),
        (("--shape", "0x120"), "--shape"),
        (("--compute-capability", "sm86"), "--compute-capability: expected a number like 8.6"),
        (("--library", "tensorrt", "--compute-capability", "8.6"), "tensorrt"),
        (("--calibrate", "/nowhere"), "expected a rosbag2 directory"),
    ],
)
def test_refuses_in_one_line(tmp_path, arguments, words):
    result = run(MODEL, "--cache", tmp_path, *arguments)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and words in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "model.onnx").write_text("no")
    assert run(tmp_path / "model.onnx").exit_code == 2


def test_frames_of_a_bag(shared_data):
    spec = OnnxEngine(MODEL).spec
    frames = bag_frames(shared_data / "bags" / "kitti06_stereo", spec)
    assert len(frames) == 24 and set(frames[0]) == set(spec.inputs)
    assert {frame["left"].shape for frame in frames} == {(1, 3, 384, 1248)}


def test_time_to_go():
    assert bar_words(0.5, 6.0) == "building  50 %, 6 s, about 6 s to go"
    assert bar_words(0.0, 6.0) == "building   0 %, 6 s"
