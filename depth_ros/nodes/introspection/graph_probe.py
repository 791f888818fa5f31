"""Look at a running graph for some seconds, with a node that only listens. Needs rclpy."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from importlib import import_module

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.core.camera import StereoRig
from depth_ros.core.errors import DepthRosError
from depth_ros.core.grey_range import GreyRange
from depth_ros.core.types import Frame
from depth_ros.doctor.checks import image_fact
from depth_ros.doctor.graph_snapshot import Look, Node, Stream
from depth_ros.estimator.preprocess import rectified
from depth_ros.nodes.input.camera_info import read_message
from depth_ros.nodes.input.extrinsics import tf_message, transform_to_matrix
from depth_ros.nodes.input.frame_tree import FrameTree
from depth_ros.nodes.transport import profile_variable
from depth_ros.recordings.bag import IMAGE_TYPES, INFO_TYPE, SIDES, cdr_stamp_ns
from depth_ros.recordings.decode import images_to_rgb, info_to_calibration

from .endpoints import conflicts, describe, full_name, guessed_streams, is_inside, resolved

_NAME = "depth_ros_doctor"
_NODE = "depth_node"
_DISCOVERY_S = 4.0
_SETTLING_S = 0.5
_AGAIN_S = 0.4
_ANSWER_S = 2.0
_DIAGNOSTICS_S = 1.5
_LEAST_BYTES = 12  # of a message that begins with a header
_KEPT = 8  # images a topic that are decoded
_PAIRS = 3
_KINDS = {IMAGE_TYPES[0]: Image, IMAGE_TYPES[1]: CompressedImage, INFO_TYPE: CameraInfo}
_PARAMETERS = (
    "mode",
    "rectify",
    "image_transport",
    "sync_tolerance_s",
    "use_sim_time",
    "base_frame",
    "base_T_camera",
    "egomotion_method",
    "left_image_topic",
    "right_image_topic",
    "left_info_topic",
    "right_info_topic",
    "image_topic",
    "info_topic",
)


def look(
    namespace: str = "",
    seconds: float = 10.0,
    domain_id: int | None = None,
    tick: Callable = lambda seconds: None,
) -> Look:
    """Listen for some seconds to a depth_node and to its cameras.

    Without a depth_node the cameras are looked for by the endings of their topics, as in a bag.

    Args:
        namespace: of the node; "": any.
        seconds: how long.
        domain_id: of ROS; None: that of the environment.
        tick: called with the seconds that have passed since the last call.
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=domain_id, signal_handler_options=None)
    try:
        return _Doctor(context, namespace.rstrip("/"), seconds, tick).look()
    finally:
        rclpy.try_shutdown(context=context)


