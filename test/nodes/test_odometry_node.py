"""Odometry of the real node over real DDS: a textured wall, past which a stereo camera slides to its right."""

import os

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from std_srvs.srv import Trigger

from depth_ros.nodes import messages
from depth_ros.nodes.decode import stamp_to_ns

from . import dds

DOMAIN = 1 + os.getpid() % 60
STEP_PX = 3
STEP_M = STEP_PX * dds.DEPTH_M / dds.FX  # of the camera, to the right: -y of the base
BASE_T_CAMERA = [0.3, 0.1, 0.8, -0.5, 0.5, -0.5, 0.5]
START_PX = 60


@pytest.fixture(scope="module")
def wall():
    """Texture that can be followed: noise without its finest part."""
    noise = np.random.default_rng(2).normal(size=(dds.HEIGHT, 1200, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def node(tf2_environment):
    with dds.Node(DOMAIN, watchdog_s=2.0, publish_tf=True, base_T_camera=BASE_T_CAMERA) as node:
        yield node
        assert node.process.poll() is None, f"the node died: {node.log()}"


@pytest.fixture(scope="module")
def world(node):
    from tf2_msgs.msg import TFMessage

    world = dds.World(DOMAIN)
    world.transforms = []
    world.ros.create_subscription(TFMessage, "/tf", lambda msg: world.transforms.extend(msg.transforms), 100)
    world.listen("odom", Odometry)
    world.wait_for_node()
    world.wait(lambda: False, 1.0)
    world.at_px = START_PX
    yield world
    world.close()


def send(world, wall, at_px):
    """Send what the cameras see with the left one at a column of the wall; gives the stamp."""
    stamp_ns = world.next_stamp()
    header = messages.make_header(stamp_ns, "left_optical")
    world.send_infos(stamp_ns)
    views = [wall[:, left : left + dds.WIDTH] for left in (at_px, at_px + dds.DISPARITY_PX)]
    world.send_images(*(messages.rgb_to_image(view, header) for view in views))
    return stamp_ns


def odometry(world, stamp_ns):
    return world.wait(lambda: world.heard["odom"].get(stamp_ns))


def slide(world, wall, n):
    """Send n frames, a step after each; gives their odometry, and waits for each, so that none is dropped."""
    found = []
    for _ in range(n):
        msg = odometry(world, send(world, wall, world.at_px))
        assert msg is not None, world.status and world.status.message
        found.append(msg)
        world.at_px += STEP_PX
    return found


def place(msg):
    at = msg.pose.pose.position
    return np.array([at.x, at.y, at.z])


# The tests of this module share one node and run in order.


def test_the_base_moves_as_the_wall_says(world, wall):
    found = slide(world, wall, 10)
    assert {(msg.header.frame_id, msg.child_frame_id) for msg in found} == {("odom", "base_link")}
    np.testing.assert_allclose(place(found[0]), 0, atol=1e-9)
    np.testing.assert_allclose(place(found[-1]) - place(found[0]), [0, -9 * STEP_M, 0], atol=0.05 * 9 * STEP_M)
    velocity = found[-1].twist.twist.linear
    np.testing.assert_allclose([velocity.x, velocity.y], [0, -STEP_M / 0.033333333], atol=0.1 * STEP_M / 0.0333)
    sigma = np.sqrt(np.diag(np.reshape(found[-1].pose.covariance, (6, 6))))
    assert 0 < sigma[:3].max() < 0.3 and 0 < sigma[3:].max() < 0.2
    values = world.fresh_values()
    assert (values["odom"], values["odom_scale_source"], values["odom_tf"]) == (
        "tracking", "stereo baseline", "published")  # fmt: skip


def test_tf_says_what_odom_says(world, wall):
    (msg,) = slide(world, wall, 1)
    stamp_ns = stamp_to_ns(msg.header.stamp)
    item = world.wait(lambda: next((t for t in world.transforms if stamp_to_ns(t.header.stamp) == stamp_ns), None))
    assert (item.header.frame_id, item.child_frame_id) == ("odom", "base_link")
    at = item.transform.translation
    np.testing.assert_array_equal([at.x, at.y, at.z], place(msg))


def variance(msg):
    return np.reshape(msg.pose.covariance, (6, 6))[0, 0]


def stay_dark(world, wall, n):
    """Send n black pairs; gives their odometry."""
    return [odometry(world, send(world, np.zeros_like(wall), START_PX)) for _ in range(n)]


def test_a_short_darkness_loses_it_and_it_comes_back(world, wall):
    before = slide(world, wall, 1)[0]
    lost = stay_dark(world, wall, 3)
    assert all(variance(msg) > 1e3 for msg in lost)
    np.testing.assert_allclose(place(lost[-1]), place(before), atol=4 * STEP_M)
    values = world.fresh_values()
    assert values["odom"] == "lost" and values["odom_reason"]
    assert values["odom_tf"].startswith("withheld: odometry is lost")
    assert "odometry lost: " in world.status.message
    stamps = {stamp_to_ns(item.header.stamp) for item in world.transforms}
    assert not stamps & {stamp_to_ns(msg.header.stamp) for msg in lost}, "TF is withheld"
    again = slide(world, wall, 3)
    np.testing.assert_allclose(place(again[-1]) - place(before), [0, -3 * STEP_M, 0], atol=0.3 * STEP_M)
    assert variance(again[-1]) < 0.1


def test_a_long_darkness_is_a_gap_that_a_reset_heals(world, wall):
    stay_dark(world, wall, 30)
    world.at_px += 50
    after = slide(world, wall, 4)
    assert variance(after[-1]) > 1e3, "what happened in the dark is not known"
    client = world.ros.create_client(Trigger, "depth_node/reset_odometry")
    assert world.wait(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    assert world.wait(future.done) and future.result().success
    healed = slide(world, wall, 3)
    np.testing.assert_allclose(place(healed[0]), 0, atol=1e-9)
    np.testing.assert_allclose(place(healed[-1]), [0, -2 * STEP_M, 0], atol=0.1 * STEP_M)
    assert variance(healed[-1]) < 0.1


def test_set_pose_moves_the_base_and_motion_goes_on_from_there(world, wall):
    slide(world, wall, 2)
    publisher = world.ros.create_publisher(PoseWithCovarianceStamped, "depth_node/set_pose", 1)
    assert world.wait(publisher.get_subscription_count)
    msg = PoseWithCovarianceStamped(header=messages.make_header(0, "odom"))
    at, turn = msg.pose.pose.position, msg.pose.pose.orientation
    at.x, at.y, at.z, turn.z, turn.w = 5.0, -2.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)  # a quarter turn to the left
    publisher.publish(msg)
    world.wait(lambda: False, 0.5)
    found = slide(world, wall, 3)  # to the right of the base: now along x
    np.testing.assert_allclose(place(found[-1]), [5.0 + 3 * STEP_M, -2.0, 0.0], atol=0.3 * STEP_M)
    assert variance(found[-1]) < 0.1
    assert found[-1].twist.twist.linear.y == pytest.approx(-STEP_M / 0.033333333, rel=0.1)  # base axes


def test_a_bag_that_loops_begins_anew(world, wall):
    world.stamp_ns -= 600_000_000_000
    world.at_px = START_PX
    send(world, wall, world.at_px)
    for _ in range(4):  # the matcher wants to be sure that time has jumped
        last = send(world, wall, world.at_px)
        world.wait(lambda: False, 0.3)
    assert odometry(world, last) is not None
    found = slide(world, wall, 2)
    assert np.linalg.norm(place(found[0])) < 0.2 * STEP_M
    assert int(world.fresh_values()["odom_time_jumps"]) == 1
