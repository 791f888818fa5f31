from dataclasses import replace

import pytest

from depth_ros.nodes.health.watchdog import Snapshot, Stream, explain

NOW_NS = 1_700_000_000_000_000_000


def stream(name, /, **changes):
    side, what = name.split()
    kind = "sensor_msgs/msg/CameraInfo" if what == "camera_info" else "sensor_msgs/msg/Image"
    topic = f"/{side}/{'camera_info' if what == 'camera_info' else 'image_rect'}"
    values = {
        "name": name,
        "topic": topic,
        "type_name": kind,
        "qos": "best effort, volatile, depth 5",
        "publishers": 1,
        "received": 50,
    }
    return Stream(**{**values, **changes})


COMPRESSED = {
    "topic": "/left/image_rect/compressed",
    "type_name": "sensor_msgs/msg/CompressedImage",
}
NAMES = ("left image", "left camera_info", "right image", "right camera_info")


def snapshot(changes=None, **values):
    streams = tuple(stream(name, **(changes or {}).get(name, {})) for name in NAMES)
    return Snapshot(**{"silent_s": 6.0, "streams": streams, "clock_ns": NOW_NS, **values})


@pytest.mark.parametrize(
    "given, words",
    [
        (
            snapshot({"right image": {"publishers": 0, "received": 0}}),
            "no publisher on /right/image_rect (right image; subscribed as "
            "sensor_msgs/msg/Image, best effort, volatile, "
            "depth 5)",
        ),
        (
            snapshot(
                {
                    "right image": {
                        "publishers": 0,
                        "received": 0,
                        "similar_topics": ("/cam1/image",),
                    }
                }
            ),
            "/cam1/image",
        ),
        (
            snapshot({"left camera_info": {"publishers": 0, "received": 0}}),
            "no publisher on /left/camera_info",
        ),
        (
            snapshot(
                {
                    "left image": {
                        "publishers": 0,
                        "other_types": ("sensor_msgs/msg/CompressedImage",),
                        "received": 0,
                    }
                }
            ),
            "it is published as sensor_msgs/msg/CompressedImage: image_transport raw or "
            "compressed?",
        ),
        (
            snapshot(
                {
                    "left image": {
                        "publishers": 0,
                        "received": 0,
                        "transports": {
                            "/left/image_rect/compressed": "sensor_msgs/msg/CompressedImage"
                        },
                    }
                }
            ),
            "; it is there as /left/image_rect/compressed: set image_transport: compressed",
        ),
        (
            snapshot(
                {
                    "left image": {
                        "publishers": 0,
                        "received": 0,
                        "transports": {
                            "/left/image_rect/theora": "theora_image_transport/msg/Packet"
                        },
                    }
                }
            ),
            "of it only /left/image_rect/theora is there, which is not read: let the "
            "driver publish raw or compressed",
        ),
        (
            snapshot(
                {
                    "left image": {
                        **COMPRESSED,
                        "publishers": 0,
                        "received": 0,
                        "transports": {"/left/image_rect": "sensor_msgs/msg/Image"},
                    }
                }
            ),
            "it is there as raw images on /left/image_rect: set image_transport: raw",
        ),
        (
            snapshot(
                {
                    "left image": {
                        **COMPRESSED,
                        "topic": "/left/image_rect/compressed/compressed",
                        "publishers": 0,
                        "received": 0,
                        "parameter": "left_image_topic",
                        "transports": {
                            "/left/image_rect/compressed": "sensor_msgs/msg/CompressedImage"
                        },
                    }
                }
            ),
            "it is there as /left/image_rect/compressed: set left_image_topic without /compressed",
        ),
        (
            snapshot(
                {
                    "left image": {
                        "topic": "/left/image_rect/compressed",
                        "publishers": 0,
                        "received": 0,
                        "other_types": ("sensor_msgs/msg/CompressedImage",),
                        "parameter": "left_image_topic",
                    }
                }
            ),
            "set image_transport: compressed and left_image_topic: /left/image_rect",
        ),
        (
            snapshot(
                {
                    "right image": {
                        "publishers": 0,
                        "received": 0,
                        "parameter": "right_image_topic",
                        "similar_topics": tuple(f"/cam{i}" for i in range(9)),
                    }
                }
            ),
            "the same type is published on /cam0, /cam1, /cam2, /cam3, /cam4 and 4 more: "
            "set right_image_topic, or remap",
        ),
        (
            snapshot({"left image": {"conflict": "RELIABILITY", "received": 0}}),
            "incompatible QoS (RELIABILITY)",
        ),
        (
            snapshot({"left image": {"received": 0}}),
            "too large for the shared memory of the sender",
        ),
        (snapshot({"left camera_info": {"received": 0}}), "no message on /left/camera_info"),
        (
            snapshot({"left camera_info": {"received": 0}}),
            "images arrive but no camera_info does: sent once, before? set "
            "durability and reliability in qos_overrides./left/camera_info",
        ),
        (
            snapshot(
                pairs=9,
                drops={"no_camera_info": 9},
                texts={"no_camera_info": "nothing yet on /left/camera_info"},
            ),
            "nothing yet on /left/camera_info",
        ),
        (
            snapshot(
                pairs=9,
                drops={"bad_calibration": 9},
                texts={"bad_calibration": "K: expected positive, got zero"},
            ),
            "camera_info is refused (bad_calibration, 9 times): K: expected positive, got zero",
        ),
        (
            snapshot(pairs=9, drops={"size_mismatch": 9}, texts={"size_mismatch": "64x48"}),
            "sizes differ",
        ),
        (
            snapshot(drops={"unmatched": 90}, closest_gap_ns=3_500_000),
            "never meet within sync_tolerance_s = 0; the closest differ by 0.003500 s",
        ),
        (
            snapshot(
                drops={"late": 30, "overflow": 90},
                lag=("right", 3_000_000_000),
                wait_ns=2_000_000_000,
            ),
            "right images arrive 3.000 s after the others of the same stamp (a slow link, "
            "or a clock that is behind), "
            "sync_wait_s = 2 is how long they are waited for",
        ),
        (
            snapshot(
                drops={"late": 30, "overflow": 90},
                lag=("left", 1_500_000_000),
                wait_ns=2_000_000_000,
            ),
            "left images arrive 1.500 s after the others of the same stamp (a slow link, "
            "or a clock that is behind), "
            "256 MiB of the others is all that waits",
        ),
        (
            snapshot(
                drops={"bad_stamp": 60},
                texts={"bad_stamp": "left image: expected 0 s or more, got -5 s 0 ns"},
            ),
            "stamps are refused (bad_stamp, 60 times): left image: expected 0 s or more, "
            "got -5 s 0 ns",
        ),
        (
            snapshot(drops={"bad_message": 3}, texts={"bad_message": "left image: 7 bytes"}),
            "messages cannot be read",
        ),
        (
            snapshot(drops={"stamp_reversed": 8, "duplicate_stamp": 2}),
            "do not advance: 8 went back, 2 repeated",
        ),
        (snapshot(use_sim_time=True, clock_ns=0), "nothing arrives on /clock"),
        (
            snapshot(pairs=3, last_stamp_ns=NOW_NS - 3_600_000_000_000),
            "3600.0 s behind the node's clock: recorded data? set use_sim_time",
        ),
        (snapshot(pairs=3, drops={"time_jump": 1}), "stamps jump back"),
        (snapshot(pairs=3, subscribers=0), "nobody subscribes"),
        (snapshot(pairs=3), "the engine has not answered for 6 s: 3 pairs came in"),
        (snapshot(pairs=2, waited_s=1.2), "the engine has not answered for 1 s: 2 pairs came in"),
        (
            snapshot(pairs=90, drops={"no_subscriber": 88}),
            "the engine has not answered for 6 s: 2 pairs came in",
        ),
    ],
)
def test_the_reason_is_named(given, words):
    assert words in "; ".join(explain(given))


def test_one_camera_is_spoken_of_as_one():
    streams = stream("left image", name="image"), stream("left camera_info", name="camera_info")
    for values, words in (
        (
            {"pairs": 3, "drops": {"no_scale": 3}, "texts": {"no_scale": "the robot hardly moves"}},
            [
                "metres are asked for, but their scale is not known (no_scale, 3 times): "
                "the robot hardly moves"
            ],
        ),
        ({"drops": {"duplicate_stamp": 9}}, ["stamps do not advance: 0 went back, 9 repeated"]),
    ):
        assert explain(Snapshot(6.0, streams, clock_ns=NOW_NS, **values)) == words


def test_one_fault_gives_one_reason():
    given = snapshot({"right image": {"publishers": 0, "received": 0}})
    assert len(explain(given)) == 1


@pytest.mark.parametrize("cause", ["bad_stamp", "bad_message", "bad_image"])
def test_a_side_that_cannot_be_used_is_not_one_that_never_meets(cause):
    given = snapshot(drops={cause: 60}, texts={cause: "left image: why"})
    (reason,) = explain(given)
    assert "left image: why" in reason


def test_never_empty():
    silent = replace(snapshot(), streams=())
    assert explain(silent) == ["no cause found: 6 s without output, 0 pairs came in"]
