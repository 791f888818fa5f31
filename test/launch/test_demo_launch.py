"""demo.launch.py: which source, node and RViz its arguments start."""

from types import SimpleNamespace

import pytest
import ros_launch
import yaml
from ros_launch import ROOT, ExecuteProcess, IncludeLaunchDescription, Node, declared, parameters_of, run, text

from depth_ros.nodes.parameters import Parameters

CAMERAS = ("realsense", "zed", "oak_d", "usb_cam")


@pytest.fixture
def description(monkeypatch):
    return ros_launch.load(monkeypatch, "demo.launch.py")


def kinds(started):
    return [getattr(action, "package", type(action).__name__) for action in started]


def test_at_most_eight_arguments_each_described_and_optional(description):
    arguments = declared(description)
    assert 0 < len(arguments) <= 8
    assert all(argument.description and argument.default_value is not None for argument in arguments)


def test_without_a_source_node_and_rviz_wait_for_a_camera(description):
    started, context = run(description, {"namespace": "front"})
    assert kinds(started) == ["depth_ros", "rviz2"]
    file, values = parameters_of(started[0], context)
    assert file == ROOT / "config/stereo.yaml" and values == {"mode": "stereo", "use_sim_time": False}
    assert [text(node.namespace, context) for node in started] == ["front", "front"]
    assert started[1].arguments[0] == "-d" and yaml.safe_load(open(started[1].arguments[1]))["Panels"]


def test_a_recording_brings_its_time(description):
    started, context = run(description, {"bag": "/data/run 1", "mode": "mono", "rviz": "false", "model": "my.onnx"})
    assert kinds(started) == ["depth_ros", "ExecuteProcess"]
    file, values = parameters_of(started[0], context)
    assert file == ROOT / "config/mono.yaml"
    assert values == {"mode": "mono", "use_sim_time": True, "model": "my.onnx"}
    assert started[1].cmd[:5] == ["ros2", "bag", "play", "/data/run 1", "--clock"]  # one word in spite of the blank


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_camera_comes_with_its_driver(description, camera):
    started, context = run(description, {"camera": camera})
    file, values = parameters_of(started[0], context)
    assert file == ROOT / f"config/cameras/{camera}.yaml" and file.is_file()
    assert values["mode"] == Parameters(**yaml.safe_load(file.read_text())["/**"]["ros__parameters"]).mode
    has_tf = camera != "usb_cam"  # its driver says nothing of frames
    assert values.get("publish_tf", False) == has_tf and ("-f" in started[1].arguments) != has_tf
    assert Parameters(**{name: value for name, value in values.items() if name != "use_sim_time"})
    driver, of_driver = started[-1], ROOT / f"config/cameras/drivers/{camera}.yaml"
    assert of_driver.is_file()
    if isinstance(driver, Node):
        assert (driver.package, driver.executable) == ("usb_cam", "usb_cam_node_exe")
        assert driver.parameters == [str(of_driver)]
    else:
        assert isinstance(driver, IncludeLaunchDescription) and not isinstance(driver, ExecuteProcess)
        assert text(driver.source.location, context).endswith(".launch.py") or camera == "realsense"
        assert str(of_driver) in dict(driver.launch_arguments).values()


def test_rviz_stands_in_the_frame_of_the_recording(description, monkeypatch):
    sample = SimpleNamespace(frame=SimpleNamespace(frame_id="left_optical"))
    monkeypatch.setattr("depth_ros.replay.sample.open_source", lambda bag, mode: [sample])
    assert run(description, {"bag": "BAG"})[0][1].arguments[-2:] == ["-f", "left_optical"]


def test_a_recording_that_cannot_be_read_is_left_to_ros2_bag(description, tmp_path):
    started, _ = run(description, {"bag": str(tmp_path / "no")})
    assert kinds(started) == ["depth_ros", "rviz2", "ExecuteProcess"] and "-f" not in started[1].arguments


def test_the_users_file_goes_before_that_of_the_camera(description, tmp_path):
    given = {"camera": "zed", "params_file": str(tmp_path / "my.yaml"), "remap": "odom:=vo"}
    started, context = run(description, given)
    assert parameters_of(started[0], context)[0] == tmp_path / "my.yaml"
    assert started[0].remappings == [("odom", "vo")]


def test_an_unknown_camera_is_refused(description):
    with pytest.raises(RuntimeError, match="kinect"):
        run(description, {"camera": "kinect"})


@pytest.mark.parametrize("camera", ["zed", "oak_d"])
def test_our_namespace_is_not_handed_down_to_a_driver(description, camera):
    started, _ = run(description, {"camera": camera, "namespace": "front"})
    assert dict(started[-1].launch_arguments)["namespace"] == ""
