"""Odometry of one camera over real DDS: it slides past a textured wall whose distance the depth
network knows.
"""

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("onnx")
from nav_msgs.msg import Odometry
from onnx import helper

from depth_ros.engine.spec import ModelSpec
from depth_ros.nodes.output import messages
from nodes import dds
from nodes.test_mono_node import FOCAL_PX, RATIO, constant, save

DOMAIN = dds.domain(5)
WALL_M, STEP_PX = 2.5, 3
STEP_M = STEP_PX * WALL_M / dds.FX  # of the camera, to the right: -y of odom
NETWORK_STEP_M = 1.5 * STEP_M  # what the pose network says, whatever it sees
DARK, START_PX = 0, 60


@pytest.fixture(scope="module")
def wall():
    """Texture that can be followed: noise without its finest part."""
    smooth = cv2.GaussianBlur(
        np.random.default_rng(2).normal(size=(dds.HEIGHT, 900, 3)), (0, 0), 1.5
    )
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return make_models(tmp_path_factory.mktemp("models"), "procedural metric")


def make_models(folder, scale_source):
    """A network that says WALL_M everywhere, and one that says NETWORK_STEP_M to the right."""
    same = {
        "height": 0,
        "width": 0,
        "divisor": 32,
        "working_pixels": dds.HEIGHT * dds.WIDTH // 4,
        "focal_px": FOCAL_PX,
        "scale_source": scale_source,
    }
    mono = ModelSpec("wall", "mono", ("image",), ("depth",), **same)
    pose = ModelSpec(
        "slide", "pose", ("first", "second"), ("pose",), pose_direction="first_T_second", **same
    )
    depth = save(
        folder / "mono.onnx",
        mono,
        [
            constant("zero", [[[[0.0]]]]),
            constant("wall", [[[[WALL_M / RATIO]]]]),
            helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1),
            helper.make_node("Mul", ["grey", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "wall"], ["depth"]),
        ],
        {"depth": [1, 1, "H", "W"]},
    )
    motion = save(
        folder / "pose.onnx",
        pose,
        [
            constant("zero", [[0.0]]),
            constant("step", [[0, 0, 0, NETWORK_STEP_M, 0, 0]]),
            *(
                helper.make_node("ReduceMean", [name], [f"{name}_grey"], axes=[1, 2, 3], keepdims=0)
                for name in ("first", "second")
            ),
            helper.make_node("Add", ["first_grey", "second_grey"], ["greys"]),
            helper.make_node("Mul", ["greys", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "step"], ["pose"]),
        ],
        {"pose": [1, 6]},
    )
    return {"model": depth, "pose_model": motion}


@pytest.fixture(scope="module")
def node(models):
    with dds.Node(DOMAIN, mode="mono", backend="auto", watchdog_s=2.0, **models) as node:
        yield node
        assert node.process.poll() is None, f"the node died: {node.log()}"


@pytest.fixture(scope="module")
def world(node):
    world = dds.World(DOMAIN, sides=("",))
    world.listen("odom", Odometry)
    world.wait_for_node()
    world.wait(lambda: False, 1.0)
    world.at_px = START_PX
    yield world
    world.close()


def send(world, wall, at_px):
    """Send what the camera sees at a column of the wall, and wait for its odometry."""
    stamp_ns = world.next_stamp()
    world.send_infos(stamp_ns)
    view = wall[:, at_px : at_px + dds.WIDTH]
    world.images[""].publish(
        messages.rgb_to_image(view, messages.make_header(stamp_ns, "camera_optical"))
    )
    msg = world.wait(lambda: world.heard["odom"].get(stamp_ns))
    assert msg is not None, world.status and world.status.message
    return msg


def slide(world, wall, n):
    """Send n frames, a step after each; gives their odometry."""
    found = []
    for _ in range(n):
        found.append(send(world, wall, world.at_px))
        world.at_px += STEP_PX
    return found


def place(msg):
    at = msg.pose.pose.position
    return np.array([at.x, at.y, at.z])


def variance(msg):
    return np.reshape(msg.pose.covariance, (6, 6))[1, 1]


# The tests of this module share one node and run in order.


