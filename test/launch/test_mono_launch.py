import pytest
import ros_launch
import yaml
from ros_launch import ROOT, declared, start

from depth_ros.nodes.parameters import Parameters

OF_ROS = {"use_sim_time"}


@pytest.fixture
def description(monkeypatch):
    return ros_launch.load(monkeypatch, "mono.launch.py")


def test_at_most_eight_arguments_that_are_parameters(description):
    arguments = declared(description)
    assert 0 < len(arguments) <= 8
    assert all(
        argument.description and argument.default_value is not None for argument in arguments
    )
    names = (
        {argument.name for argument in arguments} - {"namespace", "params_file", "remap"} - OF_ROS
    )
    assert names <= set(Parameters.__dataclass_fields__)


def test_the_mode_is_mono_whatever_the_file_says(description, tmp_path):
    node, file, values, _ = start(description)
    assert (node.package, node.executable, values) == ("depth_ros", "depth_node", {"mode": "mono"})
    assert file == ROOT / "config/mono.yaml" and file.is_file()
    (tmp_path / "mine.yaml").write_text("")
    assert start(description, params_file=str(tmp_path / "mine.yaml"))[2] == {"mode": "mono"}


@pytest.mark.parametrize("given, height_m", [("1.35", 1.35), ("1", 1)])
def test_arguments_arrive_with_their_types(description, given, height_m):
    _, _, values, _ = start(
        description, model="7", camera_height_m=given, rectify="true", use_sim_time="true"
    )
    assert values == {
        "mode": "mono",
        "model": "7",
        "camera_height_m": height_m,
        "rectify": True,
        "use_sim_time": True,
    }
    Parameters(**{name: value for name, value in values.items() if name not in OF_ROS})


def test_a_height_that_is_no_number_is_refused(description):
    with pytest.raises(ValueError, match="camera_height_m: expected a number, got 'tall'"):
        start(description, camera_height_m="tall")


def test_the_shipped_file_holds_known_parameters_that_differ_from_the_defaults():
    values = yaml.safe_load((ROOT / "config/mono.yaml").read_text())["/**"]["ros__parameters"]
    parameters = Parameters(**values)
    assert parameters.mode == "mono"
    assert all(getattr(parameters, name) != getattr(Parameters(), name) for name in values)