class _Doctor:
    """One look at one graph."""

    def __init__(self, context, namespace: str, seconds: float, tick: Callable):
        if namespace and not namespace.startswith("/"):
            namespace = f"/{namespace}"
        self._namespace = namespace
        self._seconds = seconds
        self._tick = tick
        self._ros = rclpy.create_node(_NAME, context=context, enable_rosout=False)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._ros)
        self._raw: dict[str, deque] = {}
        self._status: dict[str, dict] = {}
        self._clock_ns: int | None = None
        self._tree = FrameTree()
        self._parents: dict[str, set[str]] | None = None

    def look(self) -> Look:
        """Discover, ask, listen, then make sense of what came."""
        start = time.monotonic()
        end = start + self._seconds
        self._ros.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, qos_profile_sensor_data
        )
        self._listen_to_tf()
        self._wait(self._depth_nodes, _DISCOVERY_S)
        # Its endpoints, and the cameras.
        self._wait(lambda: False, min(_SETTLING_S, self._seconds / 3))
        node = self._find_node()
        sides, streams = self._streams(node)
        if node is not None and node.parameters.get("use_sim_time"):
            self._listen_to_clock()
        end = max(end, time.monotonic() + self._seconds / 2)
        # Before the discovery is over nothing counts as missing.
        self._listen(streams, node, end, start + _DISCOVERY_S)
        found = Look(
            self._seconds,
            self._namespace or "graph",
            sides,
            streams,
            node,
            profile_variable=profile_variable(),
        )
        pairs = self._ros.get_node_names_and_namespaces()
        found.nodes = sorted(full_name(*pair) for pair in pairs if pair[0] != _NAME)
        found.clock_publishers = len(self._ros.get_publishers_info_by_topic("/clock"))
        self._finish(found)
        self._executor.shutdown()
        self._ros.destroy_node()
        return found

    def _listen(self, streams: dict[str, Stream], node: Node | None, end: float, sure: float):
        """Listen until the end, and until all streams are published or surely are not."""
        while True:
            now = time.monotonic()
            is_complete = now >= sure or all(s.publishers for s in streams.values())
            if now >= end and is_complete:
                return
            for stream in streams.values():
                describe(self._ros, stream, node and node.name)
                self._subscribe(stream)  # those that have been discovered since
            self._wait(lambda: False, _AGAIN_S)

    # Asking

    def _depth_nodes(self) -> list[str]:
        """The full names of those that are there by now."""
        names = {_NODE, *self._status}
        found = []
        for name, space in self._ros.get_node_names_and_namespaces():
            if name in names and is_inside(space, self._namespace):
                found.append(full_name(name, space))
        return sorted(found)

    def _find_node(self) -> Node | None:
        """Find the depth_node, by its name or because /diagnostics names it, and ask it for its
        state.
        """
        inside = self._depth_nodes()
        if not inside:
            return None
        node = Node(inside[0], others=inside[1:])
        state = self._call(GetState, f"{node.name}/get_state", GetState.Request())
        if state:
            node.state = state.current_state.label
        request = GetParameters.Request(names=list(_PARAMETERS))
        answer = self._call(GetParameters, f"{node.name}/get_parameters", request)
        if answer:
            for name, value in zip(_PARAMETERS, answer.values, strict=False):
                node.parameters[name] = parameter_value_to_python(value)
        self._wait(lambda: self._short(node) in self._status, _DIAGNOSTICS_S)
        for topic, _ in self._ros.get_publisher_names_and_types_by_node(
            self._short(node), self._space(node)
        ):
            node.conflicts += conflicts(self._ros, topic)
        return node

    def _streams(self, node: Node | None) -> tuple[tuple[str, ...], dict[str, Stream]]:
        """The topics that the node listens to: as it says, else by its parameters, else by what
        cameras are there.
        """
        parameters = node.parameters if node else {}
        if not parameters:
            return guessed_streams(self._ros, self._namespace)
        sides = SIDES if parameters["mode"] == "stereo" else ("",)
        compressed = parameters["image_transport"] == "compressed"
        reported = self._status.get(self._short(node), {})
        streams = {}
        for side in sides:
            for what, kind in (("image", IMAGE_TYPES[compressed]), ("camera_info", INFO_TYPE)):
                name = f"{side} {what}".strip()
                parameter = f"{side}_{what.replace('camera_', '')}_topic".lstrip("_")
                topic = resolved(parameters[parameter], self._space(node))
                if compressed and what == "image":
                    topic += "/compressed"
                topic = reported.get(f"topic/{name}", topic)
                streams[name] = Stream(name, topic, kind, parameter=parameter)
        return sides, streams

    def _call(self, kind, name: str, request):
        """Ask a service; None without an answer in time."""
        client = self._ros.create_client(kind, name)
        future = None
        if self._wait(client.service_is_ready, _ANSWER_S):
            future = client.call_async(request)
            self._wait(future.done, _ANSWER_S)
        self._ros.destroy_client(client)
        if future is None or not future.done():
            return None
        return future.result()

    # Listening

    def _subscribe(self, stream: Stream) -> None:
        """Note every message of a topic; keep the last images, and every camera_info that
        differs.
        """
        if not stream.publishers or stream.name in self._raw:
            return
        kept = self._raw[stream.name] = deque(maxlen=_KEPT)
        is_info = stream.kind == INFO_TYPE

        def on_message(raw: bytes) -> None:
            if len(raw) < _LEAST_BYTES:
                stream.errors.append(f"expected a message with a header, got {len(raw)} bytes")
                return
            stamp_ns = cdr_stamp_ns(raw)
            stream.arrivals_s.append(time.monotonic())
            stream.stamps.append(stamp_ns)
            now_ns = self._clock_ns or time.time_ns()
            stream.ages_s.append((now_ns - stamp_ns) / 1e9)
            if not (is_info and kept and kept[-1][12:] == raw[12:]):
                kept.append(raw)

        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        if is_info and self._is_latched(stream.topic):
            # Latched messages are only received by those who ask for them.
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
            qos.reliability = ReliabilityPolicy.RELIABLE
        self._ros.create_subscription(_KINDS[stream.kind], stream.topic, on_message, qos, raw=True)

    def _is_latched(self, topic: str) -> bool:
        """Whether all publishers of a topic keep their last message for those who come later."""
        infos = self._ros.get_publishers_info_by_topic(topic)
        return all(i.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for i in infos)

    def _listen_to_tf(self) -> None:
        """Read /tf and /tf_static, where there is a message for them."""
        kind = tf_message()
        if kind is None:
            return
        self._parents = {}
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._ros.create_subscription(kind, "/tf_static", self._on_tf, latched)
        self._ros.create_subscription(kind, "/tf", self._on_tf, QoSProfile(depth=100))

    def _on_tf(self, msg) -> None:
        for item in msg.transforms:
            parent = item.header.frame_id
            child = item.child_frame_id
            self._tree.add(parent, child, transform_to_matrix(item.transform))
            self._parents.setdefault(child.lstrip("/"), set()).add(parent.lstrip("/"))

    def _listen_to_clock(self) -> None:
        """Follow simulated time."""
        kind = import_module("rosgraph_msgs.msg").Clock

        def on_clock(msg) -> None:
            self._clock_ns = msg.clock.sec * 1_000_000_000 + msg.clock.nanosec

        self._ros.create_subscription(kind, "/clock", on_clock, qos_profile_sensor_data)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        """Keep what depth_nodes report, by their short names."""
        for status in msg.status:
            if not status.name.endswith(": depth"):
                continue
            level = status.level
            if isinstance(level, bytes):
                level = level[0]
            values = {item.key: item.value for item in status.values}
            values[""] = (level, status.message)
            self._status[status.name.removesuffix(": depth")] = values

    # Making sense

    def _finish(self, found: Look) -> None:
        """Decode what was kept."""
        for name, stream in found.streams.items():
            greys = GreyRange()
            for raw in self._raw.get(name, ()):
                try:
                    _keep(stream, read_message(raw, _KINDS[stream.kind]), greys)
                except DepthRosError as error:
                    stream.errors.append(str(error))
        if len(found.sides) == 2:
            self._pairs(found)
        if found.node is not None:
            found.node.status = self._status.get(self._short(found.node), {}).get("")
            self._look_for_extrinsics(found)

    def _pairs(self, found: Look) -> None:
        """Make rectified pairs of the images with equal stamps."""
        images = [found.stream(side, "image") for side in SIDES]
        infos = [found.stream(side, "camera_info") for side in SIDES]
        if not all(stream.infos for stream in infos):
            return
        calibrations = tuple(stream.infos[-1][1] for stream in infos)
        raw = [{cdr_stamp_ns(m): m for m in self._raw.get(stream.name, ())} for stream in images]
        is_raw = "rect" not in images[0].topic
        if found.node:
            is_raw = found.node.parameters.get("rectify")
        to_rectify = calibrations if is_raw else None
        greys = GreyRange()
        for stamp_ns in sorted(raw[0].keys() & raw[1].keys())[-_PAIRS:]:
            try:
                rig = StereoRig.from_calibrations(*calibrations)
                messages = []
                for side, stream in zip(raw, images, strict=True):
                    messages.append(read_message(side[stamp_ns], _KINDS[stream.kind]))
                pixels = images_to_rgb(messages, greys)
                found.frames.append(rectified(Frame(stamp_ns, "", *pixels, rig, to_rectify)))
            except DepthRosError:
                return  # the checks of each part explain it better

    def _look_for_extrinsics(self, found: Look) -> None:
        """Ask TF whether the camera hangs on the robot, where the node needs to know."""
        parameters = found.node.parameters
        facts = found.stream(found.sides[0], "image").facts
        found.parents = self._parents
        if not facts or not parameters or parameters["base_T_camera"]:
            return
        # False: set by a service call, off in YAML.
        if parameters["egomotion_method"] in ("off", False):
            return
        base = parameters["base_frame"]
        camera = facts[-1].frame_id
        if camera and self._tree.find(base, camera) is None:
            found.tf_missing = (base, camera)

    # Names

    def _wait(self, condition, limit_s: float):
        """Spin until the condition holds; returns its last value."""
        start = time.monotonic()
        while not (value := condition()) and time.monotonic() - start < limit_s:
            before = time.monotonic()
            # A message that rclpy cannot read is somebody else's.
            with contextlib.suppress(RuntimeError, ValueError):
                self._executor.spin_once(timeout_sec=0.05)
            self._tick(time.monotonic() - before)
        return value

    @staticmethod
    def _short(node: Node) -> str:
        return node.name.rsplit("/", 1)[1]

    @staticmethod
    def _space(node: Node) -> str:
        return node.name.rsplit("/", 1)[0] or "/"


def _keep(stream: Stream, msg, greys: GreyRange) -> None:
    """Take in what an image or a camera_info holds; raises a DepthRosError for a camera_info that
    cannot be used.
    """
    if stream.kind == INFO_TYPE:
        stream.infos.append((str(msg.header.frame_id), info_to_calibration(msg)))
        return
    stream.facts.append(image_fact(msg, greys))
