from dataclasses import fields

import pytest

pytest.importorskip("rclpy")
import rclpy

from depth_ros.nodes.parameters import ParameterError, Parameters
from depth_ros.nodes.topic_names import check_overrides, refuse_bad_topics, topics_of

from . import dds

OUTPUTS = ("depth/image_rect", "points", "odom")


@pytest.fixture(scope="module")
def node():
    context = rclpy.Context()
    rclpy.init(
        args=["--ros-args", "-r", "left/image_rect:=/cam/l"],
        context=context,
        domain_id=dds.domain(31),
    )
    node = rclpy.create_node(
        "names", context=context, namespace="/front", use_global_arguments=True
    )
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


TOPICS = [item.name for item in fields(Parameters) if item.name.endswith("_topic")]
BAD = {
    "/cam-1/left": "must not contain characters",
    "/192_168_0_155/left": "must not start with a number",
    "/a//b": "repeated '/'",
    "left image": "must not contain characters",
    "/cam/left/": "must not end with a forward slash",
    "/cam.1/left": "must not contain characters",
    "/kamera_ü/left": "must not contain characters",
    "{foo}/left": "unknown substitution",
}


@pytest.mark.parametrize("topic, why", BAD.items())
def test_a_topic_that_ros_refuses_is_named_with_its_parameter(node, topic, why):
    with pytest.raises(ParameterError, match=f"image_topic: expected a topic name, got .*{why}"):
        refuse_bad_topics(node, Parameters(image_topic=topic))


@pytest.mark.parametrize("name", TOPICS)
def test_every_topic_parameter_is_looked_at(node, name):
    with pytest.raises(ParameterError, match=f"^{name}: expected a topic name, got '/a b'"):
        refuse_bad_topics(node, Parameters(**{name: "/a b"}))
    refuse_bad_topics(node, Parameters(**{name: "~/{node}/good_1"}))


def test_topics_are_those_after_namespace_and_remapping(node):
    topics = topics_of(node, Parameters(imu_topic="/imu"), OUTPUTS)
    assert topics["subscription"] == {
        "/cam/l",
        "/front/right/image_rect",
        "/front/left/camera_info",
        "/front/right/camera_info",
        "/imu",
    }
    assert topics["publisher"] == {"/front/depth/image_rect", "/front/points", "/front/odom"}
    topics = topics_of(node, Parameters(mode="mono", image_transport="compressed"), ())
    assert topics["subscription"] == {"/front/image_rect/compressed", "/front/camera_info"}


KNOWN = {"subscription": {"/left/camera_info", "/left/image_rect"}, "publisher": {"/points"}}
IN, OUT = "qos_overrides./left/camera_info.subscription", "qos_overrides./points.publisher"


def test_good_overrides_pass():
    given = {
        f"{IN}.reliability": "reliable",
        f"{IN}.durability": "transient_local",
        f"{IN}.depth": 1,
    }
    given |= {f"{OUT}.history": "keep_last", f"{OUT}.reliability": "best_effort", "mode": "stereo"}
    assert check_overrides(given, KNOWN) == []


@pytest.mark.parametrize(
    "name, value, words",
    [
        (
            f"{IN}.reliability",
            "besteffort",
            "expected one of .*, got 'besteffort': did you mean best_effort?",
        ),
        (
            f"{IN}.reliability",
            "sensor_data",
            "reliability: expected one of system_default, reliable, best_effort",
        ),
        (f"{IN}.reliability", True, "expected one of .*, got True"),
        (f"{IN}.reliability", 1, "got 1"),
        (
            f"{IN}.durability",
            "latched",
            "durability: expected one of .*transient_local.*, got 'latched'",
        ),
        (f"{IN}.history", "unknown", "history: expected one of"),
        (f"{OUT}.depth", "10", "depth: expected a whole number from 1 to 10000, got '10'"),
        (f"{OUT}.depth", 0, "got 0"),
        (f"{OUT}.depth", 2.0, "got 2.0"),
        (f"{OUT}.depth", True, "got True"),
        (
            f"{IN}.reliabilty",
            "reliable",
            "expected one of depth, .*, got 'reliabilty': did you mean reliability",
        ),
        ("qos_overrides./points.publishr.depth", 3, "expected qos_overrides./FULL/TOPIC"),
        ("qos_overrides.points.publisher.depth", 3, "expected qos_overrides./FULL/TOPIC"),
        ("qos_overrides./points", 3, "expected qos_overrides./FULL/TOPIC"),
    ],
)
def test_a_slip_is_refused_with_its_name(name, value, words):
    with pytest.raises(ParameterError, match=words):
        check_overrides({name: value}, KNOWN)


@pytest.mark.parametrize(
    "name, words",
    [
        ("qos_overrides./lefft/camera_info.subscription.depth", "did you mean /left/camera_info?"),
        ("qos_overrides./points.subscription.depth", "of it the node has a publisher"),
        ("qos_overrides./other.publisher.deadline", "is it another node's?"),
    ],
)
def test_an_override_without_effect_is_remarked_upon(name, words):
    (remark,) = check_overrides({name: 3}, KNOWN)
    assert (
        remark.startswith(name.rsplit(".", 1)[0]) and "has no effect" in remark and words in remark
    )
