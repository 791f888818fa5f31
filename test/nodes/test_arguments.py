import os

import pytest
import yaml

pytest.importorskip("rclpy")
from depth_ros.nodes.arguments import same_numbers, with_broken_numbers, written_texts

FILE = """\
/**:
  ros__parameters:
    egomotion_method: off
    odom_frame: 007
    base_frame: '12'
    base_T_camera: [0, 0, 1, -0.5, 0.5, -0.5, 0.5]
    qos_overrides: {/points: {publisher: {depth: 3}}}
"""


@pytest.fixture
def params_file(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(FILE)
    return path


def test_lists_of_both_kinds_become_numbers_with_a_point(params_file, tmp_path):
    args = [
        "node",
        "--ros-args",
        "--params-file",
        str(params_file),
        "-p",
        "base_T_camera:=[1, 0.5]",
    ]
    changed = with_broken_numbers(args, tmp_path)
    values = yaml.safe_load(open(changed[3]).read())["/**"]["ros__parameters"]
    assert values["base_T_camera"] == [0.0, 0.0, 1.0, -0.5, 0.5, -0.5, 0.5]
    assert {type(number) for number in values["base_T_camera"]} == {float}
    assert values["base_frame"] == "12"  # quotes stay
    assert changed[5] == "base_T_camera:=[1.0, 0.5]"
    assert (changed[:3], args[3]) == (
        args[:3],
        str(params_file),
    )  # the user's own file is left as it is


@pytest.mark.parametrize(
    "text", ["a: [1, 2]", "a: [1.0, 2.5]", "a: off\nb: '1e3'", "", "a: [x, 1]"]
)
def test_nothing_else_is_touched(text):
    assert same_numbers(text) == text


def test_what_was_written_is_found_without_quotes(params_file):
    args = ["--params-file", str(params_file), "-p", "model:=1e3", "-p", "depth_node:mode:=mono"]
    assert written_texts(["node", "--ros-args", *args]) == {
        "egomotion_method": "off",
        "odom_frame": "007",
        "model": "1e3",
        "mode": "mono",
    }
    args += ["-p", "egomotion_method:=no"]
    assert "egomotion_method" not in written_texts(
        ["node", *args]
    )  # two texts: which one counts is not known


def test_a_file_that_cannot_be_read_again_says_nothing(tmp_path):
    """ROS has read it, and has said what is wrong with it; a pipe must not be waited for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken.yaml").write_text("a: [1, 2")
    for name in ("pipe", "broken.yaml", "nowhere.yaml"):
        assert written_texts(["node", "--params-file", str(tmp_path / name)]) == {}
