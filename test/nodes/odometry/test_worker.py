import threading
import time

import numpy as np
import pytest

from depth_ros.core.lie import se3_exp
from depth_ros.core.types import Estimate
from depth_ros.nodes.odometry.worker import MotionWorker
from depth_ros.odometry import OdometryInputs
from nodes.ego import STEP_NS, Ego, stereo_estimate

STEPS = [se3_exp([0.1 * i, 0.2, 1.0, 0.02, -0.03 * i, 0.01]) for i in range(1, 5)]


@pytest.fixture
def ego():
    return Ego()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def worker(ego, heard):
    worker = MotionWorker(ego, lambda motion, frame_id: heard.append((motion.stamp_ns, frame_id)))
    worker.start()
    yield worker
    worker.stop()


def until(condition, limit_s=5.0):
    end = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    assert condition()


@pytest.fixture
def block(ego):
    """Hold the worker inside its first frame; gives what lets it go."""
    inside, go = threading.Event(), threading.Event()

    def wait():
        inside.set()
        go.wait(5)

    ego.wait = wait
    yield inside, go
    go.set()


def test_a_stereo_frame_arrives_whole(worker, ego, heard):
    estimate = stereo_estimate(5, "left", sigma_m=np.ones((12, 16), np.float32))
    worker.put(estimate)
    until(lambda: heard)
    frame = ego.frames[0]
    assert (frame.stamp_ns, frame.baseline_m, frame.camera, frame.scale) == (
        5,
        0.2,
        estimate.camera,
        "stereo baseline",
    )
    assert frame.image is estimate.left and frame.right is estimate.right
    assert (
        frame.depth is estimate.depth
        and frame.sigma_m is estimate.sigma_m
        and frame.network_motion is None
    )
    assert heard == [(5, "left")]


def test_a_mono_frame_has_no_baseline(worker, ego, heard):
    pair = stereo_estimate(5)
    worker.put(
        Estimate(
            5, "c", None, pair.left, pair.depth, None, camera=pair.camera, scale="camera height"
        )
    )
    until(lambda: heard)
    frame = ego.frames[0]
    assert (frame.is_stereo, frame.baseline_m, frame.scale) == (False, None, "camera height")


def test_the_newest_wins_and_the_network_bridges_what_was_dropped(worker, ego, heard, block):
    inside, go = block
    worker.put(stereo_estimate(0))
    assert inside.wait(5)
    for i, step in enumerate(STEPS[:3]):  # the first is let go behind them: none may wait for it
        worker.put(stereo_estimate((i + 1) * STEP_NS, prev_T_curr=step, prev_stamp_ns=i * STEP_NS))
    assert len(ego.frames) == 0 and not heard
    go.set()
    until(lambda: len(heard) == 2)
    assert [stamp for stamp, _ in heard] == [0, 3 * STEP_NS] and worker.dropped == 2
    np.testing.assert_allclose(ego.frames[1].network_motion, STEPS[0] @ STEPS[1] @ STEPS[2])


def test_a_fault_is_counted_and_the_next_frame_answered(worker, ego, heard):
    def fail():
        raise RuntimeError("no such picture")

    ego.wait = fail
    worker.put(stereo_estimate(0))
    until(lambda: worker.faults == 1)
    assert worker.fault_text == "RuntimeError: no such picture"
    ego.wait = lambda: None
    worker.put(stereo_estimate(STEP_NS))
    until(lambda: heard == [(STEP_NS, "camera_optical")])


def test_after_a_reset_nothing_of_before_is_published(worker, ego, heard, block):
    inside, go = block
    worker.put(stereo_estimate(0))
    assert inside.wait(5)
    resetting = threading.Thread(target=worker.reset)
    resetting.start()
    time.sleep(0.05)
    assert ego.resets == 2 and not heard  # its own, and that of start
    go.set()
    resetting.join(5)
    assert heard == [(0, "camera_optical")] and (ego.resets, worker.resets, worker.latest) == (
        3,
        1,
        None,
    )


def test_the_imu_is_asked_for_each_frame(ego, heard):
    asked = []
    worker = MotionWorker(
        ego,
        lambda *item: heard.append(item),
        OdometryInputs(imu=lambda *item: asked.append(item) or ["sample"]),
    )
    worker.start()
    worker.put(stereo_estimate(7, "front"))
    until(lambda: heard)
    worker.stop()
    assert (asked, ego.imu) == ([(7, "front")], [["sample"]])


def test_stop_counts_what_it_leaves(worker, ego, block):
    inside, go = block
    worker.put(stereo_estimate(0))
    assert inside.wait(5)
    worker.put(stereo_estimate(STEP_NS))
    threading.Timer(0.05, go.set).start()
    worker.stop()
    assert worker.dropped == 1 and len(ego.frames) == 1
    worker.put(stereo_estimate(2 * STEP_NS))  # goes nowhere
    assert len(ego.frames) == 1


def test_one_camera_without_metres_gets_wheels_and_height_but_no_relative_steps(ego, heard):
    asked = []

    def travelled_m(start_ns, end_ns):
        asked.append((start_ns, end_ns))
        return 0.25

    worker = MotionWorker(
        ego,
        lambda *item: heard.append(item),
        OdometryInputs(travelled_m=travelled_m, camera_height_m=1.2),
    )
    worker.start()
    pair = stereo_estimate(0)
    for i in range(2):
        relative = {
            "prev_T_curr": STEPS[0],
            "prev_stamp_ns": (i - 1) * STEP_NS,
            "scale": "none",
            "camera": pair.camera,
        }
        worker.put(Estimate(i * STEP_NS, "c", None, pair.left, None, None, **relative))
        until(lambda: len(heard) == i + 1)  # noqa: B023 - called at once
    worker.stop()
    first, second = ego.frames
    assert (first.travelled_m, second.travelled_m, second.camera_height_m) == (None, 0.25, 1.2)
    assert asked == [(0, STEP_NS)]
    assert second.scale == "" and second.network_motion is None, "relative steps are no metres"
