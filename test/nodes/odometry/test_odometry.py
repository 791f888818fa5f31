"""The node's ego-motion over real DDS, with an ego-motion whose answers are chosen."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
import rclpy
from geometry_msgs.msg import PoseWithCovarianceStamped, TransformStamped
from nav_msgs.msg import Odometry, Path
from nav_msgs.srv import SetMap
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Imu
from std_srvs.srv import Trigger

from depth_ros.core.lie import inverse, pose_to_matrix, se3_exp
from depth_ros.nodes.odometry.odometry import Motion
from depth_ros.nodes.output.messages import make_header
from depth_ros.nodes.parameters import Parameters
from depth_ros.recordings.decode import stamp_to_ns
from nodes import dds
from nodes.ego import STEP_NS, Ego, start_pose, stereo_estimate

AHEAD = (0.3, 0.1, 0.8, -0.5, 0.5, -0.5, 0.5)  # a camera that looks along x of the base
START_NS = 1_700_000_000_000_000_000


class Bench:
    """A lifecycle node with a Motion, and a listener; one thread spins both."""

    def __init__(self, domain_id, **parameters):
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain_id)
        self.node = LifecycleNode("depth_node", context=self.context)
        self.other = rclpy.create_node("other", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.other)
        self.ego, self.heard, self.frame = Ego(), {}, 0
        self.motion = Motion(self.node, Parameters(**parameters), self.ego)
        self.node.trigger_configure()
        self.node.trigger_activate()
        self.motion.start()

    def listen(self, kind, topic, qos=10):
        self.heard[topic] = []
        subscription = self.other.create_subscription(kind, topic, self.heard[topic].append, qos)
        assert self.wait(lambda: self.node.count_subscribers(topic) and self.motion.wanted())
        return subscription

    def wait(self, condition, limit_s=10.0):
        end = time.monotonic() + limit_s
        while not (value := condition()) and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def step(self, frame_id="camera_optical", stamp_ns=None):
        """One frame through; gives its stamp."""
        self.frame += 1
        stamp_ns = START_NS + self.frame * STEP_NS if stamp_ns is None else stamp_ns
        done = self.motion.worker.frames
        self.motion.put(stereo_estimate(stamp_ns, frame_id))
        assert self.wait(lambda: self.motion.worker.frames > done or self.motion.worker.faults)
        return stamp_ns

    def odometry(self, stamp_ns):
        """Wait for the odometry of a stamp."""
        return self.wait(
            lambda: next(
                (m for m in self.heard["odom"] if stamp_to_ns(m.header.stamp) == stamp_ns), None
            )
        )

    def close(self):
        self.motion.destroy()
        self.executor.shutdown()
        self.node.destroy_node()
        self.other.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def make_bench():
    """A factory; domains of their own, so that runs beside each other do not meet."""
    benches, numbers = [], iter(range(40))

    def make(**parameters):
        benches.append(Bench(dds.domain(10 + next(numbers)), **parameters))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


def place(msg):
    at = msg.pose.pose.position
    return [at.x, at.y, at.z]


def test_odom_is_the_pose_of_the_base(make_bench):
    bench = make_bench(base_T_camera=list(AHEAD), base_frame="robot", odom_frame="world")
    assert (
        bench.motion.wanted() == set()
        and bench.motion.values()["odom"] == "resting: nobody listens"
    )
    subscription = bench.listen(Odometry, "odom")
    first, second = bench.odometry(bench.step()), bench.odometry(bench.step())
    assert (first.header.frame_id, first.child_frame_id) == ("world", "robot")
    np.testing.assert_allclose([place(first), place(second)], [[0, 0, 0], [1, 0, 0]], atol=1e-12)
    turn = second.pose.pose.orientation
    np.testing.assert_allclose([turn.x, turn.y, turn.z, turn.w], [0, 0, 0, 1], atol=1e-12)
    linear, angular = second.twist.twist.linear, second.twist.twist.angular
    # 0.5 rad/s about the camera's y, which points down: -0.5 about z; the base is behind and to the
    # right of it
    np.testing.assert_allclose(
        [linear.x, linear.y, angular.z], [10.0 - 0.5 * 0.1, 0.5 * 0.3, -0.5], atol=1e-12
    )
    values = bench.motion.values()
    assert (values["odom"], values["odom_child"], values["odom_extrinsics"]) == (
        "tracking",
        "robot",
        "parameter",
    )
    assert (values["odom_scale_source"], values["odom_inliers"], values["odom_tf"]) == (
        "stereo baseline",
        77,
        "off",
    )
    assert values["odom_sigma_m"] == pytest.approx(0.1) and values["odom_frames"] == 2
    assert bench.motion.notes() == ()
    bench.other.destroy_subscription(subscription)
    assert bench.wait(lambda: not bench.node.count_subscribers("odom"))
    assert bench.motion.wanted() == {"odom"}, "what has begun goes on"


def test_without_extrinsics_the_child_is_the_camera(make_bench):
    bench = make_bench(publish_tf=True)
    bench.listen(Odometry, "odom")
    bench.step()
    msg = bench.odometry(bench.step())
    assert (msg.header.frame_id, msg.child_frame_id) == ("odom", "camera_optical")
    np.testing.assert_allclose(place(msg), [1, 0, 0], atol=1e-12)
    assert msg.twist.twist.linear.z == 10.0
    assert any(
        "the child of odom is camera_optical: no transform from camera_optical to base_link" in note
        for note in bench.motion.notes()
    )


def test_lost_says_so_in_every_way(make_bench):
    bench = make_bench(base_T_camera=list(AHEAD))
    bench.listen(Odometry, "odom")
    bench.step()
    bench.ego.state, bench.ego.reason = "lost", "black image"
    msg = bench.odometry(bench.step())
    assert np.reshape(msg.pose.covariance, (6, 6))[0, 0] >= 1e6
    assert bench.motion.notes() == ("odometry lost: black image",)
    values = bench.motion.values()
    assert (values["odom"], values["odom_reason"]) == ("lost", "black image") and values[
        "odom_sigma_m"
    ] >= 1e3


def test_numbers_that_are_none_are_not_published(make_bench):
    bench = make_bench(base_T_camera=list(AHEAD))
    bench.listen(Odometry, "odom")
    bench.ego.pose = np.full((4, 4), np.nan)
    bench.step()
    bench.wait(lambda: bench.motion.worker.faults)
    assert "expected finite numbers" in bench.motion.worker.fault_text and not bench.heard["odom"]
    assert any("ego-motion failed 1 times" in note for note in bench.motion.notes())


def test_reset_odometry_begins_anew(make_bench):
    bench = make_bench(base_T_camera=list(AHEAD))
    bench.listen(Odometry, "odom")
    bench.listen(Path, "path")
    for _ in range(3):
        last = bench.step()
    assert place(bench.odometry(last))[0] == pytest.approx(2)
    client = bench.other.create_client(Trigger, "depth_node/reset_odometry")
    assert bench.wait(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    assert bench.wait(future.done) and future.result().success
    np.testing.assert_allclose(place(bench.odometry(bench.step())), [0, 0, 0], atol=1e-12)
    assert bench.motion.values()["odom_resets"] == 1
    bench.frame += 10  # later than half a second
    bench.step()
    assert bench.wait(lambda: len(bench.heard["path"]) > 1)
    assert [p.pose.position.x for p in bench.heard["path"][-1].poses] == pytest.approx([0, 1])


def send_pose(bench, numbers, frame_id="odom"):
    publisher = bench.other.create_publisher(PoseWithCovarianceStamped, "depth_node/set_pose", 1)
    assert bench.wait(publisher.get_subscription_count)
    publisher.publish(stamped_pose(numbers, frame_id))


def stamped_pose(numbers, frame_id="odom", variances=(0.0,) * 6):
    msg = PoseWithCovarianceStamped(header=make_header(0, frame_id))
    at, turn = msg.pose.pose.position, msg.pose.pose.orientation
    at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w = map(float, numbers)
    msg.pose.covariance = np.diag(variances).reshape(-1).astype(float)
    return msg


def call_set_pose(bench, msg, cells=0):
    client = bench.other.create_client(SetMap, "depth_node/set_pose")
    assert bench.wait(client.service_is_ready)
    request = SetMap.Request(initial_pose=msg)
    request.map.data = [0] * cells
    future = client.call_async(request)
    assert bench.wait(future.done)
    return future.result().success


def test_set_pose_is_a_service_and_takes_the_covariance(make_bench):
    bench = make_bench(base_T_camera=list(AHEAD))
    bench.listen(Odometry, "odom")
    bench.step()
    quarter = (5.0, -2.0, 0.0, 0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))
    assert call_set_pose(bench, stamped_pose(quarter, variances=(0.04, 0.09, 0, 0, 0, 0.01)))
    np.testing.assert_allclose(
        place(bench.odometry(bench.step())), [5.0, -1.0, 0.0], atol=1e-12
    )  # a metre along y
    # the camera is at 0.3, 0.1 of the base, which after a quarter turn is -0.1, 0.3 of odom: it
    # swings about that
    wanted = [0.04 + 0.01 * 0.3**2, 0.09 + 0.01 * 0.1**2, 0, 0, 0, 0.01]
    np.testing.assert_allclose(np.diag(bench.ego.covariance), wanted, atol=1e-12)
    assert bench.ego.covariance[0, 1] == pytest.approx(0.01 * 0.3 * 0.1)


def test_the_service_says_what_it_refuses(make_bench):
    bench = make_bench(base_T_camera=list(AHEAD))
    good = (5.0, 0, 0, 0, 0, 0, 1.0)
    assert not call_set_pose(bench, stamped_pose(good, "map"))
    assert bench.motion.values()["odom_set_pose_why"] == "expected frame_id 'odom', got 'map'"
    assert not call_set_pose(bench, stamped_pose(good, variances=(-0.1, 0, 0, 0, 0, 0)))
    assert "covariance" in bench.motion.values()["odom_set_pose_why"]
    assert not call_set_pose(bench, stamped_pose(good), cells=3)
    assert bench.motion.values()["odom_set_pose_why"] == "expected an empty map, got one of 3 cells"
    np.testing.assert_array_equal(bench.ego.pose, start_pose())
    assert bench.motion.values()["odom_set_pose_refused"] == 3


def test_set_pose_places_the_base(make_bench):
    bench = make_bench(base_T_camera=list(AHEAD))
    bench.listen(Odometry, "odom")
    bench.step()
    send_pose(bench, (5.0, -2.0, 0.0, 0.0, 0.0, 1.0, 0.0))  # turned by half a turn
    wanted = pose_to_matrix((5.0, -2.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    base_T_camera = pose_to_matrix(AHEAD)
    assert bench.wait(lambda: not np.allclose(bench.ego.pose, start_pose()))
    # ego-motion's odom is the first camera in body axes, which stood at AHEAD
    odom_T_first = pose_to_matrix((*AHEAD[:3], 0, 0, 0, 1))
    np.testing.assert_allclose(
        bench.ego.pose, inverse(odom_T_first) @ wanted @ base_T_camera, atol=1e-12
    )
    np.testing.assert_allclose(
        place(bench.odometry(bench.step())), [4.0, -2.0, 0.0], atol=1e-12
    )  # a metre ahead


@pytest.mark.parametrize(
    "numbers, frame_id, parameters",
    [
        ((5.0, 0, 0, 0, 0, 0, 1.0), "map", {"base_T_camera": list(AHEAD)}),
        ((5.0, 0, 0, 0, 0, 0, 0.0), "odom", {"base_T_camera": list(AHEAD)}),
        ((float("nan"), 0, 0, 0, 0, 0, 1.0), "odom", {"base_T_camera": list(AHEAD)}),
        ((5.0, 0, 0, 0, 0, 0, 1.0), "odom", {}),
    ],
)
def test_set_pose_is_refused(make_bench, numbers, frame_id, parameters):
    bench = make_bench(**parameters)
    send_pose(bench, tuple(map(float, numbers)), frame_id)
    assert bench.wait(lambda: bench.motion.values()["odom_set_pose_refused"] == 1)
    np.testing.assert_array_equal(bench.ego.pose, start_pose())


def test_a_bag_that_loops_begins_the_path_anew(make_bench):
    bench = make_bench(base_T_camera=list(AHEAD))
    bench.listen(Path, "path")
    for _ in range(8):
        bench.step()
    bench.ego.restarts += 1
    bench.ego.reset()
    bench.step(stamp_ns=START_NS)
    assert bench.wait(lambda: stamp_to_ns(bench.heard["path"][-1].header.stamp) == START_NS)
    assert len(bench.heard["path"][-1].poses) == 1 and bench.motion.values()["odom_time_jumps"] == 1


def test_an_imu_is_turned_into_the_camera(make_bench):
    bench = make_bench(base_T_camera=list(AHEAD), imu_topic="imu")
    bench.listen(Odometry, "odom")
    publisher = bench.other.create_publisher(Imu, "imu", 10)
    assert bench.wait(publisher.get_subscription_count)
    assert bench.motion.values()["odom_imu"] == "nothing received"
    for i in range(3):
        msg = Imu(header=make_header(START_NS + STEP_NS + i * 1_000_000, "base_link"))
        msg.linear_acceleration.z, msg.angular_velocity.z = 9.81, 0.25
        publisher.publish(msg)
    bench.wait(lambda: False, 0.3)
    bench.step(stamp_ns=START_NS + STEP_NS + 1_000_000)
    samples = bench.ego.imu[-1]
    assert [sample.stamp_ns - START_NS - STEP_NS for sample in samples] == [0, 1_000_000]
    np.testing.assert_allclose(samples[0].accel, (0, -9.81, 0), atol=1e-12)
    np.testing.assert_allclose(samples[0].gyro, (0, -0.25, 0), atol=1e-12)
    assert (bench.motion.values()["odom_imu"], bench.motion.values()["odom_imu_received"]) == (
        "used",
        3,
    )
    bench.step(stamp_ns=START_NS + STEP_NS + 5_000_000)
    assert len(bench.ego.imu[-1]) == 3, "those before belong to a keyframe"
    msg.header, msg.linear_acceleration.z = (
        make_header(START_NS + STEP_NS + 20_000_000, "base_link"),
        1.0,
    )
    publisher.publish(msg)
    bench.wait(lambda: False, 0.3)
    bench.step(stamp_ns=START_NS + STEP_NS + 25_000_000)
    assert bench.motion.values()["odom_imu"].startswith("used for turns only: it reads 1.0 m/s^2")
    msg.header = make_header(START_NS + STEP_NS + 30_000_000, "elsewhere")
    publisher.publish(msg)
    bench.wait(lambda: False, 0.3)
    bench.step(stamp_ns=START_NS + 2 * STEP_NS)
    assert bench.ego.imu[-1] == []
    assert bench.motion.values()["odom_imu"].startswith("unused: no transform from elsewhere")


# TF


@pytest.fixture
def tf_kind(tf2_environment):
    from tf2_msgs.msg import TFMessage

    return TFMessage


def publish_static(bench, kind, parent, child, pose):
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    item = TransformStamped(header=make_header(0, parent), child_frame_id=child)
    at, turn = item.transform.translation, item.transform.rotation
    at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w = map(float, pose)
    publisher = bench.other.create_publisher(kind, "/tf_static", qos)
    publisher.publish(kind(transforms=[item]))
    return publisher


def test_extrinsics_from_tf_static(tf_kind, make_bench):
    bench = make_bench()
    assert bench.motion.values()["odom_extrinsics"] == "tf_static"
    bench.listen(Odometry, "odom")
    assert bench.odometry(bench.step()).child_frame_id == "camera_optical"
    mast = (1, 0, 0, 0, 0, 0, 1)
    kept = [publish_static(bench, tf_kind, "base_link", "mast", mast)]
    kept.append(publish_static(bench, tf_kind, "mast", "camera_optical", AHEAD))
    tree = SimpleNamespace(find=bench.motion._extrinsics._tree.find)
    assert bench.wait(lambda: tree.find("base_link", "camera_optical") is not None)
    msg = bench.odometry(bench.step())
    assert msg.child_frame_id == "base_link"
    np.testing.assert_allclose(place(msg), [1, 0, 0], atol=1e-12)
    assert bench.motion.notes() == ()


def test_tf_is_published_and_withheld_while_lost(tf_kind, make_bench):
    bench = make_bench(base_T_camera=list(AHEAD), publish_tf=True)
    assert bench.motion.wanted() == {"tf"}, "TF has no lazy subscribers"
    bench.listen(tf_kind, "/tf")
    bench.step()
    stamp_ns = bench.step()
    assert bench.wait(lambda: len(bench.heard["/tf"]) == 2)
    (item,) = bench.heard["/tf"][-1].transforms
    assert (item.header.frame_id, item.child_frame_id) == ("odom", "base_link")
    assert stamp_to_ns(item.header.stamp) == stamp_ns
    at = item.transform.translation
    np.testing.assert_allclose([at.x, at.y, at.z], [1, 0, 0], atol=1e-12)
    assert bench.motion.values()["odom_tf"] == "published"
    bench.ego.state, bench.ego.reason = "lost", "covered"
    bench.step()
    bench.wait(lambda: False, 0.3)
    assert len(bench.heard["/tf"]) == 2
    assert bench.motion.values()["odom_tf"] == "withheld: odometry is lost: covered"
    bench.ego.state = "tracking"
    bench.step()
    assert bench.wait(lambda: len(bench.heard["/tf"]) == 3)
    bench.motion.poll()
    assert bench.motion.notes() == (), "its own transforms are no rival's"


def test_tf_waits_for_extrinsics(tf_kind, make_bench):
    bench = make_bench(publish_tf=True)
    bench.listen(tf_kind, "/tf")
    bench.step()
    bench.wait(lambda: False, 0.3)
    assert not bench.heard["/tf"]
    assert bench.motion.values()["odom_tf"].startswith(
        "withheld: no transform from camera_optical to base_link"
    )


def test_a_second_publisher_of_the_base_silences_ours(tf_kind, make_bench):
    bench = make_bench(base_T_camera=list(AHEAD), publish_tf=True)
    bench.listen(tf_kind, "/tf")
    publisher = bench.other.create_publisher(tf_kind, "/tf", 10)
    assert bench.wait(lambda: publisher.get_subscription_count() >= 2)
    bench.step()
    wheels = TransformStamped(header=make_header(START_NS + 7, "odom"), child_frame_id="base_link")
    arm = TransformStamped(header=make_header(START_NS + 7, "base_link"), child_frame_id="arm")
    publisher.publish(tf_kind(transforms=[arm]))
    bench.wait(lambda: False, 0.3)
    bench.motion.poll()
    assert bench.motion.notes() == ()
    publisher.publish(tf_kind(transforms=[arm, wheels]))
    bench.wait(lambda: False, 0.3)
    bench.motion.poll()
    before = len(bench.heard["/tf"])
    bench.step()
    bench.wait(lambda: False, 0.3)
    assert len(bench.heard["/tf"]) == before
    assert bench.motion.notes() == ("TF withheld: another publisher: odom -> base_link",)


def test_se3_of_the_test_camera():
    """AHEAD is what it says: the optical axis is the base's x."""
    np.testing.assert_allclose(pose_to_matrix(AHEAD)[:3, 2], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(
        pose_to_matrix(AHEAD) @ se3_exp([0, 0, 1, 0, 0, 0]) @ [0, 0, 0, 1], [1.3, 0.1, 0.8, 1]
    )
