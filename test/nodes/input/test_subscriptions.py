"""What the subscriptions see of a graph, over real DDS."""

import pytest

pytest.importorskip("rclpy")
import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CompressedImage, Image

from depth_ros.nodes.health.statistics import Statistics
from depth_ros.nodes.health.watchdog import Snapshot, explain
from depth_ros.nodes.input.subscriptions import Inputs
from depth_ros.nodes.parameters import Parameters
from nodes import dds


class Bench:
    """Inputs of a node, and another node beside it."""

    def __init__(self, number, on_odometry=None, **parameters):
        self.world = dds.World(dds.domain(number), sides=())
        self.context = rclpy.Context()  # its own: a participant cannot have two types on a topic
        rclpy.init(args=[], context=self.context, domain_id=dds.domain(number))
        self.node = rclpy.create_node("inputs", context=self.context)
        self.statistics, self.pairs = Statistics(), []
        parameters = Parameters(mode="mono", **parameters)
        self.inputs = Inputs(self.node, parameters, self.statistics, self.pairs.append, on_odometry)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def reasons(self):
        return "\n".join(explain(Snapshot(6.0, self.inputs.streams())))

    def close(self):
        self.inputs.destroy()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
        self.world.close()


@pytest.fixture
def make_bench():
    benches = []

    def make(*args, **parameters):
        benches.append(Bench(*args, **parameters))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.mark.parametrize(
    "kind, topic, parameters, words",
    [
        (
            CompressedImage,
            "image_rect/compressed",
            {},
            "it is there as /image_rect/compressed: set image_transport: compressed",
        ),
        (
            Image,
            "image_rect",
            {"image_transport": "compressed"},
            "it is there as raw images on /image_rect: set image_transport: raw",
        ),
        (
            CompressedImage,
            "image_rect/compressed",
            {"image_transport": "compressed", "image_topic": "/image_rect/compressed"},
            "it is there as /image_rect/compressed: set image_topic without /compressed",
        ),
        (
            CompressedImage,
            "image_rect/compressed",
            {"image_topic": "/image_rect/compressed"},
            "set image_transport: compressed and image_topic: /image_rect",
        ),
        (
            Image,
            "camera/image_rect",
            {},
            "the same type is published on /camera/image_rect: set image_topic, or remap",
        ),
    ],
)
def test_images_that_are_there_otherwise_are_named_with_the_parameter(
    make_bench, kind, topic, parameters, words
):
    bench = make_bench(34, **parameters)
    bench.world.ros.create_publisher(kind, f"/{topic}", 5)
    assert bench.world.wait(lambda: words in bench.reasons()), bench.reasons()


def test_odometry_that_cannot_be_read_is_counted_and_the_next_is_heard(make_bench):
    heard = []
    bench = make_bench(35, lambda *place: heard.append(place), odometry_topic="/wheels")
    publisher = bench.world.ros.create_publisher(Odometry, "/wheels", 10)
    assert bench.world.wait(publisher.get_subscription_count)
    good = Odometry()
    good.header.stamp.sec = 7
    good.pose.pose.position.x = 2.5

    def said(message, box):
        """Publish it again and again: what is best effort may be lost."""
        publisher.publish(message)
        bench.executor.spin_once(timeout_sec=0.05)
        return box

    assert bench.world.wait(lambda: said(b"\0\1\0\0" + b"\xff" * 9, bench.statistics.drops))
    assert bench.world.wait(lambda: said(good, heard))
    stamp_ns, position = heard[0]
    assert (stamp_ns, position.tolist()) == (7_000_000_000, [2.5, 0.0, 0.0])
    assert set(bench.statistics.drops) == {"bad_message"}
    assert "expected a serialised Odometry, got 13 bytes" in bench.statistics.texts["bad_message"]
