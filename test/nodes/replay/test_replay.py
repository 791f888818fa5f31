"""The replay over DDS: bookkeeping without ROS, then once for real."""

import json
import struct

import numpy as np
import pytest
from bags import DISPARITY_PX, START_NS, STEP_NS, STORE
from click.testing import CliRunner
from evaluation.test_mono import flat_model

from depth_ros.cli import main as cli
from depth_ros.core.errors import InputError
from depth_ros.engine.spec import ModelSpec
from depth_ros.evaluation.evaluate import Evaluation
from depth_ros.evaluation.report.figures import to_report
from depth_ros.nodes.replay.accounting import NodeCounters, Sent, account, causes_of
from depth_ros.nodes.replay.playback import _Ledger, read_entries, with_stamp
from depth_ros.nodes.replay.replay import Arrival, fill, node_parameters, replay
from depth_ros.recordings.bag import Bag, cdr_stamp_ns
from depth_ros.recordings.sample import open_source

TEN = {stamp: 0 for stamp in range(10)}


def test_stamp_changes_and_nothing_else(make_bag):
    entry = next(read_entries(Bag(make_bag())))
    changed = with_stamp(entry.raw, 12 * 10**9 + 34)
    message, before = (
        STORE.deserialize_cdr(raw, "sensor_msgs/msg/CameraInfo") for raw in (changed, entry.raw)
    )
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
    assert (
        message.header.frame_id == before.header.frame_id
        and message.p.tolist() == before.p.tolist()
    )


def test_stamp_of_big_endian_bytes():
    raw = b"\x00\x00\x00\x00" + struct.pack(">iI", 3, 4)
    assert cdr_stamp_ns(raw) == 3_000_000_004 and with_stamp(raw, 3_000_000_004) == raw


def test_parameters_follow_the_bag(bag_builder, pair):
    bag = bag_builder()
    for side, image in zip(("left", "right"), pair, strict=True):
        bag.info(side, START_NS)
        bag.compressed(side, START_NS, image)
    parameters = node_parameters(Bag(bag.close()).topics, None, "sgbm", 64, 0.01, "off")
    assert (
        parameters["left_image_topic"] == "/left/image_rect"
        and parameters["image_transport"] == "compressed"
    )
    assert parameters["rectify"] is False and parameters["right_info_topic"] == "/right/camera_info"


