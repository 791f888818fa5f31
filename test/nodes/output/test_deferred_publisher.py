"""Publishing one step behind: order, and for what an estimate may wait; by itself and in the real
node.

Not by the clock but by what comes before what: a busy machine sleeps as long as it likes.
"""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
import rclpy
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from depth_ros.core.types import Estimate
from depth_ros.nodes import depth_node
from depth_ros.nodes.output import deferred_publisher, publishers
from depth_ros.nodes.output.deferred_publisher import DeferredPublisher
from nodes import dds


def play(engine_s, publish_s, frames=6):
    """A worker as the node's, with sleeps; gives what happened, in order: (what, frame)."""
    one, log = DeferredPublisher("publish"), []

    def publish(frame):
        log.append(("publishing", frame))
        time.sleep(publish_s)
        log.append(("published", frame))

    for frame in range(frames):
        log.append(("estimating", frame))
        time.sleep(engine_s)
        log.append(("estimated", frame))
        one.submit(lambda frame=frame: publish(frame))
    one.close()
    return log


def between(log, first, last):
    """What happened between two events."""
    return log[log.index(first) + 1 : log.index(last)]


def test_the_engine_goes_on_while_a_frame_is_published():
    one, next_began, met = DeferredPublisher("publish"), threading.Event(), []
    one.submit(lambda: met.append(next_began.wait(10)))
    next_began.set()  # of the next frame: reached only if submit has not waited for the job
    one.close()
    assert met == [True]


@pytest.mark.parametrize(
    "engine_s, publish_s", [(0.005, 0.05), (0.02, 0.05), (0.05, 0.05), (0.04, 0.03)]
)
def test_no_estimate_waits_for_more_than_the_publish_before_it(engine_s, publish_s):
    log = play(engine_s, publish_s)
    assert [frame for what, frame in log if what == "published"] == list(range(6))
    for frame in range(6):
        waited_for = between(log, ("estimated", frame), ("publishing", frame))
        assert {one for what, one in waited_for if what.startswith("publish")} <= {frame - 1}
        meanwhile = between(log, ("publishing", frame), ("published", frame))
        assert not [
            what for what, _ in meanwhile if what in ("publishing", "published")
        ]  # never two at a time


def test_what_a_job_raises_stops_nothing():
    one, done = DeferredPublisher("publish"), threading.Event()
    one.submit(lambda: 1 / 0)
    one.submit(done.set)
    one.close()
    assert done.is_set()


@pytest.mark.parametrize(
    "limit_s, expected", [(60.0, [False, True, True]), (0.0, [False, False, False])]
)
def test_a_job_is_done_at_once_where_the_last_was_short(limit_s, expected, monkeypatch):
    monkeypatch.setattr(deferred_publisher, "_SHORT_S", limit_s)
    here, at_once, one = threading.get_ident(), [], DeferredPublisher("publish")
    for _ in range(3):
        one.submit(lambda: at_once.append(threading.get_ident() == here))
        one.wait()
    one.close()
    assert at_once == expected  # of the first nothing is known


def is_beside(log, frame):
    """Whether the engine was at work on another frame while this one was published."""
    begin, end = log.index(("publishing", frame)), log.index(("published", frame))
    others = [other for what, other in log[:end] if what == "estimating" and other != frame]
    return any(("estimated", other) not in log[:begin] for other in others)


class SlowEngine:
    """Answers after a while with depth 1 m; notes begin and end."""

    is_metric = True
    scale = None
    scale_name = "stereo"
    engines = ()
    engine = SimpleNamespace(
        name="slow", model_hash="0", spec=SimpleNamespace(name="slow", scale_source="stereo")
    )

    def __init__(self, engine_s, log):
        self._engine_s, self._log = engine_s, log

    def estimate(self, frame):
        self._log.append(("estimating", frame.stamp_ns))
        time.sleep(self._engine_s)
        self._log.append(("estimated", frame.stamp_ns))
        depth = np.ones(frame.left.shape[:2], np.float32)
        return Estimate(
            frame.stamp_ns, frame.frame_id, frame.rig, frame.left, depth, None, None, {}
        )


@pytest.mark.parametrize("engine_s, publish_s", [(0.02, 0.05), (0.05, 0.03)])
def test_the_node_delays_no_estimate_by_more_than_one_publish(engine_s, publish_s, monkeypatch):
    domain_id, log = dds.domain(7), []
    slow = SlowEngine(engine_s, log)
    real = publishers.Outputs.publish

    def publish(self, estimate, *more):
        log.append(("publishing", estimate.stamp_ns))
        time.sleep(publish_s)
        real(self, estimate, *more)
        log.append(("published", estimate.stamp_ns))

    monkeypatch.setattr(publishers.Outputs, "publish", publish)
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
        stamps = [stamp_ns for what, stamp_ns in log if what == "published"]
        assert stamps == sorted(stamps) and len(stamps) > 8 and set(stamps) <= set(sent)
        for before_ns, stamp_ns in zip(stamps, stamps[1:]):
            waited_for = between(log, ("estimated", stamp_ns), ("publishing", stamp_ns))
            assert {seen_ns for what, seen_ns in waited_for if what.startswith("publish")} <= {
                before_ns
            }
        assert sum(is_beside(log, stamp_ns) for stamp_ns in stamps) > len(stamps) / 2
        counted = node.statistics
        assert (
            counted.frames_out + counted.drops["busy"] + counted.drops["no_subscriber"]
            == counted.frames_in
        )
        assert set(world.heard["depth/image_rect"]) == set(stamps)
    finally:
        world.close()
        node.free()
        node.destroy_node()
        rclpy.try_shutdown(context=context)
