"""Counts of the node: what was dropped, and which frames."""

from depth_ros.nodes.health.statistics import Statistics


def test_dropped_frames_are_named_once():
    statistics = Statistics()
    statistics.drop("busy", stamp_ns=10)
    statistics.drop("bad_image", "expected rgb8", 20)
    statistics.drop("bad_image", "one that nobody could read")
    assert (
        statistics.take_log() == [(10, "busy"), (20, "bad_image")] and statistics.take_log() == []
    )
    assert dict(statistics.drops) == {"busy": 1, "bad_image": 2}


def test_the_log_is_bounded_and_keeps_the_newest():
    statistics = Statistics()
    for stamp_ns in range(1000):
        statistics.drop("busy", stamp_ns=stamp_ns)
    log = statistics.take_log()
    assert len(log) == 256 and log[-1] == (999, "busy") and statistics.drops["busy"] == 1000
