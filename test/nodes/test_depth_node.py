"""The real node in a process of its own, over real DDS."""

import math
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from depth_ros.core.camera import Camera
from depth_ros.nodes.fast_path.payload import set_payload
from depth_ros.recordings.decode import image_to_depth, image_to_rgb, info_to_calibration

from . import dds

DOMAIN = dds.domain(0)
PACE_S = 0.12  # slow enough that no pair pushes another one out


@pytest.fixture(scope="module")
def node():
    with dds.Node(DOMAIN, watchdog_s=1.0) as node:
        yield node
        assert node.process.poll() is None, f"the node died: {node.log()}"


@pytest.fixture(scope="module")
def world(node):
    world = dds.World(DOMAIN)
    world.depth_subscription = world.listen("depth/image_rect", Image)
    yield world
    world.close()


def assert_is_depth(msg, depth_m=dds.DEPTH_M):
    """The whole image, but for its border, lies at one depth: to a tenth of a pixel of
    disparity.
    """
    depth = image_to_depth(msg)
    assert depth.shape == (dds.HEIGHT, dds.WIDTH)
    inner = depth[10:-10, 20:-20]
    assert np.median(inner) == pytest.approx(depth_m, rel=0.1 / dds.DISPARITY_PX)
    assert np.mean(np.abs(inner / depth_m - 1) < 0.1 / dds.DISPARITY_PX) > 0.98


# The tests of this module share one node and run in order: before the first one nothing was ever
# published.


def test_silence_is_explained(world, node):
    world.wait_for_node()
    assert world.wait(
        lambda: (
            world.status is not None and "no message on /left/image_rect" in world.status.message
        )
    )
    for topic in ("/right/image_rect", "/left/camera_info", "/right/camera_info"):
        assert f"no message on {topic}" in world.status.message
    assert "best effort" in world.status.message


def test_missing_camera_info_is_named(world):
    for _ in range(4):  # the last one still waits for its camera_info
        world.send_images(*dds.pair(world.next_stamp()))
        world.wait(lambda: False, PACE_S)
    assert world.drops() == {"no_camera_info": 3}
    assert world.wait(lambda: "no camera_info" in world.status.message), world.status.message
    assert "/left/camera_info and /right/camera_info" in world.status.message


def test_depth_has_the_values_and_the_stamp(world):
    stamp_ns = world.send()
    msg = world.depth(stamp_ns)
    assert msg is not None
    assert (msg.header.frame_id, msg.encoding) == ("left_optical", "32FC1")
    assert_is_depth(msg)


def test_lazy_outputs(world):
    kinds = {
        "disparity": DisparityImage,
        "depth/camera_info": CameraInfo,
        "points": PointCloud2,
        "depth/color": Image,
    }
    subscriptions = [world.listen(topic, kind) for topic, kind in kinds.items()]
    world.wait(lambda: False, 0.5)
    stamp_ns = world.send()
    assert world.wait(lambda: all(stamp_ns in world.heard[topic] for topic in kinds))
    disparity, info, points, color = (world.heard[topic][stamp_ns] for topic in kinds)
    middle = np.frombuffer(disparity.image.data, np.float32).reshape(dds.HEIGHT, dds.WIDTH)[60, 80]
    assert disparity.f * disparity.t / middle == pytest.approx(dds.DEPTH_M, rel=0.02)
    assert Camera.from_calibration(info_to_calibration(info)) == Camera(
        dds.WIDTH, dds.HEIGHT, dds.FX, dds.FY, dds.CX, dds.CY
    )
    x, y, z, _ = np.frombuffer(points.data, np.float32).reshape(dds.HEIGHT, dds.WIDTH, 4)[100, 140]
    assert (x / z * dds.FX + dds.CX, y / z * dds.FY + dds.CY) == pytest.approx((140, 100), abs=1e-3)
    assert z == pytest.approx(dds.DEPTH_M, rel=0.02)
    assert image_to_rgb(color).shape == (dds.HEIGHT, dds.WIDTH, 3)
    for subscription in subscriptions:
        world.ros.destroy_subscription(subscription)


