"""demo.launch.py: which source, node and RViz its arguments start."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import ros_launch
import yaml
from ros_launch import (
    ROOT,
    ExecuteProcess,
    IncludeLaunchDescription,
    Node,
    declared,
    parameters_of,
    run,
    text,
)

from depth_ros.core.axes import body_R_optical
from depth_ros.core.lie import quat_to_matrix
from depth_ros.nodes.parameters import Parameters
from depth_ros.nodes.transport import transport_environment
from depth_ros.recordings.topics import Topics

CAMERAS = ("realsense", "zed", "oak_d", "usb_cam")


class Recording:
    """A recording of one camera: raw images, compressed."""

    topics = Topics(
        {"": "/cam/image_raw/compressed"},
        {"": "/cam/camera_info"},
        rectified=False,
        compressed=True,
    )

    def __iter__(self):
        yield SimpleNamespace(frame=SimpleNamespace(frame_id="left_optical"))


@pytest.fixture
def description(monkeypatch):
    return ros_launch.load(monkeypatch, "demo.launch.py")


def kinds(started):
    return [getattr(action, "package", type(action).__name__) for action in started]


def test_at_most_eight_arguments_each_described_and_optional(description):
    arguments = declared(description)
    assert 0 < len(arguments) <= 8
    assert all(
        argument.description and argument.default_value is not None for argument in arguments
    )


def test_without_a_source_node_and_rviz_wait_for_a_camera(description):
    started, context = run(description, {"namespace": "front"})
    assert kinds(started) == ["depth_ros", "rviz2"]
    file, values = parameters_of(started[0], context)
    assert file == ROOT / "config/stereo.yaml" and values == {
        "mode": "stereo",
        "use_sim_time": False,
    }
    assert [text(node.namespace, context) for node in started] == ["front", "front"]
    assert (
        started[1].arguments[0] == "-d" and yaml.safe_load(open(started[1].arguments[1]))["Panels"]
    )


def test_a_recording_brings_its_time(description):
    started, context = run(
        description, {"bag": "/data/run 1", "mode": "mono", "rviz": "false", "model": "my.onnx"}
    )
    assert kinds(started) == ["depth_ros", "ExecuteProcess"]
    file, values = parameters_of(started[0], context)
    assert file == ROOT / "config/mono.yaml"
    assert values == {"mode": "mono", "use_sim_time": True, "model": "my.onnx"}
    assert started[1].cmd[:5] == [
        "ros2",
        "bag",
        "play",
        "/data/run 1",
        "--clock",
    ]  # one word in spite of the blank


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_camera_comes_with_its_driver(description, camera):
    (driver, node, rviz, *rest), context = run(description, {"camera": camera})
    file, values = parameters_of(node, context)
    assert file == ROOT / f"config/cameras/{camera}.yaml" and file.is_file()
    assert (
        values["mode"]
        == Parameters(**yaml.safe_load(file.read_text())["/**"]["ros__parameters"]).mode
    )
    has_tf = camera != "usb_cam"  # its driver says nothing of frames
    assert values["publish_tf"] and ("-f" in rviz.arguments) != has_tf and bool(rest) != has_tf
    assert Parameters(**{name: value for name, value in values.items() if name != "use_sim_time"})
    of_driver = ROOT / f"config/cameras/drivers/{camera}.yaml"
    assert of_driver.is_file()
    if isinstance(driver, Node):
        assert (driver.package, driver.executable) == ("usb_cam", "usb_cam_node_exe")
        assert driver.parameters == [str(of_driver)]
    else:
        assert isinstance(driver, IncludeLaunchDescription) and not isinstance(
            driver, ExecuteProcess
        )
        assert text(driver.source.location, context).endswith(".launch.py") or camera == "realsense"
        assert str(of_driver) in dict(driver.launch_arguments).values()


@pytest.fixture
def recording(monkeypatch):
    """A recording without TF where a bag is asked for; the topics beside its images can be
    changed.
    """
    topics = []
    reader = SimpleNamespace(connections=topics)
    monkeypatch.setattr("depth_ros.recordings.sample.open_source", lambda bag, mode: Recording())
    monkeypatch.setattr("depth_ros.recordings.bag.open_reader", lambda bag: nullcontext(reader))
    return topics


def test_a_recording_without_tf_stands_upright(description, recording):
    (node, rviz, upright, _), context = run(description, {"bag": "BAG"})
    assert rviz.arguments[-2:] == ["-f", "camera_link"]
    values = parameters_of(node, context)[1]
    assert (values["base_frame"], values["publish_tf"]) == ("camera_link", True)
    assert (upright.package, upright.executable) == ("tf2_ros", "static_transform_publisher")
    given = dict(zip(upright.arguments[::2], upright.arguments[1::2], strict=True))
    assert (given["--frame-id"], given["--child-frame-id"]) == ("camera_link", "left_optical")
    turn = quat_to_matrix([float(given[f"--q{axis}"]) for axis in "xyzw"])
    np.testing.assert_array_equal(turn, body_R_optical)


def test_the_tf_of_a_recording_is_left_alone(description, recording):
    recording.append(SimpleNamespace(topic="/tf_static"))
    started, context = run(description, {"bag": "BAG"})
    assert (
        kinds(started) == ["depth_ros", "rviz2", "ExecuteProcess"]
        and "-f" not in started[1].arguments
    )
    assert "publish_tf" not in parameters_of(started[0], context)[1]


def test_the_topics_of_a_recording_are_found(description, recording):
    started, context = run(description, {"bag": "BAG", "namespace": "front"})
    file, values = parameters_of(started[0], context)
    assert file == ROOT / "config/mono.yaml"
    assert values == {
        "mode": "mono",
        "use_sim_time": True,
        "rectify": True,
        "image_transport": "compressed",
        "base_frame": "camera_link",
        "publish_tf": True,
        "image_topic": "/cam/image_raw",
        "info_topic": "/cam/camera_info",
    }


@pytest.mark.parametrize("named", ["camera", "params_file"])
def test_who_names_topics_is_believed(description, recording, tmp_path, named):
    (tmp_path / "my.yaml").write_text("")
    given = {"camera": "usb_cam", "params_file": str(tmp_path / "my.yaml")}
    started, context = run(description, {"bag": "BAG", named: given[named]})
    assert "image_topic" not in parameters_of(started[0], context)[1]


def test_a_recording_that_cannot_be_read_is_left_to_ros2_bag(description, tmp_path):
    started, _ = run(description, {"bag": str(tmp_path / "no")})
    assert (
        kinds(started) == ["depth_ros", "rviz2", "ExecuteProcess"]
        and "-f" not in started[1].arguments
    )


def test_the_users_file_goes_before_that_of_the_camera(description, tmp_path):
    (tmp_path / "my.yaml").write_text("")
    given = {"camera": "zed", "params_file": str(tmp_path / "my.yaml"), "remap": "odom:=vo"}
    (_, node, _), context = run(description, given)
    assert parameters_of(node, context)[0] == tmp_path / "my.yaml"
    assert node.remappings == [("odom", "vo")]


@pytest.mark.parametrize(
    "package, given",
    [
        ("realsense2_camera", {"camera": "realsense"}),
        ("usb_cam", {"camera": "usb_cam"}),
        ("rviz2", {"bag": "BAG"}),
    ],
)
def test_a_package_that_is_missing_is_named_before_anything_starts(
    description, monkeypatch, package, given
):
    monkeypatch.setattr(ros_launch.FindPackageShare, "absent", (package,))
    with pytest.raises(ValueError, match=f"expected the package {package}, got none: "):
        run(description, given)
    started, _ = run(description, {"rviz": "False"})
    assert kinds(started) == ["depth_ros"]


def test_an_unknown_camera_is_refused(description):
    with pytest.raises(RuntimeError, match="kinect"):
        run(description, {"camera": "kinect"})


def test_a_driver_gets_our_environment_and_none_of_our_arguments(description, monkeypatch):
    seen = []
    monkeypatch.setattr(
        ros_launch.GroupAction, "execute", lambda group, context: seen.extend(group.actions) or []
    )
    started, _ = run(description, {"camera": "zed", "namespace": "front"})
    *variables, driver = seen
    assert {variable.name: variable.value for variable in variables} == transport_environment()
    assert kinds([driver]) == ["IncludeLaunchDescription"] and kinds(started) == [
        "depth_ros",
        "rviz2",
    ]
