"""Images by librcl and by rclpy: the same message arrives; what is refused, and what chooses
between the two.
"""

import numpy as np
import pytest

pytest.importorskip("rclpy")
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image

from depth_ros.core.errors import ImageError
from depth_ros.nodes.fast_path import image_sender
from depth_ros.nodes.fast_path.image_sender import ImageSender
from depth_ros.nodes.output.messages import array_to_image, make_header
from nodes import dds

STAMP_NS = 1_700_000_000_123_456_789


class Wire:
    """A lifecycle publisher, and a subscriber that keeps the serialised messages."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=dds.domain(9))
        self.node = LifecycleNode("sender", context=self.context)
        self.publisher = self.node.create_lifecycle_publisher(Image, "image", 5)
        self.heard = []
        self.node.create_subscription(Image, "image", self.heard.append, 5, raw=True)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.publisher.on_activate(None)
        assert self.wait(self.publisher.get_subscription_count)

    def wait(self, condition, turns=400):
        for _ in range(turns):
            if condition():
                return True
            self.executor.spin_once(timeout_sec=0.02)
        return False

    def receive(self):
        assert self.wait(lambda: self.heard)
        return self.heard.pop(0)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def wire():
    wire = Wire()
    yield wire
    wire.close()


def arrays():
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 9, (7, 5)).astype(np.float32)
    depth[2, 3] = np.nan
    return {
        "32FC1": depth,
        "16UC1": rng.integers(0, 9999, (6, 3)).astype(np.uint16),
        "rgb8": rng.integers(0, 256, (3, 5, 3)).astype(np.uint8),
        "strided": rng.uniform(0.5, 9, (8, 12)).astype(np.float32)[::2, 1::3],
    }


@pytest.mark.parametrize("name", arrays())
@pytest.mark.parametrize("frame_id", ["", "left", "a_longer_camera_frame"])
def test_what_arrives_is_what_rclpy_sends(wire, name, frame_id):
    array, encoding = arrays()[name], name if name != "strided" else "32FC1"
    sender = ImageSender(wire.publisher)
    assert sender.why_plain == ""
    for stamp_ns in (STAMP_NS, STAMP_NS + 33_000_001):
        wire.publisher.publish(array_to_image(array, encoding, make_header(stamp_ns, frame_id)))
        plain = wire.receive()
        sender.send(array, encoding, stamp_ns, frame_id)
        ours = wire.receive()
        assert (
            len(ours) == len(plain)
            and ours[-array.nbytes :] == plain[-array.nbytes :] == array.tobytes()
        )
        assert deserialize_message(ours, Image) == deserialize_message(
            plain, Image
        )  # gaps may hold anything


def test_a_change_of_frame_size_or_encoding_is_laid_out_anew(wire):
    sender = ImageSender(wire.publisher)
    sent = [*arrays().items()][:3] + [("32FC1", np.ones((1, 1), np.float32))]
    for frame_id, (encoding, array) in zip(("a", "b", "b", "b"), sent):
        sender.send(array, encoding, STAMP_NS, frame_id)
        got = deserialize_message(wire.receive(), Image)
        assert (got.header.frame_id, got.encoding, got.height, got.width) == (
            frame_id,
            encoding,
            *array.shape[:2],
        )
        assert bytes(got.data) == array.tobytes() and got.step * got.height == array.nbytes


def test_nothing_is_sent_while_inactive_and_a_destroyed_publisher_is_named(wire):
    sender, array = ImageSender(wire.publisher), arrays()["32FC1"]
    wire.publisher.on_deactivate(None)
    sender.send(array, "32FC1", STAMP_NS, "left")
    wire.publisher.on_activate(None)
    sender.send(array, "32FC1", STAMP_NS + 5, "left")
    assert deserialize_message(wire.receive(), Image).header.stamp.nanosec == STAMP_NS % 10**9 + 5
    wire.node.destroy_lifecycle_publisher(wire.publisher)
    with pytest.raises(Exception, match="(?i)destr|invalid"):
        sender.send(array, "32FC1", STAMP_NS, "left")


def test_an_array_of_another_type_is_refused(wire):
    with pytest.raises(ImageError, match="float64"):
        ImageSender(wire.publisher).send(np.ones((2, 2)), "32FC1", STAMP_NS, "left")


@pytest.mark.parametrize("name", ["rcl_publish_serialized_message", "rcutils_uint8_array_init"])
def test_rclpy_publishes_where_a_library_lacks_something(wire, name, monkeypatch):
    real = image_sender._function

    def function(library, wanted, *takes, **options):
        if wanted == name:
            raise AttributeError(f"undefined symbol: {wanted}")
        return real(library, wanted, *takes, **options)

    monkeypatch.setattr(image_sender, "_function", function)
    sender, array = ImageSender(wire.publisher), arrays()["rgb8"]
    assert sender.why_plain == f"AttributeError: undefined symbol: {name}"
    sender.send(array, "rgb8", STAMP_NS, "left")
    got = deserialize_message(wire.receive(), Image)
    assert bytes(got.data) == array.tobytes() and got.header.frame_id == "left"


def test_another_layout_is_found_out(wire, monkeypatch):
    fields = [
        ("length", image_sender._NUMBER),
        ("buffer", image_sender._ADDRESS),
        *image_sender._Message._fields_[2:],
    ]
    other = type("Other", (image_sender.ctypes.Structure,), {"_fields_": fields})
    monkeypatch.setattr(image_sender, "_Message", other)
    assert "another" in ImageSender(wire.publisher).why_plain