def test_calibration_may_change_in_mid_stream(world):
    first, second = world.send(), None
    assert_is_depth(world.depth(first))
    second = world.send(baseline_m=2 * dds.BASELINE_M)
    assert_is_depth(world.depth(second), 2 * dds.DEPTH_M)


def test_camera_info_may_come_after_its_images(world):
    stamp_ns = world.next_stamp()
    world.send_images(*dds.pair(stamp_ns))
    world.wait(lambda: False, PACE_S)
    world.send_infos(stamp_ns, baseline_m=3 * dds.BASELINE_M)
    assert_is_depth(world.depth(stamp_ns), 3 * dds.DEPTH_M)


def test_binning_and_region_of_interest_are_honoured(world):
    """The sensor has 400x300 pixels; the camera sends every 2x2 joined, of a part that starts at
    (40, 24).
    """
    subscription = world.listen("depth/camera_info", CameraInfo)
    world.wait(lambda: False, 0.5)
    stamp_ns = world.next_stamp()
    cx, cy = 2 * (dds.CX + 0.5) - 0.5 + 40, 2 * (dds.CY + 0.5) - 0.5 + 24
    for side, baseline_m in (("left", 0.0), ("right", dds.BASELINE_M)):
        msg = dds.info(stamp_ns, 0.0)
        msg.width, msg.height, msg.binning_x, msg.binning_y = 400, 300, 2, 2
        msg.roi.x_offset, msg.roi.y_offset, msg.roi.width, msg.roi.height = (
            40,
            24,
            2 * dds.WIDTH,
            2 * dds.HEIGHT,
        )
        msg.k = [2 * dds.FX, 0.0, cx, 0.0, 2 * dds.FY, cy, 0.0, 0.0, 1.0]
        msg.p = [*msg.k[:3], -2 * dds.FX * baseline_m, *msg.k[3:6], 0.0, 0.0, 0.0, 1.0, 0.0]
        world.infos[side].publish(msg)
    world.send_images(*dds.pair(stamp_ns))
    assert_is_depth(world.depth(stamp_ns))
    info = world.wait(lambda: world.heard["depth/camera_info"].get(stamp_ns))
    assert (info.width, info.height, info.binning_x, info.roi.width) == (
        dds.WIDTH,
        dds.HEIGHT,
        0,
        0,
    )
    found = Camera.from_calibration(info_to_calibration(info))
    assert (found.fx, found.fy, found.cx, found.cy) == pytest.approx(
        (dds.FX, dds.FY, dds.CX, dds.CY)
    )
    world.ros.destroy_subscription(subscription)


def test_a_window_that_does_not_fit_the_images_is_named(world):
    before = world.drops().get("size_mismatch", 0)
    world.send(binning_x=2, binning_y=2)
    assert world.wait(lambda: world.drops().get("size_mismatch", 0) == before + 1)
    assert world.wait(
        lambda: (
            "expected 80x60 as its camera_info says (binning 2x2 of 160x120" in world.status.message
        )
    )


def test_a_subscriber_that_asks_for_more_is_named(world):
    world.ros.destroy_subscription(world.depth_subscription)
    durable = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscription = world.ros.create_subscription(
        Image, "depth/image_rect", lambda msg: None, durable
    )
    assert world.wait(
        lambda: "test_world asks more of /depth/image_rect" in world.status.message
    ), world.status.message
    world.ros.destroy_subscription(subscription)
    world.depth_subscription = world.listen("depth/image_rect", Image)
    world.wait(lambda: False, 0.5)
    assert_is_depth(world.depth(world.send()))


