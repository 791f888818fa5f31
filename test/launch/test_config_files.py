"""The ready-made files of config/: every key is a parameter, every topic of a camera is named,
remaps name outputs.
"""

import inspect

import pytest
import yaml
from ros_launch import ROOT

from depth_ros.nodes.output.publishers import TOPICS
from depth_ros.nodes.parameters import Parameters

CONFIG = ROOT / "config"
OF_NODE = sorted(
    [*CONFIG.glob("cameras/*.yaml"), CONFIG / "nav2/pipeline.yaml", *CONFIG.glob("*.yaml")]
)
TOPICS_OF = {
    "stereo": ("left_image_topic", "right_image_topic", "left_info_topic", "right_info_topic"),
    "mono": ("image_topic", "info_topic"),
}
MOTION = ("odom", "path")


def name(path):
    return str(path.relative_to(CONFIG))


def values(path):
    content = yaml.safe_load(path.read_text())
    assert list(content) == ["/**"] and list(content["/**"]) == ["ros__parameters"]
    return content["/**"]["ros__parameters"]


@pytest.mark.parametrize("path", OF_NODE, ids=name)
def test_every_key_is_a_parameter_that_differs_from_its_default(path):
    parameters = Parameters(**values(path))  # raises for unknown names, wrong types and ranges
    same = [key for key in values(path) if getattr(parameters, key) == getattr(Parameters(), key)]
    assert set(same) <= {"mode"}  # said although it is the default: what the file is for


@pytest.mark.parametrize("path", OF_NODE, ids=name)
def test_a_typing_error_would_be_found(path):
    with pytest.raises(TypeError, match="left_imag_topic"):
        Parameters(**values(path), left_imag_topic="/left")


@pytest.mark.parametrize("path", sorted(CONFIG.glob("cameras/*.yaml")), ids=name)
def test_the_topic_map_of_a_camera_is_complete(path):
    given = values(path)
    wanted = TOPICS_OF[given["mode"]]
    other = TOPICS_OF["mono" if given["mode"] == "stereo" else "stereo"]
    assert set(wanted) <= set(given) and not set(other) & set(given)
    topics = [given[key] for key in wanted]
    assert len(set(topics)) == len(topics) and all(topic.startswith("/") for topic in topics)
    for image, info in zip(wanted[: len(wanted) // 2], wanted[len(wanted) // 2 :]):
        assert (
            given[image].rsplit("/", 1)[0] == given[info].rsplit("/", 1)[0]
        )  # an image and the camera_info beside it
    version = [
        word
        for word in path.read_text().split("/**")[0].split()
        if word[:1].isdigit() and word.count(".") >= 2
    ]
    assert version, "the driver's version belongs into the comment"


@pytest.mark.parametrize("path", sorted(CONFIG.glob("cameras/*.yaml")), ids=name)
def test_a_camera_has_a_file_for_its_driver(path):
    assert yaml.safe_load((path.parent / "drivers" / path.name).read_text())


def test_the_topics_of_the_pipeline_are_outputs_of_the_node():
    pairs = yaml.safe_load((CONFIG / "nav2/pipeline_topics.yaml").read_text())
    outputs = {topic for topic, _ in TOPICS.values()} | set(MOTION)
    assert set(pairs) <= outputs and all(topic.startswith("/pipeline/") for topic in pairs.values())


def test_motion_outputs_are_those_of_the_node():
    from depth_ros.nodes.odometry import odometry

    text = inspect.getsource(odometry)
    assert all(f'"{topic}": self._advertise' in text for topic in MOTION)


def test_the_costmap_listens_to_the_cloud():
    layer = yaml.safe_load((CONFIG / "nav2/costmap.yaml").read_text())["local_costmap"][
        "local_costmap"
    ]
    layer = layer["ros__parameters"]["voxel_layer"]
    source = layer[layer["observation_sources"]]
    assert (
        source["topic"] == f"/{TOPICS['points'][0]}"
        and TOPICS["points"][1].__name__ == source["data_type"]
    )
    assert (
        0
        < source["obstacle_min_range"]
        < source["obstacle_max_range"]
        < source["raytrace_max_range"]
    )
    assert layer["z_voxels"] <= 16  # a column is 16 bits for marked, 16 for unknown
    assert (
        layer["max_obstacle_height"]
        >= source["max_obstacle_height"]
        > source["min_obstacle_height"]
        > 0
    )
