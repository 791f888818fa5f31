"""depth-ros doctor without a bag: one fault each in a graph of two cameras and a depth_node,
over real DDS.
"""

import itertools
import threading
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.doctor.checks import OK, PROBLEM, WARNING
from depth_ros.doctor.live import examine_graph
from depth_ros.nodes.depth_node import DepthNode
from depth_ros.nodes.introspection.graph_probe import look
from depth_ros.nodes.output import messages
from nodes import dds

LOOK_S, PERIOD_S = 1.2, 0.04
DOMAINS = itertools.cycle(dds.domain(40 + i) for i in range(60))
QUARTER = [0.3, 0.0, 0.8, -0.5, 0.5, -0.5, 0.5]


def texture():
    noise = np.random.default_rng(2).normal(size=(dds.HEIGHT, dds.WIDTH + dds.DISPARITY_PX, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


class Graph:
    """Two cameras that send pairs, and a depth_node; one thread spins and sends.

    Every part can be made wrong.
    """

    def __init__(
        self,
        domain_id,
        node=True,
        activate=True,
        topics=None,
        image_kind=Image,
        image_qos=None,
        **parameters,
    ):
        self.domain_id, self.sides = domain_id, ("left", "right")
        # A participant each: one cannot have two types on a topic.
        self.context, self.node_context = rclpy.Context(), rclpy.Context()
        for context in (self.context, self.node_context):
            rclpy.init(args=[], context=context, domain_id=domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.node_executor = SingleThreadedExecutor(context=self.node_context)
        self.camera = rclpy.create_node("camera", context=self.context)
        self.executor.add_node(self.camera)
        names, qos = topics or "{side}/image_rect", image_qos or QoSProfile(depth=5)
        self.images = {
            s: self.camera.create_publisher(image_kind, names.format(side=s), qos)
            for s in self.sides
        }
        self.infos = {
            s: self.camera.create_publisher(CameraInfo, f"{s}/camera_info", 5) for s in self.sides
        }
        self.node = self._make_node(activate, parameters) if node else None
        self.change_info, self.change_image = lambda side, msg: None, lambda side, msg: None
        wide = texture()
        self.pictures = {"left": wide[:, : dds.WIDTH], "right": wide[:, dds.DISPARITY_PX :]}
        self.stamp_ns, self.send_image, self.count = time.time_ns, lambda side, n: True, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _make_node(self, activate, parameters):
        values = {
            "backend": "sgbm",
            "max_disparity_px": 32,
            "watchdog_s": 0.5,
            "base_T_camera": QUARTER,
            **parameters,
        }
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        node = DepthNode(context=self.node_context, parameter_overrides=overrides)
        self.node_executor.add_node(node)
        if activate:
            assert node.autostart()
        return node

    def send(self):
        """One pair."""
        self.count += 1
        stamp_ns = self.stamp_ns()
        for side in self.sides:
            header = messages.make_header(stamp_ns, "left_optical")
            info = dds.info(stamp_ns, dds.BASELINE_M if side == "right" else 0.0)
            self.change_info(side, info)
            self.infos[side].publish(info)
            publisher, picture = self.images[side], self.pictures[side]
            if publisher is None or not self.send_image(side, self.count):
                continue
            image = messages.rgb_to_image(picture, header)
            if publisher.msg_type is CompressedImage:
                image = CompressedImage(
                    header=header, format="png", data=cv2.imencode(".png", picture)[1].tobytes()
                )
            self.change_image(side, image)
            publisher.publish(image)

    def _work(self):
        while not self._stop.is_set() and self.context.ok():
            self.send()
            end = time.monotonic() + PERIOD_S
            while time.monotonic() < end:
                self.executor.spin_once(timeout_sec=0.002)
                self.node_executor.spin_once(timeout_sec=0.005)

    def told(self, level=PROBLEM):
        """Look, and give what is found of a level, as lines."""
        self._thread.start()
        findings = examine_graph(look(seconds=LOOK_S, domain_id=self.domain_id))
        self.all = [f"{f.level} {f.where}: {f.words}" for f in findings]
        return [f"{f.where}: {f.words}" for f in findings if f.level == level]

    def close(self):
        self._stop.set()
        if self._thread.ident:
            self._thread.join(5)
        if self.node is not None:
            self.node.free()
            self.node.destroy_node()
        self.executor.shutdown()
        self.node_executor.shutdown()
        self.camera.destroy_node()
        for context in (self.context, self.node_context):
            rclpy.try_shutdown(context=context)


@pytest.fixture
def make_graph():
    """A factory; domains of their own, so that runs beside each other do not meet."""
    graphs = []

    def make(*args, **options):
        graphs.append(Graph(next(DOMAINS), *args, **options))
        return graphs[-1]

    yield make
    for graph in graphs:
        graph.close()


def says(lines, *words):
    """Tell whether one line has all of the words."""
    return any(all(word in line for word in words) for line in lines)


def listen(graph, topic="depth/image_rect", **qos):
    """A subscriber of the node's output, without which it says that nobody listens."""
    graph.camera.create_subscription(Image, topic, lambda msg: None, QoSProfile(depth=1, **qos))


def test_a_sound_graph_has_no_problem(make_graph):
    graph = make_graph()
    listen(graph)
    assert graph.told() == [], graph.all
    for side in ("left", "right"):
        assert says(graph.all, OK, f"/{side}/image_rect", "Hz, 160x120,"), graph.all
    assert says(graph.all, OK, "px off their row"), graph.all


def test_a_node_that_nobody_listens_to_is_no_problem(make_graph):
    graph = make_graph()
    assert graph.told() == [] and says(graph.all, WARNING, "nobody subscribes"), graph.all


def test_no_node(make_graph):
    graph = make_graph(node=False)
    assert graph.told() == [
        "graph: no depth_node runs here (nodes seen: /camera): start it, or check "
        "ROS_DOMAIN_ID and --namespace"
    ]
    assert says(graph.all, OK, "/left/image_rect"), (
        graph.all
    )  # the cameras are looked at all the same


def test_a_node_that_is_not_active(make_graph):
    graph = make_graph(activate=False)
    assert says(
        graph.told(),
        "/depth_node: its lifecycle state is unconfigured",
        "ros2 lifecycle set /depth_node configure",
    ), graph.all


def test_cameras_on_other_topics(make_graph):
    graph = make_graph(topics="front/{side}/image_rect")
    words = (
        "no publisher of sensor_msgs/msg/Image; the same type is on /front/left/image_rect, "
        "/front/right/image_rect"
    )
    assert says(graph.told(), "/left/image_rect", words), graph.all


def test_another_type(make_graph):
    graph = make_graph(image_kind=CompressedImage)
    assert says(graph.told(), "/right/image_rect: published as sensor_msgs/msg/CompressedImage"), (
        graph.all
    )


def test_qos_that_does_not_fit(make_graph):
    asked = {"qos_overrides./left/image_rect.subscription.reliability": "reliable"}
    graph = make_graph(
        image_qos=QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT), **asked
    )
    assert says(
        graph.told(), "/left/image_rect: /depth_node hears nothing of /camera", "incompatible QoS"
    ), graph.all


def test_a_listener_that_asks_for_more_than_the_node_offers(make_graph):
    graph = make_graph()
    listen(graph, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    assert says(
        graph.told(), "/depth_node: /camera hears nothing of /depth_node on /depth/image_rect"
    ), graph.all


def test_a_silent_camera_and_lost_images(make_graph):
    graph = make_graph()
    graph.send_image = lambda side, n: side == "left" and n % 3 == 0
    lines = graph.told()
    assert says(
        lines, "/right/image_rect: /camera publishes it, but nothing arrived", "fastdds.xml"
    ), graph.all
    assert says(
        lines, "/left/image_rect:", "camera_infos: the others are lost on the way", "fastdds.xml"
    ), graph.all


def test_two_publishers(make_graph):
    graph = make_graph()
    other = rclpy.create_node("second_camera", context=graph.context)
    other.create_publisher(Image, "right/image_rect", 5)
    assert says(graph.told(), "/right/image_rect: 2 publishers (", "/camera", "/second_camera"), (
        graph.all
    )
    other.destroy_node()


@pytest.mark.parametrize(
    "change, where, words",
    [
        ({"k": [0.0] * 9}, "/left/camera_info", "is the camera calibrated"),
        ({"width": 320}, "/left/camera_info", "camera_info is for 320x120, the images are 160x120"),
        (
            {"binning_x": 2, "binning_y": 2},
            "/right/camera_info",
            "camera_info is for 80x60 (binning 2x2 of 160x120",
        ),
        (
            {"p": [100.0, 0, 75.5, 0, 0, 104.0, 62.25, 0, 0, 0, 1, 0]},
            "left, right",
            "expected a baseline above 0 m (right P[3] = -fx * baseline, pixels times metres)",
        ),
    ],
)
def test_calibrations(make_graph, change, where, words):
    graph = make_graph()

    def spoil(side, msg):
        for name, value in change.items():
            setattr(msg, name, value)

    graph.change_info = spoil
    assert says(graph.told(), f"{where}: ", words), graph.all


def test_raw_images_that_nobody_rectifies(make_graph):
    topics = {f"{side}_image_topic": f"{side}/image_raw" for side in ("left", "right")}
    for rectify, words in ((False, "rectify is false: set rectify:=true"), (True, None)):
        graph = make_graph(topics="{side}/image_raw", rectify=rectify, **topics)
        graph.change_info = lambda side, msg: setattr(msg, "d", [-0.3, 0.1, 0.0, 0.0, 0.0])
        graph.told()
        assert (
            says(graph.all, WARNING, "/left/image_raw", words)
            if words
            else not says(graph.all, "rectify")
        )
    graph = make_graph(rectify=True)
    graph.change_info = lambda side, msg: setattr(msg, "d", [-0.3, 0.1, 0.0, 0.0, 0.0])
    assert says(graph.told(WARNING), "/right/image_rect", "done twice?"), graph.all


def test_two_nodes_of_one_name(make_graph):
    graph = make_graph()
    first, graph.node = graph.node, graph._make_node(True, {})
    assert says(graph.told(), "/depth_node: 2 nodes have this name"), graph.all
    graph._stop.set()
    graph._thread.join(5)
    first.free()
    first.destroy_node()


def test_encoding_that_is_not_known_and_no_good_word_for_it(make_graph):
    graph = make_graph()

    def spoil(side, msg):
        msg.encoding, msg.step = "yuv422_yuy2", 2 * msg.width
        msg.data = bytes(msg.step * msg.height)

    graph.change_image = spoil
    assert says(graph.told(), "/left/image_rect", "images cannot be used", "yuv422_yuy2"), graph.all
    assert not says(graph.all, OK, "/left/image_rect"), graph.all


def test_swapped_calibrations_and_swapped_pictures(make_graph):
    graph = make_graph()
    infos = [dds.info(0, dds.BASELINE_M), dds.info(0, 0.0)]
    graph.change_info = lambda side, msg: setattr(msg, "p", infos[side == "right"].p)
    assert says(graph.told(), "left, right: ", "left and right swapped?"), graph.all
    graph = make_graph()
    graph.pictures = {"left": graph.pictures["right"], "right": graph.pictures["left"]}
    assert says(graph.told(), "left, right", "-8.0 px, negative: left and right swapped?"), (
        graph.all
    )


def test_stamps_that_never_meet(make_graph):
    graph = make_graph()
    graph.change_image = lambda side, msg: shift(msg, 3_000_000 if side == "right" else 0)
    words = (
        "stamps are equal on both sides; the others are 3.000 ms apart (median); "
        "sync_tolerance_s:=0.003 would pair"
    )
    assert says(graph.told(), "left, right: 0 of", words), graph.all


def shift(msg, by_ns):
    stamp = messages.stamp_to_ns(msg.header.stamp) + by_ns
    msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(stamp, 1_000_000_000)


def test_recorded_stamps(make_graph):
    graph = make_graph()
    graph.stamp_ns = lambda: time.time_ns() - 3600_000_000_000
    assert says(graph.told(), "/left/image_rect: stamps are 3600.", "set use_sim_time"), graph.all


def test_stamps_that_stand_still(make_graph):
    graph = make_graph()
    start = time.time_ns()
    graph.stamp_ns = lambda: start
    assert says(graph.told(), "/left/image_rect: ", "stamps are the same as the one before"), (
        graph.all
    )


def test_simulated_time_without_a_clock(make_graph):
    graph = make_graph(use_sim_time=True)
    assert says(graph.told(), "/depth_node: use_sim_time is true but nothing publishes /clock"), (
        graph.all
    )


def test_images_without_a_frame(make_graph):
    graph = make_graph()
    graph.change_image = lambda side, msg: setattr(msg.header, "frame_id", "")
    assert says(graph.told(), "/left/image_rect: frame_id of the images is empty"), graph.all


def test_a_namespace_without_a_node(make_graph):
    graph = make_graph()
    graph._thread.start()
    findings = examine_graph(look("robot_2", LOOK_S, graph.domain_id))
    assert says(
        [f"{f.where}: {f.words}" for f in findings], "/robot_2: no depth_node", "/depth_node"
    ), findings


def test_tf(make_graph, tf2_environment):
    from tf2_msgs.msg import TFMessage

    graph = make_graph(base_T_camera=[])
    publisher = graph.camera.create_publisher(
        TFMessage, "/tf_static", QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    )
    for parent in ("base_link", "mast"):
        item = TransformStamped(header=messages.make_header(0, parent), child_frame_id="lidar")
        publisher.publish(TFMessage(transforms=[item]))
    lines = graph.told()
    assert says(lines, "/tf: lidar has 2 parents (base_link, mast)"), graph.all
    assert says(graph.all, WARNING, "/tf_static: no transform from base_link to left_optical"), (
        graph.all
    )
