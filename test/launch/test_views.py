"""config/*.rviz and foxglove.json: no RViz is here, so what they name is compared with what the
node publishes.
"""

import json
import re

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry, Path
from ros_launch import ROOT
from sensor_msgs.msg import Image, PointCloud2

from depth_ros.nodes.output.publishers import TOPICS

RVIZ = sorted((ROOT / "config").glob("*.rviz"))
PUBLISHED = {
    **dict(TOPICS.values()),
    "odom": Odometry,
    "path": Path,
    "diagnostics": DiagnosticArray,
}
# rviz_default_plugins 14.3 (plugins_description.xml): display and the type that its topic has;
# None: no topic
TYPES = {
    "Grid": None,
    "TF": None,
    "PointCloud2": PointCloud2,
    "Image": Image,
    "Camera": Image,
    "Odometry": Odometry,
    "Path": Path,
}
OTHERS = {"Interact", "MoveCamera", "Select", "FocusCamera", "Measure", "Orbit"}
QOS = {
    "Reliability Policy": {"Reliable", "Best Effort"},
    "Durability Policy": {"Volatile"},
    "History Policy": {"Keep Last"},
}
ROOTS = {
    "stereo": {"points", "depth/color", "depth/image_rect", "depth/sigma", "odom", "path"},
    "mono": {"points", "depth/color", "depth/image_rect", "inv_depth/image_rect", "odom", "path"},
}
ROOTS["demo"] = ROOTS["stereo"] | ROOTS["mono"]


def name(path):
    return path.stem


def manager(path):
    return yaml.safe_load(path.read_text())["Visualization Manager"]


def displays(path):
    return manager(path)["Displays"]


@pytest.mark.parametrize("path", RVIZ, ids=name)
def test_classes_exist_in_rviz(path):
    classes = re.findall(r"Class: rviz_default_plugins/(\w+)", path.read_text())
    assert classes and set(classes) <= set(TYPES) | OTHERS
    assert set(re.findall(r"Class: (rviz_common/\w+)", path.read_text())) <= {
        "rviz_common/Displays",
        "rviz_common/Views",
        "rviz_common/Time",
    }
    assert manager(path)["Global Options"]["Fixed Frame"] == "odom"


@pytest.mark.parametrize("path", RVIZ, ids=name)
def test_displays_show_topics_of_the_node_with_their_type(path):
    shown = set()
    for display in displays(path):
        kind = TYPES[display["Class"].split("/")[1]]
        assert ("Topic" in display) == (kind is not None)
        if kind is None:
            continue
        topic = display["Topic"]["Value"]
        assert PUBLISHED[topic] is kind, display["Name"]
        shown.add(topic)
        if display["Class"].endswith("/Camera"):  # asks for the camera_info beside it
            assert topic.rsplit("/", 1)[0] + "/camera_info" in PUBLISHED
    assert shown == ROOTS[path.stem]
    assert len({display["Name"] for display in displays(path)}) == len(displays(path))


@pytest.mark.parametrize("path", RVIZ, ids=name)
def test_qos_is_complete_and_matches_reliable_volatile_outputs(path):
    for display in displays(path):
        topic = display.get("Topic", None)
        if topic is not None:
            assert all(topic[key] in values for key, values in QOS.items()) and topic["Depth"] >= 1


@pytest.mark.parametrize("path", RVIZ, ids=name)
def test_the_covariance_of_odometry_is_drawn(path):
    (odometry,) = (display for display in displays(path) if display["Class"].endswith("/Odometry"))
    assert odometry["Covariance"]["Value"] and odometry["Covariance"]["Position"]["Value"]
    assert odometry["Covariance"]["Orientation"]["Value"]


def test_foxglove_shows_topics_of_the_node():
    layout = json.loads((ROOT / "config/foxglove.json").read_text())
    topics = re.findall(r'"/([a-z_/]+)', (ROOT / "config/foxglove.json").read_text())
    assert (
        {"points", "depth/color", "depth/sigma", "odom", "path", "diagnostics"}
        <= set(topics)
        <= set(PUBLISHED)
    )

    def leaves(node):
        return [node] if isinstance(node, str) else leaves(node["first"]) + leaves(node["second"])

    assert sorted(leaves(layout["layout"])) == sorted(layout["configById"])
