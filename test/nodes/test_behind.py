"""Publishing one step behind: order, and how late an estimate may be; by itself and in the real node."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
import rclpy
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from depth_ros.core.frame import Estimate
from depth_ros.nodes import depth_node, outputs
from depth_ros.nodes.behind import Behind

from . import dds

ENGINE_S, PUBLISH_S = 0.04, 0.03


def play(engine_s, publish_s, frames=6):
    """A worker as the node's, with sleeps; gives [(frame, estimated at, publishing began, published)] and its span."""
    behind, marks, start = Behind("publish"), [], time.monotonic()

    def publish(frame, estimated_s):
        began_s = time.monotonic()
        time.sleep(publish_s)
        marks.append((frame, estimated_s, began_s, time.monotonic()))

    for frame in range(frames):
        time.sleep(engine_s)
        estimated_s = time.monotonic()
        behind.submit(lambda frame=frame, at=estimated_s: publish(frame, at))
    behind.close()
    return marks, time.monotonic() - start


def test_a_fast_publish_costs_the_engine_nothing():
    marks, span_s = play(ENGINE_S, PUBLISH_S)
    assert [mark[0] for mark in marks] == list(range(6))
    assert span_s < 6 * (ENGINE_S + PUBLISH_S) - 2 * PUBLISH_S  # one after the other would take all of it
    assert all(began - estimated < PUBLISH_S for _, estimated, began, _ in marks)


@pytest.mark.parametrize("engine_s, publish_s", [(0.005, 0.05), (0.02, 0.05), (0.05, 0.05)])
def test_no_estimate_waits_for_more_than_one_publish(engine_s, publish_s):
    marks, _ = play(engine_s, publish_s)
    assert [mark[0] for mark in marks] == list(range(6))
    for _, estimated_s, began_s, _ in marks:
        longest_s = max(done - began for _, _, began, done in marks)  # a sleep on a busy machine takes longer
        assert began_s - estimated_s < longest_s + 0.02
    for before, after in zip(marks, marks[1:]):
        assert after[2] >= before[3]  # never two at a time


def test_what_a_job_raises_stops_nothing():
    behind, done = Behind("publish"), threading.Event()
    behind.submit(lambda: 1 / 0)
    behind.submit(done.set)
    behind.close()
    assert done.is_set()


class SlowEngine:
    """Answers after a while with depth 1 m; notes when."""

    is_metric, scale = True, None
    engine = SimpleNamespace(name="slow", model_hash="0", spec=SimpleNamespace(name="slow", scale_source="stereo"))

    def __init__(self, engine_s):
        self._engine_s, self.answered_s = engine_s, {}

    def estimate(self, frame):
        time.sleep(self._engine_s)
        self.answered_s[frame.stamp_ns] = time.monotonic()
        depth = np.ones(frame.left.shape[:2], np.float32)
        return Estimate(frame.stamp_ns, frame.frame_id, frame.rig, frame.left, depth, None, None, {})


@pytest.mark.parametrize("engine_s, publish_s", [(0.02, 0.05), (0.05, 0.03)])
def test_the_node_delays_no_estimate_by_more_than_one_publish(engine_s, publish_s, monkeypatch):
    domain_id, slow, published = dds.domain(7), SlowEngine(engine_s), []
    real = outputs.Outputs.publish

    def publish(self, estimate, *more):
        began_s = time.monotonic()
        time.sleep(publish_s)
        real(self, estimate, *more)
        published.append((estimate.stamp_ns, began_s, time.monotonic()))

    monkeypatch.setattr(outputs.Outputs, "publish", publish)
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=domain_id)
    off = Parameter("egomotion_method", value="off")
    node = depth_node.DepthNode(lambda parameters: slow, context=context, parameter_overrides=[off])
    assert node.autostart()
    world = dds.World(domain_id)
    try:
        world.listen("depth/image_rect", Image)
        world.wait_for_node()
        assert world.wait(lambda: world.ros.count_publishers("depth/image_rect"))
        sent = [world.send() for _ in range(60) if world.wait(lambda: False, 0.015) is False]
        world.wait(lambda: False, 0.3)
        stamps = [stamp_ns for stamp_ns, _, _ in published]
        assert stamps == sorted(stamps) and len(stamps) > 8 and set(stamps) <= set(sent)
        longest_s = max(done_s - began_s for _, began_s, done_s in published)
        for stamp_ns, began_s, _ in published:
            assert began_s - slow.answered_s[stamp_ns] < longest_s + 0.02
        period_s = np.median(np.diff([began_s for _, began_s, _ in published]))
        assert period_s < engine_s + publish_s - 0.01  # one after the other would take the sum
        counted = node.statistics
        assert counted.frames_out + counted.drops["busy"] + counted.drops["no_subscriber"] == counted.frames_in
        assert set(world.heard["depth/image_rect"]) == set(stamps)
    finally:
        world.close()
        node.free()
        node.destroy_node()
        rclpy.try_shutdown(context=context)
