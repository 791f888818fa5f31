"""The depth-ros command: one line for every error, exit code 2, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from depth_ros.cli import input
from depth_ros.cli import main as cli
from depth_ros.cli import options as cli_options
from depth_ros.engine import options
from depth_ros.recordings.scenes import write_pfm

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def scenes(tmp_path, make_pair):
    """A folder with one scene, disparity 12 everywhere."""
    import cv2
    import numpy as np

    folder = tmp_path / "scenes" / "Room"
    folder.mkdir(parents=True)
    for i, image in enumerate(make_pair(12)):
        cv2.imwrite(str(folder / f"im{i}.png"), image[..., ::-1])
    lines = (
        "cam0=[80 0 44.25; 0 84 30.5; 0 0 1]",
        "baseline=210",
        "width=96",
        "height=56",
        "ndisp=32",
        "doffs=0",
    )
    (folder / "calib.txt").write_text("\n".join(lines))
    write_pfm(folder / "disp0.pfm", np.full((56, 96), 12, np.float32))
    return folder.parent


def run(*arguments):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def assert_plain_error(result, words):
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert result.stderr.startswith("depth-ros: error: ") and result.stderr.count("\n") == 1
    assert words in result.stderr


def test_choices_are_those_of_the_engine():
    assert cli_options.BACKENDS == options.BACKENDS
    assert cli_options.PRECISIONS == options.PRECISIONS
    assert cli_options.CUDA_BINDINGS == options.CUDA_BINDINGS


@pytest.mark.parametrize("command", ["evaluate", "run", "view"])
def test_engines_are_asked_for_in_one_way(command, scenes, tmp_path):
    """Every option reaches the engine: where it contradicts another, that is what is said."""
    out = () if command == "view" else ("--out", tmp_path / "out")
    refused = run(command, scenes, *out, "--engine", "my.engine", "--backend", "onnxruntime")
    assert_plain_error(refused, "engine: expected backend tensorrt for my.engine")
    assert_plain_error(
        run(command, scenes, *out, "--providers", "nonsense"), "providers: expected one of ["
    )
    words = (
        "--precision",
        "fp32",
        "--workspace-mib",
        "64",
        "--cuda-binding",
        "pycuda",
        "--backend",
        "tensorrt",
    )
    assert_plain_error(run(command, scenes, *out, *words), "backend tensorrt: expected")


def test_evaluate_writes_a_report(scenes, tmp_path):
    result = run("evaluate", scenes, "--backend", "sgbm", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["backend"] == "sgbm" and report["frames"] == {"in": 1, "out": 1, "dropped": {}}
    assert "1 of 1 pairs answered" in result.output and (tmp_path / "out" / "report.html").exists()


def test_run_writes_files(scenes, tmp_path):
    result = run("run", scenes, "--backend", "sgbm", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    names = sorted(child.name for child in (tmp_path / "out").iterdir())
    assert names == ["Room_cloud.ply", "Room_color.png", "Room_depth.npy", "Room_depth.png"]


def test_folder_without_calib(scenes):
    (scenes / "Room" / "calib.txt").unlink()
    for command in ("evaluate", "run", "doctor"):
        more = ("--out", scenes / "out") if command == "run" else ()
        assert_plain_error(run(command, scenes, *more), "expected calib.txt")


def test_truncated_pfm(scenes):
    path = scenes / "Room" / "disp0.pfm"
    path.write_bytes(path.read_bytes()[:-9])
    assert_plain_error(run("evaluate", scenes, "--backend", "sgbm"), "truncated")


def test_nothing_there(tmp_path):
    assert_plain_error(run("evaluate", tmp_path / "no"), "nothing at this path")
    assert_plain_error(run("evaluate", tmp_path), "expected metadata.yaml")


def test_broken_bag(tmp_path):
    (tmp_path / "metadata.yaml").write_text("")
    assert_plain_error(run("evaluate", tmp_path), "readable rosbag2")
    assert_plain_error(run("doctor", tmp_path), "readable rosbag2")


def test_broken_model(tmp_path, scenes):
    (tmp_path / "a.onnx").write_bytes(b"no model")
    assert_plain_error(run("info", tmp_path / "a.onnx"), "expected an ONNX model")
    assert_plain_error(
        run("evaluate", scenes, "--model", tmp_path / "a.onnx"), "expected an ONNX model"
    )
    assert_plain_error(run("info", tmp_path / "b.onnx"), "b.onnx")


def test_replay_of_scenes(scenes):
    assert_plain_error(run("evaluate", scenes, "--replay", "--backend", "sgbm"), "expected a bag")


def test_a_fault_of_ours_is_one_line_too(scenes, monkeypatch):
    monkeypatch.delenv("DEPTH_ROS_DEBUG", raising=False)
    monkeypatch.setattr(input, "open_input", lambda *_: 1 / 0)
    assert_plain_error(run("evaluate", scenes), "unexpected ZeroDivisionError")


@pytest.mark.parametrize(
    "module, cure", [("rosbags.highlevel", "pip install rosbags"), ("rclpy", "setup.bash")]
)
def test_a_missing_package_is_named_with_its_cure(scenes, monkeypatch, module, cure):
    def absent(*_):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(input, "open_input", absent)
    assert_plain_error(run("evaluate", scenes), cure)


@pytest.mark.parametrize(
    "words", [["evaluate", "{}"], ["run", "{}"], ["demo"], ["bench", "--overhead"]]
)
def test_a_place_that_cannot_be_written_is_refused_first(scenes, tmp_path, monkeypatch, words):
    monkeypatch.setattr(cli, "open_both", lambda *_: 1 / 0)
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out.json"
    assert_plain_error(run(*(word.format(scenes) for word in words), "--out", out), "got the file")


def test_a_pose_model_gives_no_depth(scenes):
    model = Path(__file__).resolve().parents[2] / "models/pose.onnx"
    assert_plain_error(
        run("evaluate", scenes, "--model", model),
        "expected a stereo or mono model, got one for 'pose'",
    )


def test_doctor_exit_code(scenes):
    result = run("doctor", scenes)
    assert result.exit_code in (0, 1) and "problem(s)" in result.output


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, depth_ros.cli.main; print([m for m in ('cv2', 'numpy', 'rclpy', "
        "'rosbags') if m in sys.modules])"
    )
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    after = os.times()
    assert done.stdout.strip() == "[]"
    assert (
        after.children_user + after.children_system - before.children_user - before.children_system
        < 1.0
    )  # CPU


@pytest.mark.parametrize("command", sorted(cli.main.commands))
def test_help_of_every_command_loads_nothing_heavy(command):
    """Measured: 0.15 s; NumPy, OpenCV or ROS would each add more than that.

    A sum of imports is no matter of luck.
    """
    heavy = "'cv2', 'numpy', 'rclpy', 'rosbags', 'onnxruntime', 'matplotlib', 'scipy'"
    code = f"""import sys
sys.argv = ['depth-ros', {command!r}, '--help']
from depth_ros.cli.main import main
try: main()
finally: print([m for m in ({heavy}) if m in sys.modules], file=sys.stderr)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Usage" in done.stdout and done.stderr.strip() == "[]"


def test_a_live_look_without_ros_is_refused(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert_plain_error(run("doctor"), "expected ROS for a live look")


def test_a_reader_that_has_seen_enough_is_no_error():
    command = [sys.executable, "-m", "depth_ros", "info", str(ROOT / "models/stereo.onnx")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(60) != 0
    process.stderr.close()
