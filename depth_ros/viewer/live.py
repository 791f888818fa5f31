"""A running node on the page: its topics, read in a process of their own. Needs rclpy.

Messages stay bytes until one is to be shown; subscriptions are best effort with a queue of one, so
that a slow page never holds the node back. The cloud is made here out of depth: the node need not
publish points for it.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.recordings.bag import cdr_stamp_ns
from depth_ros.recordings.decode import image_to_depth, image_to_rgb, info_to_calibration

from .camera_pose import Place
from .snapshot import Moment

_KEEP = 16  # images that wait for their depth
_IMAGES = ("left/image_rect", "image_rect", "left/image_raw", "image_raw")
_STATUS = "depth_node: depth"
_WAIT_S = 0.02


def show_topics(
    namespace: str, page, image_topic: str, hz: float, seconds: float, way: bool = False
) -> int:
    """Show what a node publishes until Ctrl-C, or for so many seconds (0: no end); gives the number
    of moments shown.

    Raises InputError without ROS.
    """
    try:
        import rclpy
    except ImportError as error:
        raise InputError(f"expected ROS 2 (rclpy) for --topics, got: {error}") from error
    rclpy.init(args=[])
    try:
        return Live(rclpy, namespace, image_topic).run(page, hz, seconds, way)
    except KeyboardInterrupt:
        return 0
    finally:
        rclpy.try_shutdown()


class Live:
    """The newest of every topic of a node. namespace: of the node; image_topic: "" = the first
    that is there.
    """

    def __init__(self, rclpy, namespace: str, image_topic: str):
        from diagnostic_msgs.msg import DiagnosticArray
        from nav_msgs.msg import Odometry
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image

        self._kinds = {"Image": Image, "CompressedImage": CompressedImage}
        self._node = rclpy.create_node(
            "depth_ros_view", namespace=namespace.rstrip("/"), enable_rosout=False
        )
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._raw: dict[str, bytes] = {}
        self._images: OrderedDict[int, bytes] = OrderedDict()
        self._camera = self._odometry = None
        self._place = Place(self._node)
        self._image_kind = None
        self._wanted = image_topic
        self._arrivals = deque(maxlen=60)
        self._shown = deque(maxlen=60)
        self._figures: dict[str, float] = {}
        self._frame_id = ""
        for topic in ("depth/image_rect", "depth/sigma", "inv_depth/image_rect"):
            self._listen(Image, topic, lambda raw, topic=topic: self._on_map(topic, raw), raw=True)
        for topic in ("depth/camera_info", "inv_depth/camera_info"):
            self._listen(CameraInfo, topic, self._on_info)
        self._odometry_kind = Odometry
        self._has_way = False
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def run(self, page, hz: float, seconds: float, way: bool) -> int:
        """Show moments as they come, at most hz of them a second. way: ask for odometry even if
        nobody else does.
        """
        started = time.monotonic()
        count = 0
        due = 0.0
        looked = 0.0
        while not seconds or time.monotonic() - started < seconds:
            self._executor.spin_once(timeout_sec=_WAIT_S)
            now = time.monotonic()
            if now - looked > 0.5:
                looked = now
                self._look_around(way)
            if now < due or (moment := self._moment()) is None:
                continue
            due = max(
                due + 1 / hz, now + 0.5 / hz
            )  # what came late is made up for, but not at once
            page.show(moment)
            page.note(self._place.words)
            self._shown.append(now)
            count += 1
        return count

    def _listen(self, kind, topic: str, callback, raw: bool = False) -> None:
        from rclpy.qos import QoSProfile, ReliabilityPolicy

        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._node.create_subscription(kind, topic, callback, qos, raw=raw)

    def _look_around(self, way: bool) -> None:
        """Subscribe to what has appeared: the camera's images; odometry only where it is
        computed for others anyway.
        """
        if not self._has_way and (way or self._node.count_subscribers("odom")):
            self._has_way = True
            self._listen(self._odometry_kind, "odom", self._on_odometry)
        if self._image_kind is None:
            self._find_image()

    def _find_image(self) -> None:
        """Subscribe to the camera's images as soon as somebody publishes them."""
        if self._wanted:
            names = [self._wanted]
        else:
            names = [n + tail for n in _IMAGES for tail in ("", "/compressed")]
        for topic in names:
            if self._node.count_publishers(topic):
                self._image_kind = self._kinds[
                    "CompressedImage" if topic.endswith("/compressed") else "Image"
                ]
                return self._listen(self._image_kind, topic, self._on_image, raw=True)

    def _on_map(self, topic: str, raw: bytes) -> None:
        self._raw[topic] = raw
        if topic != "depth/sigma":
            self._arrivals.append(time.monotonic())

    def _on_image(self, raw: bytes) -> None:
        self._images[cdr_stamp_ns(raw)] = raw
        while len(self._images) > _KEEP:
            self._images.popitem(last=False)

    def _on_info(self, message) -> None:
        try:
            self._camera = Camera.from_calibration(info_to_calibration(message))
        except DepthRosError:
            self._camera = None

    def _on_odometry(self, message) -> None:
        self._odometry = message

    def _on_diagnostics(self, message) -> None:
        for status in message.status:
            if status.name == _STATUS:
                self._figures = diagnostics_figures(
                    {item.key: item.value for item in status.values}
                )

    def _moment(self) -> Moment | None:
        """Make a moment of the newest depth, with the image and the sigma of its very stamp;
        None without a new one.
        """
        topic = next(
            (name for name in ("depth/image_rect", "inv_depth/image_rect") if name in self._raw),
            None,
        )
        if topic is None or self._camera is None:
            return None
        raw = self._raw.pop(topic)
        stamp_ns = cdr_stamp_ns(raw)
        relative = topic.startswith("inv")
        depth = self._map(raw)
        sigma = self._raw.get("depth/sigma")
        if sigma is not None and cdr_stamp_ns(sigma) == stamp_ns:
            sigma = self._map(sigma)
        else:
            sigma = None
        if depth is None or depth.shape != (self._camera.height, self._camera.width):
            return None
        if relative:
            depth = 1 / np.where(depth > 0, depth, np.nan)
        figures = {**self._figures, "times_ms/age": (time.time_ns() - stamp_ns) / 1e6}
        figures |= {"rates_hz/depth": _rate(self._arrivals), "rates_hz/shown": _rate(self._shown)}
        image = self._image(stamp_ns)
        if image is not None and image.shape[:2] != depth.shape:
            image = None  # raw images of another view
        pose = self._place.odom_T_camera(self._odometry, self._frame_id)
        return Moment(stamp_ns, image, depth, sigma, self._camera, pose, relative, figures)

    def _map(self, raw: bytes) -> np.ndarray | None:
        from rclpy.serialization import deserialize_message

        try:
            message = deserialize_message(raw, self._kinds["Image"])
            self._frame_id = message.header.frame_id
            return image_to_depth(message)
        except DepthRosError:
            return None

    def _image(self, stamp_ns: int) -> np.ndarray | None:
        from rclpy.serialization import deserialize_message

        raw = self._images.get(stamp_ns)
        try:
            if raw is None:
                return None
            return image_to_rgb(deserialize_message(raw, self._image_kind))
        except DepthRosError:
            return None


def diagnostics_figures(values: dict[str, str]) -> dict[str, float]:
    """Choose what the page plots of a node's diagnostics: rates, medians of its times, drops by
    cause.

    >>> diagnostics_figures(
    ...     {"frames_in_hz": "9.9", "dropped/busy": "3", "engine_ms": "nan", "model": "m"}
    ... )
    {'rates_hz/frames_in': 9.9, 'drops/busy': 3.0}
    """
    figures = {}
    for key, text in values.items():
        try:
            value = float(text)
        except ValueError:
            continue
        if not np.isfinite(value):
            continue
        if key.endswith("_hz"):
            figures[f"rates_hz/{key[:-3].replace(' ', '_')}"] = value
        elif key.startswith("dropped/"):
            figures[f"drops/{key[8:]}"] = value
        elif key.endswith("_ms"):
            figures[f"times_ms/{key[:-3]}"] = value
    return figures


def _rate(times: deque) -> float:
    """Events a second, of the last ones."""
    if len(times) > 1:
        return (len(times) - 1) / max(times[-1] - times[0], 1e-9)
    return 0.0
