"""Images by the receiver and by the executor: the same pairs, byte for byte, and what chooses
between the two.
"""

import importlib
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from depth_ros.nodes.fast_path import event_callbacks, receiver
from depth_ros.nodes.health.statistics import Statistics
from depth_ros.nodes.input.subscriptions import Inputs
from depth_ros.nodes.parameters import Parameters
from depth_ros.recordings.decode import image_to_rgb, stamp_to_ns
from nodes import dds

DOMAIN = dds.domain(8)


class Rig:
    """The inputs of a node in this process, and a camera for them."""

    def __init__(self):
        self.world = dds.World(DOMAIN)
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=DOMAIN)
        self.node = rclpy.create_node("inputs", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.statistics, self.pairs = Statistics(), []
        self.inputs = Inputs(self.node, Parameters(), self.statistics, self.pairs.append)
        self.world.wait_for_node()
        ours = (
            self.inputs._subscriptions.values()
        )  # a camera is matched by both sides, not at the same time
        assert self.wait(lambda: all(subscription.get_publisher_count() for subscription in ours))

    def wait(self, condition, limit_s=8.0):
        end = time.monotonic() + limit_s
        while not condition() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)
        return condition()

    def close(self):
        self.inputs.destroy()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
        self.world.close()


def without(name, monkeypatch):
    """An rclpy whose C++ part lacks something, as a later one may."""
    real = receiver._rclpy()
    kept = {n: getattr(real, n) for n in ("WaitSet", "GuardCondition") if n != name}
    monkeypatch.setattr(receiver, "_rclpy", lambda: SimpleNamespace(**kept))


@pytest.fixture(params=["own wait set", "executor"])
def rig(request, monkeypatch):
    if request.param == "executor":
        without("WaitSet", monkeypatch)
    rig = Rig()
    assert rig.inputs.path.startswith(request.param)
    yield rig
    rig.close()


def test_both_ways_give_what_plain_messages_give(rig):
    for number in range(5):
        stamp_ns = rig.world.next_stamp()
        left, right = dds.pair(stamp_ns, 3 + number)
        rig.world.send_infos(stamp_ns)
        rig.world.send_images(left, right)
        assert rig.wait(lambda number=number: len(rig.pairs) > number)
        pair = rig.pairs[number]
        assert pair.stamp_ns == stamp_ns
        for got, sent in ((pair.left, left), (pair.right, right)):
            plain = deserialize_message(serialize_message(sent), Image)
            assert stamp_to_ns(got.header.stamp) == stamp_to_ns(plain.header.stamp)
            for name in ("height", "width", "encoding", "is_bigendian", "step"):
                assert getattr(got, name) == getattr(plain, name)
            assert got.header.frame_id == plain.header.frame_id
            assert bytes(got.data) == bytes(plain.data)
            np.testing.assert_array_equal(image_to_rgb(got), image_to_rgb(plain))
    assert rig.statistics.received == {
        f"{s} {w}": 5 for s in ("left", "right") for w in ("image", "camera_info")
    }


def test_both_ways_wait_for_camera_infos_that_come_late(rig):
    first, second = rig.world.next_stamp(), rig.world.next_stamp()
    rig.world.send(first)
    assert rig.wait(lambda: len(rig.pairs) == 1)
    rig.world.send_images(*dds.pair(second))
    rig.wait(lambda: len(rig.pairs) == 2, 0.3)
    assert len(rig.pairs) == 1
    rig.world.send_infos(second, baseline_m=0.5)
    assert rig.wait(lambda: len(rig.pairs) == 2)
    assert rig.pairs[1].calibrations[1].P[3] == -0.5 * dds.FX


def test_both_ways_count_what_cannot_be_read(rig):
    rig.world.images["left"].publish(b"\0\1\0\0" + b"\xff" * 60)
    assert rig.wait(lambda: rig.statistics.drops["bad_image"] == 1)
    rig.world.send()
    assert rig.wait(lambda: len(rig.pairs) == 1)


@pytest.mark.parametrize("name", ["WaitSet", "GuardCondition"])
def test_what_rclpy_lacks_is_named(name, monkeypatch):
    without(name, monkeypatch)
    rig = Rig()
    try:
        assert rig.inputs.path.startswith("executor (AttributeError") and name in rig.inputs.path
    finally:
        rig.close()


def test_a_wait_set_with_other_methods_is_found_out_before_the_thread_starts(monkeypatch):
    real = receiver._rclpy()

    class Other:
        def __init__(self, *counts):
            pass

        def clear_entities(self):
            raise TypeError("another interface")

    monkeypatch.setattr(
        receiver,
        "_rclpy",
        lambda: SimpleNamespace(WaitSet=Other, GuardCondition=real.GuardCondition),
    )
    rig = Rig()
    try:
        assert rig.inputs.path == "executor (TypeError: another interface)"
    finally:
        rig.close()


def test_the_executor_takes_over_where_the_thread_ends(monkeypatch):
    rig = Rig()
    try:
        rig.world.send()
        assert rig.wait(lambda: len(rig.pairs) == 1)
        monkeypatch.setattr(rig.inputs._receiver, "_take", lambda name: 1 / 0)
        rig.world.send()
        assert rig.wait(lambda: rig.inputs.path.startswith("executor (ZeroDivisionError"))
        rig.world.send()
        assert rig.wait(
            lambda: len(rig.pairs) == 3
        )  # the second pair, too, is still there to be taken
    finally:
        rig.close()


def test_quiet_has_the_names_of_humble(monkeypatch):
    class Callbacks:
        def __init__(self, *, use_default_callbacks):
            self.use_default_callbacks = use_default_callbacks

    humble = SimpleNamespace(
        PublisherEventCallbacks=Callbacks, SubscriptionEventCallbacks=Callbacks
    )
    monkeypatch.setitem(sys.modules, "rclpy.event_handler", None)  # Humble has none
    monkeypatch.setitem(sys.modules, "rclpy.qos_event", humble)
    try:
        importlib.reload(event_callbacks)
        assert isinstance(event_callbacks.NO_SUBSCRIPTION_EVENTS, Callbacks) and isinstance(
            event_callbacks.NO_PUBLISHER_EVENTS, Callbacks
        )
        assert event_callbacks.NO_PUBLISHER_EVENTS.use_default_callbacks is False
    finally:
        monkeypatch.undo()
        importlib.reload(event_callbacks)


def test_only_quiet_knows_where_events_live():
    sources = (dds.ROOT / "depth_ros").rglob("*.py")
    assert [
        p.name for p in sources if "event_handler" in p.read_text() or "qos_event" in p.read_text()
    ] == ["event_callbacks.py"]