@pytest.mark.parametrize(
    "answered, counters, expected",
    [
        (range(10), NodeCounters(), {}),
        (range(6), NodeCounters({"left": 10, "right": 10}, 6, {"busy": 4}), {"busy": 4}),
        (
            range(6),
            NodeCounters({"left": 10, "right": 10}, 9, {"busy": 1}),
            {"busy": 1, "lost_after_node": 3},
        ),
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
    for side, stamp_ns, sent_ns in (
        ("left", 10, 1),
        ("right", 12, 5),
        ("left", 20, 6),
        ("right", 30, 7),
    ):
        ledger.add(side, stamp_ns, sent_ns)
    sent = ledger.close()
    assert sent.pairs == {10: 5} and sent.singles == 2 and sent.messages == {"left": 2, "right": 2}


def test_latency_and_age():
    run = Evaluation("b", "m", "sgbm")
    sent = Sent({100: 5_000_000, 200: 6_000_000}, {"left": 2, "right": 2})
    fill(
        run,
        sent,
        1000,
        {1100: Arrival(9_000_000, 2_001_100)},
        NodeCounters(drops={"busy": 1}),
        {1200: "busy"},
    )
    assert run.latency_ms == [4.0] and run.age_ms == [2.0]
    assert run.frames_in == 2 and run.dropped == {"busy": 1} and run.causes == {"200": "busy"}


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
    assert report["frames"] == {
        "in": 6,
        "out": 4,
        "dropped": {"bad_image": 1, "unmatched_in_bag": 1},
    }
    assert set(report["latency_ms"]) == {"p50", "p95", "p99", "engine_p50"}
    assert 0 < report["latency_ms"]["engine_p50"] < report["latency_ms"]["p50"] < 2000
    assert len(run.age_ms) == 4 and run.results[0].coverage == 1.0
    assert run.causes == {
        str(START_NS + 2 * STEP_NS): "unmatched_in_bag",
        str(START_NS + 4 * STEP_NS): "bad_image",
    }
    json.dumps(report, allow_nan=False)


def test_a_cause_that_the_node_did_not_name_is_what_is_left():
    sent = Sent({stamp: 0 for stamp in range(6)}, singles=1, alone=[9])
    dropped = {"busy": 2, "lost_before_node": 1, "lost_after_node": 1, "unmatched_in_bag": 1}
    causes = causes_of(sent, {0, 1}, dropped, {2: "busy", 3: "busy"})
    either = "lost_after_node or lost_before_node"
    assert causes == {2: "busy", 3: "busy", 4: either, 5: either, 9: "unmatched_in_bag"}
    assert causes_of(Sent({1: 0}), set(), {"unexplained": 1}, {}) == {1: "unexplained"}


def mono_parameters(bag_builder, image, compressed):
    bag = bag_builder("compressed" if compressed else "raw")
    bag.info("eye", START_NS)
    (bag.compressed if compressed else bag.image)("eye", START_NS, image)
    return node_parameters(Bag(bag.close(), "mono").topics, None, "auto", 64, 0.0, "hybrid")


def test_parameters_of_one_camera(bag_builder, pair):
    plain, packed = (
        mono_parameters(bag_builder, pair[0], compressed) for compressed in (False, True)
    )
    assert (
        plain["mode"] == "mono"
        and plain["egomotion_method"] == "hybrid"
        and plain["rectify"] is False
    )
    assert (
        plain["image_topic"] == packed["image_topic"] == "/eye/image_rect"
        and "left_image_topic" not in plain
    )
    assert (plain["image_transport"], packed["image_transport"]) == ("raw", "compressed")
    assert plain["info_topic"] == "/eye/camera_info"


def wall_bag(bag_builder, image, n, bad):
    """A bag of one camera that stands still before a wall at 5 m; one image cannot be decoded."""
    bag = bag_builder()
    for i in range(n):
        stamp_ns = START_NS + i * STEP_NS
        bag.info("eye", stamp_ns)
        bag.image("eye", stamp_ns, image, **({"encoding": "yuv9"} if i == bad else {}))
        bag.depth(stamp_ns, np.full(image.shape[:2], 5.0, np.float32))
        bag.odometry(stamp_ns, np.eye(4))
    return bag.close()


def test_one_camera_without_metres_in_the_real_node(bag_builder, pair, tmp_path):
    pytest.importorskip("rclpy")
    spec = ModelSpec("tiny", "mono", ("image",), ("depth",), 0, 0, scale_source="none")
    model = flat_model(tmp_path / "flat.onnx", spec, depth=4.0)
    run = replay(Bag(wall_bag(bag_builder, pair[0], n=4, bad=2), "mono"), model, "onnxruntime", 32)
    report = to_report(run)
    assert (report["mode"], report["frames"]) == (
        "mono",
        {"in": 4, "out": 3, "dropped": {"bad_image": 1}},
    )
    assert run.causes == {str(START_NS + 2 * STEP_NS): "bad_image"} and run.track is None
    assert (
        report["depth_median"]["abs_rel"] == pytest.approx(0.0, abs=1e-6) and "depth" not in report
    )
    assert len(run.latency_ms) == len(run.age_ms) == 3 and 0 < report["latency_ms"]["p50"] < 2000


def test_a_disparity_of_zero_is_an_answer(bag_builder, pair, rig):
    """Both images are the same: what is far away has a disparity of 0, and no depth that could
    be published.
    """
    pytest.importorskip("rclpy")
    bag = bag_builder()
    for side in ("left", "right"):
        bag.info(side, START_NS)
        bag.image(side, START_NS, pair[0])
    near = rig.left.fx * rig.baseline_m / DISPARITY_PX
    bag.depth(START_NS, np.full(pair[0].shape[:2], near, np.float32))
    run = replay(Bag(bag.close()), None, "sgbm", 32)
    assert run.results[0].stereo["coverage"] == 1.0 and run.results[0].coverage < 0.5


def test_command_stands_the_offline_way_beside_the_published_one(bag_builder, pair, tmp_path):
    """The node and the offline run have the same model, 4 m of a wall at 5 m, and the same
    method.
    """
    pytest.importorskip("rclpy")
    spec = ModelSpec("tiny", "mono", ("image",), ("depth",), 0, 0, scale_source="procedural metric")
    model, bag = (
        flat_model(tmp_path / "flat.onnx", spec, depth=4.0),
        wall_bag(bag_builder, pair[0], n=7, bad=3),
    )
    command = [
        "evaluate",
        str(bag),
        "--model",
        str(model),
        "--replay",
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(cli.main, command)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out/report.json").read_text())
    out, (offline,) = report["frames"]["out"], report["against"]
    assert (report["mode"], offline["model"]) == ("mono", report["model"] + ", offline")
    assert out + len(report["dropped_frames"]) == 7 and offline["frames"]["out"] == 6
    assert report["dropped_frames"][str(START_NS + 3 * STEP_NS)] == "bad_image"
    assert report["depth"]["abs_rel"] == offline["depth"]["abs_rel"] == pytest.approx(0.2)
    assert report["odometry"]["method"] == offline["odometry"]["method"] == "hybrid"
    assert (
        report["odometry"]["truth_path_m"] == 0.0
        and "The path that the node published is" in result.output
    )
    assert "yuv9" in " ".join(finding["words"] for finding in report["findings"])