def test_geometry_corrects_the_network_and_depth_gives_metres(world, wall):
    found = slide(world, wall, 10)
    assert {(msg.header.frame_id, msg.child_frame_id) for msg in found} == {
        ("odom", "camera_optical")
    }
    np.testing.assert_allclose(
        place(found[-1]) - place(found[0]), [0, -9 * STEP_M, 0], atol=0.05 * 9 * STEP_M
    )
    velocity = found[-1].twist.twist.linear
    assert velocity.x == pytest.approx(STEP_M / 0.033333333, rel=0.1)  # axes of the optical frame
    assert 0 < variance(found[-1]) < 0.2
    values = world.fresh_values()
    assert (
        values["odom"],
        values["odom_model"],
        values["odom_scale_source"],
        values["scale_source"],
    ) == ("tracking", "points", "procedural metric", "procedural metric")


def test_three_in_ten_stamps_lost(world, wall):
    start, start_px = slide(world, wall, 1)[0], world.at_px - STEP_PX
    for is_kept in np.random.default_rng(0).random(14) > 0.3:
        if is_kept:
            path_m = (world.at_px - start_px) * STEP_M / STEP_PX
            walked = place(send(world, wall, world.at_px)) - place(start)
            np.testing.assert_allclose(walked, [0, -path_m, 0], atol=0.3 * STEP_M)
        else:
            world.next_stamp()
        world.at_px += STEP_PX


def test_half_a_second_without_frames_is_bridged(world, wall):
    start = slide(world, wall, 2)[-1]
    world.next_stamp(500_000_000)
    world.at_px += 4 * STEP_PX
    after = slide(world, wall, 2)
    np.testing.assert_allclose(
        place(after[0]) - place(start), [0, -5 * STEP_M, 0], atol=0.3 * STEP_M
    )


def test_in_the_dark_the_network_goes_on_and_says_so(world, wall):
    before = slide(world, wall, 2)[-1]
    dark = [send(world, np.full_like(wall, DARK), START_PX) for _ in range(3)]
    ways = np.diff([place(msg) for msg in (before, *dark)], axis=0)
    np.testing.assert_allclose(ways, [[0, -NETWORK_STEP_M, 0]] * 3, atol=1e-3)
    assert np.all(np.diff([variance(msg) for msg in dark]) > 0), "less sure with every step"
    values = world.fresh_values()
    assert (values["odom"], values["odom_model"]) == ("tracking", "network")
    first = slide(world, wall, 1)[
        0
    ]  # the network's step leads here, too; then geometry begins again
    np.testing.assert_allclose(place(first) - place(dark[-1]), [0, -NETWORK_STEP_M, 0], atol=1e-3)
    found = slide(world, wall, 4)
    np.testing.assert_allclose(
        place(found[-1]) - place(first), [0, -4 * STEP_M, 0], atol=0.3 * STEP_M
    )
    assert world.fresh_values()["odom_model"] == "points"


def test_a_bag_that_loops_begins_anew(world, wall):
    world.stamp_ns -= 600_000_000_000
    world.at_px = START_PX
    found = []
    for _ in range(12):  # the matcher wants to be sure that time has jumped
        stamp_ns = world.next_stamp()
        world.send_infos(stamp_ns)
        view = wall[:, START_PX : START_PX + dds.WIDTH]
        world.images[""].publish(
            messages.rgb_to_image(view, messages.make_header(stamp_ns, "camera_optical"))
        )
        found.append(world.wait(lambda: world.heard["odom"].get(stamp_ns), 0.3))  # noqa: B023
    assert found[-1] is not None
    np.testing.assert_allclose(place(found[-1]), 0, atol=0.1 * STEP_M)
    assert int(world.fresh_values()["odom_time_jumps"]) == 1


def test_without_a_scale_no_place_is_claimed(tmp_path, wall):
    domain_id = dds.domain(6)
    world = dds.World(domain_id, sides=("",))
    try:
        with dds.Node(
            domain_id, mode="mono", backend="auto", watchdog_s=2.0, **make_models(tmp_path, "none")
        ):
            world.listen("odom", Odometry)
            world.wait_for_node()
            world.wait(lambda: False, 1.0)
            world.at_px = START_PX
            found = slide(world, wall, 6)
            found.append(
                send(world, np.full_like(wall, DARK), START_PX)
            )  # lost: where it was has no metres either
            assert world.fresh_values()["odom"] == "lost"
            for msg in found[1:]:
                np.testing.assert_array_equal(place(msg), 0)
                assert variance(msg) == 1e6 and msg.twist.twist.linear.x == 0
            assert world.fresh_values()["odom_scale_source"] == "none"
    finally:
        world.close()
