import os

import pytest
import ros_launch
import yaml
from ros_launch import ROOT, declared, start

from depth_ros.nodes.parameters import Parameters
from depth_ros.nodes.transport import transport_environment

OF_ROS = {"use_sim_time"}
OF_LAUNCH = {"namespace", "params_file", "remap"}


@pytest.fixture
def load(monkeypatch):
    """A factory: the launch description, with variables of the environment as given."""
    return lambda **environment: ros_launch.load(monkeypatch, "stereo.launch.py", **environment)


def test_at_most_eight_arguments_each_described_and_optional(load):
    arguments = declared(load())
    assert 0 < len(arguments) <= 8
    assert all(
        argument.description and argument.default_value is not None for argument in arguments
    )


def test_every_argument_is_a_parameter_of_the_node(load):
    names = {argument.name for argument in declared(load())} - OF_LAUNCH - OF_ROS
    assert names <= set(Parameters.__dataclass_fields__)


def test_without_arguments_the_file_decides(load):
    node, file, values, context = start(load())
    assert (node.package, node.executable, node.name) == ("depth_ros", "depth_node", "depth_node")
    assert file == ROOT / "config/stereo.yaml" and file.is_file()
    assert values == {}
    assert ros_launch.text(node.namespace, context) == ""


def test_arguments_arrive_with_their_types(load):
    given = {
        "model": "12",
        "backend": "sgbm",
        "rectify": "true",
        "use_sim_time": "false",
        "autostart": "false",
    }
    _, _, values, _ = start(load(), **given)
    assert values == {
        "model": "12",  # a path, even where it looks like a number
        "backend": "sgbm",
        "rectify": True,
        "use_sim_time": False,
        "autostart": False,
    }
    Parameters(**{name: value for name, value in values.items() if name not in OF_ROS})


def test_a_bad_value_is_refused(load):
    with pytest.raises(ValueError, match="rectify: expected true or false, got 'perhaps'"):
        start(load(), rectify="perhaps")


def test_a_file_that_is_not_there_is_refused(load, tmp_path):
    with pytest.raises(ValueError, match="params_file: expected a YAML file, got none at"):
        start(load(), params_file=str(tmp_path / "mine.yaml"))
    with pytest.raises(ValueError, match="remap: .* got no file at"):
        start(load(), remap=str(tmp_path / "mine.yaml"))


def test_a_name_that_is_nearly_one_gets_a_warning(load, caplog):
    start(load(), modle="mine.onnx")
    assert caplog.messages == ["unknown launch argument 'modle': did you mean 'model'?"]
    caplog.clear()
    start(load(), scan_topic="/scan")  # of a file that includes this one
    assert not caplog.messages


def test_namespace_and_file_of_the_user(load, tmp_path):
    (tmp_path / "mine.yaml").write_text("")
    node, file, _, context = start(
        load(), namespace="front", params_file=str(tmp_path / "mine.yaml")
    )
    assert ros_launch.text(node.namespace, context) == "front" and file == tmp_path / "mine.yaml"


@pytest.mark.parametrize(
    "text, pairs",
    [
        ("", []),
        ("points:=/cloud  odom:=vo", [("points", "/cloud"), ("odom", "vo")]),
        (
            str(ROOT / "config/nav2/pipeline_topics.yaml"),
            [
                ("depth/image_rect", "/pipeline/depth"),
                ("depth/camera_info", "/pipeline/depth/camera_info"),
                ("points", "/pipeline/points"),
            ],
        ),
    ],
)
def test_topics_are_renamed(load, text, pairs):
    assert start(load(), remap=text)[0].remappings == pairs


@pytest.mark.parametrize("text", ["points", "points:=", ":=points", "a:=b:=c"])
def test_what_is_no_renaming_is_refused(load, text):
    with pytest.raises(ValueError, match="expected FROM:=TO"):
        start(load(), remap=text)


def test_transport_is_set_for_the_node(load):
    node = start(load())[0]
    assert any(value.endswith("fastdds.xml") for value in node.additional_env.values())
    assert (
        node.additional_env["MALLOC_MMAP_THRESHOLD_"]
        == transport_environment()["MALLOC_MMAP_THRESHOLD_"]
    )


def test_what_the_user_has_set_stays(load):
    node = start(load(MALLOC_MMAP_THRESHOLD_="1000"))[0]
    assert (
        "MALLOC_MMAP_THRESHOLD_" not in node.additional_env
        and os.environ["MALLOC_MMAP_THRESHOLD_"] == "1000"
    )


def test_the_shipped_file_holds_known_parameters_that_differ_from_the_defaults():
    content = yaml.safe_load((ROOT / "config/stereo.yaml").read_text())
    values = content["/**"]["ros__parameters"]
    parameters = Parameters(**values)
    assert all(getattr(parameters, name) != getattr(Parameters(), name) for name in values)
