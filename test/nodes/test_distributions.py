"""The messages that the node and the replay use are the same in Humble, Jazzy, Kilted and
Lyrical, field by field.
"""

import ast
from pathlib import Path

import pytest
from rosbags.typesys import Stores, get_typestore

ROOT = Path(__file__).resolve().parents[2] / "depth_ros"
DISTRIBUTIONS = ("HUMBLE", "JAZZY", "KILTED", "LYRICAL")  # tested on Kilted's wheels


def used():
    """Every message that depth_ros imports, as package/msg/Name, and what lies inside them."""
    names = {"tf2_msgs/msg/TFMessage"}  # imported by its name at run time
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("_msgs.msg"):
                names |= {f"{node.module.split('.')[0]}/msg/{alias.name}" for alias in node.names}
    return sorted(names)


def fields(store, name, seen=()):
    """A definition as nested (field, type), so that a change further down is seen too."""
    return [
        (field, kind if name in seen else described(store, kind, (*seen, name)))
        for field, kind in store.fielddefs[name][1]
    ]


def described(store, kind, seen):
    """A field's type; messages inside it by their own fields."""
    node, value = kind
    if node.name == "NAME":
        return (value, fields(store, value, seen))
    if node.name in ("ARRAY", "SEQUENCE"):
        return (node.name, described(store, value[0], seen), value[1:])
    return (node.name, value)


@pytest.fixture(scope="module")
def stores():
    return {name: get_typestore(getattr(Stores, f"ROS2_{name}")) for name in DISTRIBUTIONS}


def test_messages_are_found():
    assert {
        "sensor_msgs/msg/Image",
        "stereo_msgs/msg/DisparityImage",
        "nav_msgs/msg/Odometry",
    } <= set(used())


@pytest.mark.parametrize("name", used())
def test_definitions_agree(name, stores):
    missing = [
        distribution for distribution, store in stores.items() if name not in store.fielddefs
    ]
    assert not missing
    kilted = fields(stores["KILTED"], name)
    different = [
        distribution for distribution, store in stores.items() if fields(store, name) != kilted
    ]
    assert not different


def test_a_change_would_be_seen(stores):
    """RegionOfInterest lies two levels deep in DisparityImage."""
    text = str(fields(stores["HUMBLE"], "stereo_msgs/msg/DisparityImage"))
    assert "do_rectify" in text and "nanosec" in text


def test_ros_1_is_not_the_same(stores):
    """Noetic's header has a sequence number: the comparison can fail."""
    noetic = get_typestore(Stores.ROS1_NOETIC)
    assert fields(noetic, "sensor_msgs/msg/Image") != fields(
        stores["KILTED"], "sensor_msgs/msg/Image"
    )
