"""Odometry of the real node over real DDS: a textured wall, past which a stereo camera slides to
its right.
"""

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from std_srvs.srv import Trigger

from depth_ros.nodes.output import messages
from depth_ros.recordings.decode import stamp_to_ns
from nodes import dds

DOMAIN = dds.domain(9)
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
    world.ros.create_subscription(
        TFMessage, "/tf", lambda msg: world.transforms.extend(msg.transforms), 100
    )
    world.listen("odom", Odometry)
    world.wait_for_node()
    world.wait(lambda: False, 1.0)
    world.at_px = START_PX
    yield world
    world.close()


def send(world, wall, at_px, **info_changes):
    """Send what the cameras see with the left one at a column of the wall; gives the stamp."""
    stamp_ns = world.next_stamp()
    header = messages.make_header(stamp_ns, "left_optical")
    world.send_infos(stamp_ns, **info_changes)
    views = [wall[:, left : left + dds.WIDTH] for left in (at_px, at_px + dds.DISPARITY_PX)]
    world.send_images(*(messages.rgb_to_image(view, header) for view in views))
    return stamp_ns


def odometry(world, stamp_ns):
    return world.wait(lambda: world.heard["odom"].get(stamp_ns))


def slide(world, wall, n):
    """Send n frames, a step after each; gives their odometry, and waits for each, so that none
    is dropped.
    """
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
    np.testing.assert_allclose(
        place(found[-1]) - place(found[0]), [0, -9 * STEP_M, 0], atol=0.05 * 9 * STEP_M
    )
    velocity = found[-1].twist.twist.linear
    np.testing.assert_allclose(
        [velocity.x, velocity.y], [0, -STEP_M / 0.033333333], atol=0.1 * STEP_M / 0.0333
    )
    sigma = np.sqrt(np.diag(np.reshape(found[-1].pose.covariance, (6, 6))))
    assert 0 < sigma[:3].max() < 0.3 and 0 < sigma[3:].max() < 0.2
    values = world.fresh_values()
    assert (values["odom"], values["odom_scale_source"], values["odom_tf"]) == (
        "tracking",
        "stereo baseline",
        "published",
    )


def test_tf_says_what_odom_says(world, wall):
    (msg,) = slide(world, wall, 1)
    stamp_ns = stamp_to_ns(msg.header.stamp)
    item = world.wait(
        lambda: next((t for t in world.transforms if stamp_to_ns(t.header.stamp) == stamp_ns), None)
    )
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
    np.testing.assert_allclose(
        place(again[-1]) - place(before), [0, -3 * STEP_M, 0], atol=0.3 * STEP_M
    )
    assert variance(again[-1]) < 0.1


def walked(msg, start):
    return place(msg) - place(start)


def test_three_in_ten_stamps_lost(world, wall):
    start, start_px = slide(world, wall, 1)[0], world.at_px - STEP_PX
    kept = np.random.default_rng(0).random(14) > 0.3
    assert 4 <= (~kept).sum() <= 5
    for is_kept in kept:
        if is_kept:
            msg = odometry(world, send(world, wall, world.at_px))
            path_m = (world.at_px - start_px) * STEP_M / STEP_PX
            np.testing.assert_allclose(walked(msg, start), [0, -path_m, 0], atol=0.3 * STEP_M)
            assert variance(msg) < 0.1
        else:
            world.next_stamp()
        world.at_px += STEP_PX


def test_half_a_second_without_frames_is_bridged(world, wall):
    start = slide(world, wall, 2)[-1]
    world.next_stamp(500_000_000)
    world.at_px += 4 * STEP_PX
    after = slide(world, wall, 2)
    np.testing.assert_allclose(walked(after[0], start), [0, -5 * STEP_M, 0], atol=0.3 * STEP_M)
    # the twist is the mean over the gap
    span_s = (stamp_to_ns(after[0].header.stamp) - stamp_to_ns(start.header.stamp)) / 1e9
    assert after[0].twist.twist.linear.y == pytest.approx(-5 * STEP_M / span_s, rel=0.1)
    assert all(variance(msg) < 0.1 for msg in after)


def test_another_camera_in_mid_stream_is_a_gap_with_a_name(world, wall):
    """Half as long a lens again: what was known of the scene no longer fits, but disparities
    mean the same steps.
    """
    longer = 1.5 * dds.FX
    p = [longer, 0.0, dds.CX, 0.0, 0.0, longer, dds.CY, 0.0, 0.0, 0.0, 1.0, 0.0]
    k = [longer, 0.0, dds.CX, 0.0, longer, dds.CY, 0.0, 0.0, 1.0]

    def step():
        stamp_ns, world.at_px = world.next_stamp(), world.at_px + STEP_PX
        for side, publisher in world.infos.items():
            msg = dds.info(stamp_ns, 0.0)
            msg.k, msg.p = k, [*p[:3], -longer * dds.BASELINE_M * (side == "right"), *p[4:]]
            publisher.publish(msg)
        header = messages.make_header(stamp_ns, "left_optical")
        views = [
            wall[:, left : left + dds.WIDTH]
            for left in (world.at_px, world.at_px + dds.DISPARITY_PX)
        ]
        world.send_images(*(messages.rgb_to_image(view, header) for view in views))
        return odometry(world, stamp_ns)

    before = slide(world, wall, 1)[0]
    first = step()
    values = world.fresh_values()
    assert (values["odom"], values["odom_reason"]) == ("lost", "the camera has changed")
    assert variance(first) > 1e3
    np.testing.assert_allclose(walked(first, before), 0, atol=1e-6)
    others = [step() for _ in range(3)]
    np.testing.assert_allclose(walked(others[-1], first), [0, -3 * STEP_M, 0], atol=0.3 * STEP_M)
    assert all(variance(msg) > 1e3 for msg in others), "what lay between is not known"
    assert (
        world.fresh_values()["odom"] == "tracking" and "odometry has a gap" in world.status.message
    )
    slide(world, wall, 2)  # and back


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
    at.x, at.y, at.z, turn.z, turn.w = (
        5.0,
        -2.0,
        0.0,
        np.sqrt(0.5),
        np.sqrt(0.5),
    )  # a quarter turn to the left
    publisher.publish(msg)
    world.wait(lambda: False, 0.5)
    found = slide(world, wall, 3)  # to the right of the base: now along x
    np.testing.assert_allclose(place(found[-1]), [5.0 + 3 * STEP_M, -2.0, 0.0], atol=0.3 * STEP_M)
    assert variance(found[-1]) < 0.1
    assert found[-1].twist.twist.linear.y == pytest.approx(
        -STEP_M / 0.033333333, rel=0.1
    )  # base axes


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
