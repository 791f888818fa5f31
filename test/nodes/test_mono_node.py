"""The real node with one camera, over real DDS, with networks whose answers are known:
brightness times a constant.
"""

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("onnx")
import onnx
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from onnx import TensorProto, helper
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.core.lie import quat_to_matrix
from depth_ros.engine.spec import METADATA_KEY, ModelSpec
from depth_ros.nodes.output import messages
from depth_ros.recordings.decode import image_to_depth

from . import dds

DOMAIN = dds.domain(2)
PACE_S = 0.12
FOCAL_PX, METRES_OF_WHITE, REL_SIGMA = 80.0, 10.0, 0.125
RATIO = dds.FX / 2 / FOCAL_PX  # the network sees the image at half its size
LEFT_GREY, RIGHT_GREY = 51, 204
T_X, T_Z = 0.3, 2.0  # the pose network's answer to white after black, canonical


def save(path, spec, nodes, outputs):
    """Write a network with inputs of any size."""

    def tensor(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    values = (
        [tensor(name, [1, 3, "H", "W"]) for name in spec.inputs],
        [tensor(*output) for output in outputs.items()],
    )
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", *values),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    model.metadata_props.add(key=METADATA_KEY, value=spec.to_json())
    onnx.save(model, str(path))
    return path


def constant(name, values):
    return helper.make_node(
        "Constant",
        [],
        [name],
        value=helper.make_tensor(
            name, TensorProto.FLOAT, np.shape(values), np.ravel(values).astype(np.float32)
        ),
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A factory: the paths of a depth and a pose network of a scale source."""

    def make(scale_source):
        folder = tmp_path_factory.mktemp("models")
        same = {
            "height": 0,
            "width": 0,
            "divisor": 32,
            "working_pixels": dds.HEIGHT * dds.WIDTH // 4,
            "focal_px": FOCAL_PX,
            "scale_source": scale_source,
        }
        mono = ModelSpec("brightness", "mono", ("image",), ("depth", "log_rel_sigma"), **same)
        pose = ModelSpec(
            "brightening",
            "pose",
            ("first", "second"),
            ("pose",),
            pose_direction="first_T_second",
            **same,
        )
        depth = save(
            folder / "mono.onnx",
            mono,
            [
                constant("white", [[[[METRES_OF_WHITE]]]]),
                constant("zero", [[[[0.0]]]]),
                constant("log", [[[[np.log(REL_SIGMA)]]]]),
                helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1),
                helper.make_node("Mul", ["grey", "white"], ["depth"]),
                helper.make_node("Mul", ["grey", "zero"], ["nothing"]),
                helper.make_node("Add", ["nothing", "log"], ["log_rel_sigma"]),
            ],
            {"depth": [1, 1, "H", "W"], "log_rel_sigma": [1, 1, "H", "W"]},
        )
        motion = save(
            folder / "pose.onnx",
            pose,
            [
                constant("way", [[0, 0, 0, T_X, 0, T_Z]]),
                *(
                    helper.make_node(
                        "ReduceMean", [name], [f"{name}_grey"], axes=[2, 3], keepdims=0
                    )
                    for name in ("first", "second")
                ),
                helper.make_node("Sub", ["second_grey", "first_grey"], ["colours"]),
                helper.make_node("ReduceMean", ["colours"], ["brighter"], axes=[1], keepdims=1),
                helper.make_node("Mul", ["brighter", "way"], ["pose"]),
            ],
            {"pose": [1, 6]},
        )
        return {"model": depth, "pose_model": motion}

    return make


@pytest.fixture(scope="module")
def node(models):
    paths = models("procedural metric")
    with dds.Node(
        DOMAIN, mode="mono", backend="auto", watchdog_s=1.0, egomotion_method="network", **paths
    ) as node:
        yield node
        assert node.process.poll() is None, f"the node died: {node.log()}"


@pytest.fixture(scope="module")
def world(node):
    world = dds.World(DOMAIN, sides=("",))
    world.listen("depth/image_rect", Image)
    yield world
    world.close()


def send(world, left=LEFT_GREY, right=RIGHT_GREY, stamp_ns=None, **info_changes):
    """Send an image of two greys, and its camera_info; gives its stamp."""
    stamp_ns = world.next_stamp() if stamp_ns is None else stamp_ns
    world.send_infos(stamp_ns, **info_changes)
    world.images[""].publish(picture(stamp_ns, left, right))
    return stamp_ns


def picture(stamp_ns, left=LEFT_GREY, right=RIGHT_GREY):
    rgb = np.full((dds.HEIGHT, dds.WIDTH, 3), left, np.uint8)
    rgb[:, dds.WIDTH // 2 :] = right
    return messages.rgb_to_image(rgb, messages.make_header(stamp_ns, "camera_optical"))


def metres(grey, ratio=RATIO):
    return grey / 255 * METRES_OF_WHITE * ratio


def assert_is_depth(msg, ratio=RATIO):
    depth = image_to_depth(msg)
    assert depth.shape == (dds.HEIGHT, dds.WIDTH)
    np.testing.assert_allclose(depth[:, : dds.WIDTH // 2], metres(LEFT_GREY, ratio), rtol=1e-4)
    np.testing.assert_allclose(depth[:, dds.WIDTH // 2 :], metres(RIGHT_GREY, ratio), rtol=1e-4)


# The tests of this module share one node and run in order.


def test_silence_is_explained(world):
    world.wait_for_node()
    assert world.wait(
        lambda: (
            world.status is not None and "no message on /image_rect (image;" in world.status.message
        )
    )
    assert (
        "no message on /camera_info" in world.status.message and "left" not in world.status.message
    )


def test_depth_has_the_values_and_the_stamp(world):
    msg = world.depth(send(world))
    assert msg is not None
    assert (msg.header.frame_id, msg.encoding) == ("camera_optical", "32FC1")
    assert_is_depth(msg)


def test_another_lens_in_mid_stream(world):
    """Twice the focal length: what looks the same is twice as far away."""
    k = [2 * dds.FX, 0.0, dds.CX, 0.0, 2 * dds.FY, dds.CY, 0.0, 0.0, 1.0]
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    assert_is_depth(world.depth(send(world, k=k, p=p)), 2 * RATIO)
    assert_is_depth(world.depth(send(world)))


def test_lazy_outputs(world):
    kinds = {
        "depth/sigma": Image,
        "depth/camera_info": CameraInfo,
        "points": PointCloud2,
        "depth/color": Image,
    }
    subscriptions = [world.listen(topic, kind) for topic, kind in kinds.items()]
    world.wait(lambda: False, 0.5)
    stamp_ns = send(world)
    assert world.wait(lambda: all(stamp_ns in world.heard[topic] for topic in kinds))
    sigma, info, points, _ = (world.heard[topic][stamp_ns] for topic in kinds)
    np.testing.assert_allclose(
        image_to_depth(sigma)[:, :80], REL_SIGMA * metres(LEFT_GREY), rtol=1e-4
    )
    assert (info.width, info.height, info.p[0], info.p[3]) == (dds.WIDTH, dds.HEIGHT, dds.FX, 0.0)
    x, y, z, _ = np.frombuffer(points.data, np.float32).reshape(dds.HEIGHT, dds.WIDTH, 4)[100, 140]
    assert (x / z * dds.FX + dds.CX, y / z * dds.FY + dds.CY) == pytest.approx((140, 100), abs=1e-3)
    assert z == pytest.approx(metres(RIGHT_GREY), rel=1e-4)
    for subscription in subscriptions:
        world.ros.destroy_subscription(subscription)


def test_motion_is_chained_to_odom(world):
    subscription = world.listen("odom", Odometry)
    world.wait(lambda: False, 0.5)
    # brightness moves by 51 of 255; the longer lens of the tensor makes t_z count RATIO times
    step = np.array([T_Z * RATIO, -T_X]) * 51 / 255  # forward, and to the right is -y in odom
    seen = []
    for grey in (51, 102, 153):
        stamp_ns = send(world, grey, grey)
        assert world.wait(lambda: stamp_ns in world.heard["odom"]), "no odom"  # noqa: B023
        seen.append(world.heard["odom"][stamp_ns])
    places = np.array(
        [[m.pose.pose.position.x, m.pose.pose.position.y, m.pose.pose.position.z] for m in seen]
    )
    np.testing.assert_allclose(np.diff(places, axis=0), [[*step, 0], [*step, 0]], atol=1e-5)
    last = seen[-1]
    assert (last.header.frame_id, last.child_frame_id) == ("odom", "camera_optical")
    turn = last.pose.pose.orientation
    np.testing.assert_allclose(
        quat_to_matrix([turn.x, turn.y, turn.z, turn.w]) @ [0, 0, 1], [1, 0, 0], atol=1e-6
    )
    velocity = last.twist.twist.linear
    np.testing.assert_allclose([velocity.z, velocity.x], step * [1, -1] / 0.033333333, rtol=1e-4)
    grown = [np.reshape(m.pose.covariance, (6, 6))[0, 0] for m in seen]
    assert grown == sorted(grown) and grown[-1] > grown[0]
    values = world.fresh_values()
    assert (values["odom"], values["odom_scale_source"], values["odom_child"]) == (
        "tracking",
        "procedural metric",
        "camera_optical",
    )
    assert "the child of odom is camera_optical" in world.status.message
    world.ros.destroy_subscription(subscription)


def test_bad_input_does_not_kill(world):
    before = world.drops()
    for spoil in (lambda m: setattr(m, "encoding", "yuv99"), lambda m: setattr(m, "step", 1)):
        msg = picture(world.next_stamp())
        spoil(msg)
        world.send_infos(world.stamp_ns)
        world.images[""].publish(msg)
        world.wait(lambda: False, PACE_S)
    send(world, k=[0.0] * 9)
    world.wait(lambda: False, PACE_S)
    send(world, width=dds.WIDTH - 2)
    world.wait(lambda: False, PACE_S)
    send(world, stamp_ns=world.stamp_ns - 50_000_000)  # older than the last
    after = world.drops()
    grown = {c: n - before.get(c, 0) for c, n in after.items() if n != before.get(c, 0)}
    assert grown == {"bad_image": 2, "bad_calibration": 1, "size_mismatch": 1, "stamp_reversed": 1}
    assert_is_depth(world.depth(send(world)))


def test_every_image_of_a_burst_is_accounted_for(world):
    before = world.fresh_values()
    stamps = world.burst(lambda: send(world))
    values = world.fresh_values()
    counted = ("frames_in", "frames_out", "dropped/busy", "dropped/no_camera_info")
    grown = {key: int(values.get(key, 0)) - int(before.get(key, 0)) for key in counted}
    assert grown["frames_out"] == sum(stamp in world.heard["depth/image_rect"] for stamp in stamps)
    assert 2 * grown["frames_in"] == sum(grown.values())  # every one came out, or is a drop


def test_a_relative_model_never_speaks_of_metres(models):
    domain_id = dds.domain(3)
    world = dds.World(domain_id, sides=("",))
    try:
        with dds.Node(domain_id, mode="mono", backend="auto", **models("none")) as node:
            world.listen("inv_depth/image_rect", Image)
            world.wait_for_node()
            stamp_ns = send(world)
            assert world.wait(lambda: stamp_ns in world.heard["inv_depth/image_rect"]), node.log()
            inv_depth = image_to_depth(world.heard["inv_depth/image_rect"][stamp_ns])
            np.testing.assert_allclose(inv_depth[:, :80], 1 / metres(LEFT_GREY), rtol=1e-4)
            topics = {name for name, _ in world.ros.get_topic_names_and_types()}
            assert "/inv_depth/camera_info" in topics
            assert not topics & {
                "/depth/image_rect",
                "/depth/camera_info",
                "/depth/sigma",
                "/points",
            }
            assert "/odom" in topics  # turns, without a place: test_mono_odometry
            assert world.fresh_values()["scale_source"] == "none"
            assert world.status.message.startswith(
                "scale source: none: inv_depth/image_rect is relative"
            )
            assert world.status.level == DiagnosticStatus.WARN
            assert "scale source: none" in node.log()
    finally:
        world.close()


def test_an_odometry_topic_gives_metres_to_a_relative_model(models):
    domain_id = dds.domain(4)
    world = dds.World(domain_id, sides=("",))
    wheels = world.ros.create_publisher(Odometry, "wheels", 20)
    try:
        with dds.Node(
            domain_id,
            mode="mono",
            backend="auto",
            watchdog_s=1.0,
            odometry_topic="wheels",
            **models("none"),
        ) as node:
            world.listen("depth/image_rect", Image)
            world.wait_for_node()
            greys = (40, 80, 120, 160, 200)
            step = 40 / 255 * np.hypot(T_X, T_Z * RATIO)  # of the network, in its own unit
            answers, place_m = [], 0.0
            for i, grey in enumerate(greys * 2):
                stamp_ns = world.next_stamp()
                place_m += 3 * step if i % 5 else 4 * 3 * step  # three metres a unit
                msg = Odometry(header=messages.make_header(stamp_ns, "odom"))
                msg.pose.pose.position.x = place_m
                wheels.publish(msg)
                world.wait(lambda: False, PACE_S)
                send(world, grey, grey, stamp_ns=stamp_ns)
                answers.append(world.depth(stamp_ns, 0.5 if i < 5 else 3.0))
            assert not any(answers[:5]) and all(answers[6:]), node.log()
            np.testing.assert_allclose(image_to_depth(answers[-1]), 3 * metres(200), rtol=1e-3)
            values = world.fresh_values()
            assert values["scale_source"] == "odometry" and int(values["dropped/no_scale"]) >= 5
    finally:
        world.close()
