"""QoS by parameters, over real DDS."""

import pytest

pytest.importorskip("rclpy")
import rclpy
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo

from depth_ros.nodes.health.statistics import Statistics
from depth_ros.nodes.input.subscriptions import Inputs
from depth_ros.nodes.parameters import Parameters

from . import dds

LATCHED = {"durability": "transient_local", "reliability": "reliable"}


@pytest.mark.parametrize("overrides, heard", [({}, 0), (LATCHED, 1)])
def test_a_camera_info_that_was_sent_once_before_is_heard_where_durability_asks_for_it(
    overrides, heard
):
    world = dds.World(dds.domain(30), sides=())
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = world.ros.create_publisher(CameraInfo, "camera_info", qos)
    publisher.publish(dds.info(7, 0.0))
    topic = "qos_overrides./camera_info.subscription"
    given = [Parameter(f"{topic}.{name}", value=text) for name, text in overrides.items()]
    node = rclpy.create_node("inputs", context=world.context, parameter_overrides=given)
    statistics = Statistics()
    inputs = Inputs(node, Parameters(mode="mono"), statistics, lambda pair: None)
    try:
        assert world.wait(publisher.get_subscription_count)
        world.wait(
            lambda: inputs.streams() and statistics.received["camera_info"], 8.0 if heard else 1.0
        )
        assert statistics.received["camera_info"] == heard
    finally:
        inputs.destroy()
        node.destroy_node()
        world.close()