NAN = float("nan")
BAD_IMAGES = {
    "truncated": lambda m: setattr(m, "_data", m._data[: len(m._data) // 2]),
    "empty": lambda m: setattr(m, "_data", m._data[:0]),
    "short step": lambda m: setattr(m, "step", dds.WIDTH),
    "long step": lambda m: setattr(m, "step", dds.WIDTH * 3 + 1),
    "unknown encoding": lambda m: setattr(m, "encoding", "yuv99"),
    "zero width": lambda m: setattr(m, "width", 0),
    "zero height": lambda m: setattr(m, "height", 0),
}
BAD_INFOS = {
    "zero K": {"k": [0.0] * 9},
    "NaN K": {"k": [NAN] * 9},
    "NaN P": {"p": [NAN] * 12},
    "negative baseline": {"baseline_m": -dds.BASELINE_M},
    "no baseline": {"baseline_m": 0.0},
    "infinite baseline": {"baseline_m": math.inf},
    "zero size": {"width": 0, "height": 0},
}


def assert_dropped_and_alive(world, before, cause, count):
    """The drops grew by exactly this, and the next good pair is answered."""
    after = world.drops()
    grown = {c: n - before.get(c, 0) for c, n in after.items() if n != before.get(c, 0)}
    assert grown == {cause: count}
    assert_is_depth(world.depth(world.send()))


def test_bad_images_do_not_kill(world):
    before = world.drops()
    for spoil in BAD_IMAGES.values():
        left, right = dds.pair(world.next_stamp())
        spoil(left)
        world.send_infos(world.stamp_ns)
        world.send_images(left, right)
        world.wait(lambda: False, PACE_S)
    assert_dropped_and_alive(world, before, "bad_image", len(BAD_IMAGES))


def test_bad_calibrations_do_not_kill(world):
    before = world.drops()
    for changes in BAD_INFOS.values():
        world.send(**changes)
        world.wait(lambda: False, PACE_S)
    assert_dropped_and_alive(world, before, "bad_calibration", len(BAD_INFOS))


def test_swapped_cameras_are_named(world):
    stamp_ns = world.next_stamp()
    world.infos["left"].publish(dds.info(stamp_ns, dds.BASELINE_M))
    world.infos["right"].publish(dds.info(stamp_ns, 0.0))
    world.wait(lambda: False, PACE_S)
    world.send_images(*dds.pair(stamp_ns))
    assert world.wait(lambda: "left and right swapped?" in world.status.message), (
        world.status.message
    )
    assert_is_depth(world.depth(world.send()))


def test_sizes_that_differ_do_not_kill(world):
    before = world.drops()
    left, right = dds.pair(world.next_stamp())
    right.height -= 10
    right._data = right._data[: right.height * right.step]
    world.send_infos(world.stamp_ns)
    world.send_images(left, right)
    assert_dropped_and_alive(world, before, "size_mismatch", 1)


def test_stamps_reversed_and_repeated(world):
    good = world.send()
    assert world.depth(good)
    before = world.drops()
    world.send_images(*dds.pair(good))
    world.send_images(*dds.pair(good - 100_000_000))
    after = world.drops()
    assert after["duplicate_stamp"] - before.get("duplicate_stamp", 0) == 2
    assert after["stamp_reversed"] - before.get("stamp_reversed", 0) == 2
    assert_is_depth(world.depth(world.send()))


def test_stamps_that_never_meet(world):
    before = world.drops()
    for _ in range(12):
        left, right = dds.pair(world.next_stamp())
        right.header = dds.messages.make_header(world.stamp_ns + 3_000_000, "left_optical")
        world.send_images(left, right)
        world.wait(lambda: False, PACE_S)
    assert world.wait(lambda: "never meet" in world.status.message), world.status.message
    assert "differ by 0.003000 s" in world.status.message
    assert_is_depth(world.depth(world.send()))
    after = world.drops()
    lost = sum(after.get(c, 0) - before.get(c, 0) for c in ("unmatched", "overflow"))
    assert lost == 24  # every one of the images is accounted for


def send_apart(world, late_frames, n):
    """Send n pairs, the right image so many frames after the left one; gives the stamps of those
    sent in full.
    """
    stamps = []
    for k in range(n):
        stamps.append(world.next_stamp())
        world.send_infos(stamps[-1])
        world.images["left"].publish(dds.pair(stamps[-1])[0])
        if k >= late_frames:
            world.images["right"].publish(dds.pair(stamps[k - late_frames])[1])
        world.wait(lambda: False, 0.05)
    return stamps[: n - late_frames]


def test_a_side_that_arrives_late_is_matched_and_its_lag_is_named(world):
    before = world.drops()
    stamps = send_apart(world, 12, 32)  # 0.4 s at 30 Hz, with equal stamps
    assert_is_depth(world.depth(stamps[-1]))
    found = [stamp for stamp in stamps if stamp in world.heard["depth/image_rect"]]
    assert len(found) >= len(stamps) - 2  # the newest wins on a busy machine
    after = world.drops()
    assert [after.get(c, 0) - before.get(c, 0) for c in ("late", "overflow", "unmatched")] == [
        0,
        0,
        0,
    ]
    assert float(world.fresh_values()["sync_lag_s"]) == pytest.approx(0.4, abs=0.01)
    assert "right images arrive 0.4" in world.status.message, world.status.message
    for _ in range(32):  # in step again: what waited is dropped, and the lag is forgotten
        last = world.send()
        world.wait(lambda: False, 0.02)
    assert_is_depth(world.depth(last))
    assert world.fresh_values()["sync_lag_s"] == "0.000"


def test_frames_that_tf2_refuses_are_cured_and_named(world):
    stamp_ns = world.next_stamp()
    left, right = dds.pair(stamp_ns)
    left.header.frame_id = "/left_optical"
    world.send_infos(stamp_ns)
    world.send_images(left, right)
    assert world.depth(stamp_ns).header.frame_id == "left_optical"
    world.fresh_values()
    assert "frame_id '/left_optical' begins with a slash" in world.status.message, (
        world.status.message
    )
    stamp_ns = world.next_stamp()
    left, right = dds.pair(stamp_ns)
    left.header.frame_id = ""
    world.send_infos(stamp_ns)
    world.send_images(left, right)
    assert world.depth(stamp_ns).header.frame_id == "left_optical"  # that of camera_info
    assert world.depth(world.send()).header.frame_id == "left_optical"


def test_a_camera_info_of_another_image_size_is_named_with_its_factor(world):
    """K and P of the image at twice its size: depth goes on, wrong by that factor, and the node
    says which.
    """
    stamp_ns = world.next_stamp()
    double = Camera(
        2 * dds.WIDTH, 2 * dds.HEIGHT, 2 * dds.FX, 2 * dds.FY, dds.WIDTH - 0.5, dds.HEIGHT - 0.5
    )
    for side, publisher in world.infos.items():
        header = dds.messages.make_header(stamp_ns, "left_optical")
        msg = dds.messages.camera_to_info(
            double, header, dds.BASELINE_M if side == "right" else 0.0
        )
        msg.width, msg.height = dds.WIDTH, dds.HEIGHT
        publisher.publish(msg)
    world.send_images(*dds.pair(stamp_ns))
    assert_is_depth(world.depth(stamp_ns), 2 * dds.DEPTH_M)
    world.fresh_values()
    for side in ("left", "right"):
        assert f"{side} camera_info cannot be right: P: the principal point" in world.status.message
    assert "is the middle of 320x240, not of 160x120" in world.status.message, world.status.message
    assert_is_depth(world.depth(world.send()))
    world.fresh_values()
    assert "cannot be right" not in world.status.message


def test_ten_bits_in_sixteen_give_the_same_depth(world):
    for _ in range(2):  # the first tells the range
        stamp_ns = world.next_stamp()
        images = []
        for rgb8 in dds.pair(stamp_ns):
            grey = image_to_rgb(rgb8)[..., 1].astype(np.uint16) * 4
            msg = Image(
                header=rgb8.header,
                height=dds.HEIGHT,
                width=dds.WIDTH,
                encoding="mono16",
                step=2 * dds.WIDTH,
            )
            set_payload(msg, grey)
            images.append(msg)
        world.send_infos(stamp_ns)
        world.send_images(*images)
        assert_is_depth(world.depth(stamp_ns))
    assert "use 10 bits" in world.fresh_values()["grey_range"]


def test_stamps_that_are_none_are_refused_by_name(world):
    before = world.drops()
    for sec, nanosec in ((-5, 0), (1, 1_000_000_000)):
        left, right = dds.pair(world.next_stamp())
        for msg in (left, right):
            msg.header.stamp.sec = sec
            msg.header.stamp._nanosec = nanosec
        world.send_images(left, right)
        world.wait(lambda: False, PACE_S)
    after = world.drops()
    assert after["bad_stamp"] - before.get("bad_stamp", 0) == 4
    assert after.get("internal_error", 0) == before.get("internal_error", 0)
    assert_is_depth(world.depth(world.send()))


def test_a_camera_info_that_cannot_be_read_costs_no_pair(world):
    """Truncated ones, and one of no bytes, beside those of good pairs."""
    before = world.drops()
    good = serialize_message(dds.info(world.stamp_ns, 0.0))
    for broken in (good[:40], good[:13], good[:4], b"\0\1\0\0" + b"\xff" * 60):
        world.infos["left"].publish(broken)
        assert_is_depth(world.depth(world.send()))
    after = world.drops()
    assert after.get("internal_error", 0) == before.get("internal_error", 0)
    assert (
        after["bad_message"] - before.get("bad_message", 0) >= 3
    )  # some may be lost: best effort, depth 5


def test_a_message_that_rclpy_cannot_read(world):
    before = world.drops()
    raw = bytearray(serialize_message(dds.pair(world.next_stamp())[0]))
    place = raw.index(b"left_optical")
    raw[place] = 0xFF  # no UTF-8
    world.images["left"].publish(bytes(raw))
    world.wait(lambda: False, PACE_S)
    after = world.drops()
    assert after.get("internal_error", 0) - before.get("internal_error", 0) <= 1
    assert_is_depth(world.depth(world.send()))


def test_every_pair_of_a_burst_is_accounted_for(world):
    before = world.fresh_values()
    stamps = world.burst(world.send)
    values = world.fresh_values()
    pair_causes = (
        "busy",
        "no_subscriber",
        "no_camera_info",
        "bad_image",
        "bad_calibration",
        "size_mismatch",
    )

    def grown(*keys):
        return sum(int(values.get(key, 0)) - int(before.get(key, 0)) for key in keys)

    answered = sum(stamp in world.heard["depth/image_rect"] for stamp in stamps)
    assert grown("frames_out") == answered
    assert grown("frames_in") == grown("frames_out", *(f"dropped/{cause}" for cause in pair_causes))
    lost_on_the_way = len(stamps) - grown("frames_in")  # best effort
    lost = [max(len(stamps) - grown(f"received/{side} image"), 0) for side in ("left", "right")]
    assert lost_on_the_way <= sum(lost)
    assert (values["backend"], len(values["model_hash"]) >= 8) == ("sgbm", True)


def set_parameter(world, name, value):
    """Set a parameter as `ros2 param set` does; gives (successful, reason)."""
    client = world.ros.create_client(
        SetParametersAtomically, "depth_node/set_parameters_atomically"
    )
    assert world.wait(client.service_is_ready)
    kind = (
        {"type": 4, "string_value": value}
        if isinstance(value, str)
        else {"type": 1, "bool_value": value}
    )
    change = Parameter(name=name, value=ParameterValue(**kind))
    future = client.call_async(SetParametersAtomically.Request(parameters=[change]))
    assert world.wait(future.done)
    return future.result().result.successful, future.result().result.reason


def test_live_parameters_apply_or_are_refused(world):
    assert set_parameter(world, "depth_encoding", "16UC1")[0]
    msg = world.depth(world.send())
    assert (msg.encoding, msg.step) == ("16UC1", 2 * dds.WIDTH)
    assert_is_depth(msg)
    assert set_parameter(world, "depth_encoding", "32FC1")[0]
    successful, reason = set_parameter(world, "backend", "onnxruntime")
    assert (successful, "when the node is configured" in reason) == (False, True)
    successful, reason = set_parameter(world, "depth_encoding", "64FC1")
    assert (successful, "expected one of 32FC1, 16UC1" in reason) == (False, True)
    assert not set_parameter(world, "depht_encoding", "32FC1")[0]


def test_rectify_with_ideal_cameras_changes_nothing(world):
    assert set_parameter(world, "rectify", True)[0]
    assert_is_depth(world.depth(world.send()))
    assert set_parameter(world, "rectify", False)[0]


def change_state(world, transition):
    client = world.ros.create_client(ChangeState, "depth_node/change_state")
    assert world.wait(client.service_is_ready)
    request = ChangeState.Request()
    request.transition.id = transition
    future = client.call_async(request)
    assert world.wait(future.done, 20)
    return future.result().success


def test_lifecycle_round_trip(world):
    assert change_state(world, 4)  # deactivate
    assert change_state(world, 2)  # clean up
    assert change_state(world, 1)  # configure
    client = world.ros.create_client(GetState, "depth_node/get_state")
    future = client.call_async(GetState.Request())
    assert world.wait(future.done)
    assert future.result().current_state.label == "inactive"
    assert change_state(world, 3)  # activate
    world.wait_for_node()
    assert_is_depth(world.depth(world.send()))


def test_compressed_images_and_a_second_interrupt():
    domain_id = dds.domain(1)
    world = dds.World(domain_id, compressed=True)
    try:
        with dds.Node(domain_id, image_transport="compressed") as node:
            world.listen("depth/image_rect", Image)
            world.wait_for_node()
            stamp_ns = world.next_stamp()
            world.send_infos(stamp_ns)
            world.wait(lambda: False, PACE_S)
            for side, msg in zip(("left", "right"), dds.pair(stamp_ns), strict=True):
                data = cv2.imencode(".png", image_to_rgb(msg)[..., ::-1])[1].tobytes()
                world.images[side].publish(
                    CompressedImage(header=msg.header, format="png", data=data)
                )
            msg = world.depth(stamp_ns)
            assert msg is not None, node.log()
            assert_is_depth(msg)
            start = time.monotonic()
            assert node.stop(times=2) == 0, node.log()
            assert time.monotonic() - start < 10
            assert "Traceback" not in node.log()
    finally:
        world.close()


@pytest.mark.parametrize(
    "parameters, code, words",
    [
        ({"bakend": "sgbm"}, 2, "unknown parameter 'bakend': did you mean backend?"),
        ({"max_disparity_px": 4}, 2, "max_disparity_px"),
        ({"backend": "onnxruntime", "model": "/no/such/model.onnx"}, 1, "/no/such/model.onnx"),
        (
            {"left_info_topic": "/cam-1/camera_info"},
            2,
            "left_info_topic: expected a topic name, got '/cam-1/camera_info'",
        ),
        (
            {"qos_overrides./left/camera_info.subscription.durability": "latched"},
            2,
            "got 'latched'",
        ),
        (
            {"egomotion_method": "no"},
            2,
            "egomotion_method: expected one of off, network, geometric, hybrid, got 'no': did "
            "you mean 'off'?",
        ),
    ],
)
def test_a_node_that_cannot_start_says_why(parameters, code, words):
    """On stderr, and in /diagnostics to whoever listens."""
    world = dds.World(dds.domain(32), sides=())
    try:
        node = dds.Node(dds.domain(32), **parameters)
        assert world.wait(lambda: node.process.poll() is not None, 20)
        assert node.process.poll() == code
        assert words in node.log()
        assert "Traceback" not in node.log()
        assert world.wait(lambda: world.status, 2), node.log()
        assert words in world.status.message
        assert (world.status.name, world.status.level) == ("depth_node: depth", b"\2")
    finally:
        world.close()


def test_a_rule_that_ros_refuses_is_named():
    node = dds.Node(DOMAIN, **{"base_T_camera": "[0, x]"})
    assert node.process.wait(20) == 1
    assert "depth_node: cannot start: " in node.log() and "base_T_camera" in node.log()
    assert "Traceback" not in node.log()
