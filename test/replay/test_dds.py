"""The replay over DDS: bookkeeping without ROS, then once for real."""

import json
import struct

import pytest

from depth_ros.core.errors import InputError
from depth_ros.replay.account import NodeCounters, Sent, account
from depth_ros.replay.bag import Bag, cdr_stamp_ns
from depth_ros.replay.dds import Arrival, _Ledger, fill, node_parameters, read_entries, replay, with_stamp
from depth_ros.replay.evaluate import Evaluation
from depth_ros.replay.figures import to_report
from depth_ros.replay.sample import open_source

from .conftest import START_NS, STEP_NS, STORE

TEN = {stamp: 0 for stamp in range(10)}


def test_stamp_changes_and_nothing_else(make_bag):
    entry = next(read_entries(Bag(make_bag())))
    changed = with_stamp(entry.raw, 12 * 10**9 + 34)
    message, before = (STORE.deserialize_cdr(raw, "sensor_msgs/msg/CameraInfo") for raw in (changed, entry.raw))
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
    assert message.header.frame_id == before.header.frame_id and message.p.tolist() == before.p.tolist()


def test_stamp_of_big_endian_bytes():
    raw = b"\x00\x00\x00\x00" + struct.pack(">iI", 3, 4)
    assert cdr_stamp_ns(raw) == 3_000_000_004 and with_stamp(raw, 3_000_000_004) == raw


def test_parameters_follow_the_bag(bag_builder, pair):
    bag = bag_builder()
    for side, image in zip(("left", "right"), pair, strict=True):
        bag.info(side, START_NS)
        bag.compressed(side, START_NS, image)
    parameters = node_parameters(Bag(bag.close()).topics, None, "sgbm", 64, 0.01)
    assert parameters["left_image_topic"] == "/left/image_rect" and parameters["image_transport"] == "compressed"
    assert parameters["rectify"] is False and parameters["right_info_topic"] == "/right/camera_info"


@pytest.mark.parametrize(
    "answered, counters, expected",
    [
        (range(10), NodeCounters(), {}),
        (range(6), NodeCounters({"left": 10, "right": 10}, 6, {"busy": 4}), {"busy": 4}),
        (range(6), NodeCounters({"left": 10, "right": 10}, 9, {"busy": 1}), {"busy": 1, "lost_after_node": 3}),
        (
            range(7),
            NodeCounters({"left": 10, "right": 8}, 7, {"unmatched": 3}),
            {"lost_before_node": 2, "unmatched": 1},
        ),
        (range(7), NodeCounters({"left": 10, "right": 10}, 7, {}), {"unexplained": 3}),
    ],
)
def test_account_adds_up(answered, counters, expected):
    sent = Sent(dict(TEN), {"left": 10, "right": 10})
    dropped = account(sent, set(answered), counters)
    assert dropped == expected and len(answered) + sum(dropped.values()) == 10


def test_ledger_pairs_by_the_recording():
    ledger = _Ledger(tolerance_ns=2)
    for side, stamp_ns, sent_ns in (("left", 10, 1), ("right", 12, 5), ("left", 20, 6), ("right", 30, 7)):
        ledger.add(side, stamp_ns, sent_ns)
    sent = ledger.close()
    assert sent.pairs == {10: 5} and sent.singles == 2 and sent.messages == {"left": 2, "right": 2}


def test_latency_and_age():
    run = Evaluation("b", "m", "sgbm")
    sent = Sent({100: 5_000_000, 200: 6_000_000}, {"left": 2, "right": 2})
    fill(run, sent, 1000, {1100: Arrival(9_000_000, 2_001_100)}, NodeCounters(drops={"busy": 1}))
    assert run.latency_ms == [4.0] and run.age_ms == [2.0]
    assert run.frames_in == 2 and run.dropped == {"busy": 1}


def test_scenes_cannot_be_replayed(make_scene):
    with pytest.raises(InputError, match="expected a bag for --replay"):
        replay(open_source(make_scene()), None, "sgbm", 32)


def test_real_node_answers_or_counts_every_pair(bag_builder, pair, tmp_path):
    """Raw images in a bag in which one image has no partner and one cannot be decoded."""
    pytest.importorskip("rclpy")
    bag = bag_builder()
    for i in range(6):
        stamp_ns = START_NS + i * STEP_NS
        for side, image in zip(("left", "right"), pair, strict=True):
            bag.info(side, stamp_ns)
            if (side, i) != ("right", 2):
                bag.image(side, stamp_ns, image, **({"encoding": "yuv9"} if i == 4 else {}))
    run = replay(Bag(bag.close()), None, "sgbm", 32)
    report = to_report(run)
    assert report["frames"] == {"in": 6, "out": 4, "dropped": {"bad_image": 1, "unmatched_in_bag": 1}}
    assert set(report["latency_ms"]) == {"p50", "p95", "p99", "engine_p50"}
    assert 0 < report["latency_ms"]["engine_p50"] < report["latency_ms"]["p50"] < 2000
    assert len(run.age_ms) == 4 and run.results[0].coverage == 1.0
    json.dumps(report, allow_nan=False)
