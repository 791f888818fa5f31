"""Publishing one step behind: order, and how late an estimate may be."""

import threading
import time

import pytest

from depth_ros.nodes.behind import Behind

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
