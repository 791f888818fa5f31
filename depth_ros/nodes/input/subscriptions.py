"""The node's subscriptions: messages in, pairs of calibrated images out.

Nothing is decoded here: only frames that will be used are. Messages travel in one direction, and
each step calls the next one only:

    Receiver (or executor) -> Inputs -> PairAssembler -> on_pair
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.core.errors import CalibrationError, ImageError
from depth_ros.nodes.fast_path.event_callbacks import NO_SUBSCRIPTION_EVENTS
from depth_ros.nodes.fast_path.polled_subscription import Gate, take_all
from depth_ros.nodes.fast_path.receiver import Receiver
from depth_ros.nodes.health.failures import describe
from depth_ros.nodes.health.statistics import Statistics
from depth_ros.nodes.health.watchdog import Stream
from depth_ros.nodes.parameters import Parameters
from depth_ros.nodes.qos import overridable
from depth_ros.recordings.cdr import ImageReader
from depth_ros.recordings.decode import stamp_to_ns

from .calibration import CalibratedImage
from .camera_info import InfoReader, MessageError, read_message
from .frame_decoding import Pair
from .pair_assembler import Matching, PairAssembler, Tolerances
from .stream_description import describe_stream

_CAUSES = (
    (ImageError, "bad_image"),
    (CalibrationError, "bad_calibration"),
    (MessageError, "bad_message"),
)
_NANOSECONDS = 1_000_000_000


class Inputs:
    """Subscribes to an image and a camera_info topic for each camera.

    Args:
        node: that subscribes.
        parameters: topics, transport and the bounds of the pairing.
        statistics: counts what arrives and what is dropped.
        on_pair: called with each Pair, in one thread at a time: the receiver's, or, where rclpy
            does not let us have one, the executor's.
        on_odometry: called with (stamp_ns, position (3,) in metres) for each message of
            parameters.odometry_topic; None: not subscribed to.

    Attributes:
        path: which thread takes the images, and why not the receiver's.
    """

    def __init__(
        self,
        node,
        parameters: Parameters,
        statistics: Statistics,
        on_pair: Callable[[Pair], None],
        on_odometry: Callable[[int, np.ndarray], None] | None = None,
    ):
        self._node = node
        self._statistics = statistics
        self._on_position = on_odometry
        self._sides = parameters.sides
        self._info_readers = {side: InfoReader() for side in self._sides}
        self._image_readers = {side: ImageReader() for side in self._sides}
        self._lock = threading.RLock()  # the receiver, and the timer that asks for streams()
        self._image_gate = Gate()  # closed: images go past the executor
        self._info_gate = Gate()
        self._subscriptions = {}
        self._side_of: dict[str, str] = {}  # of the streams of cameras
        self._parameter_of: dict[str, str] = {}
        self._receiver = None
        self.path = "own wait set"
        try:
            self._subscribe_all(parameters)
        except Exception:
            self.destroy()
            raise
        self._assembler = PairAssembler(
            self._sides,
            Tolerances(
                tolerance_ns=round(parameters.sync_tolerance_s * 1e9),
                wait_ns=round(parameters.sync_wait_s * 1e9),
            ),
            {side: self.topics()[_name(side, "camera_info")] for side in self._sides},
            statistics,
            on_pair,
        )
        self._start_receiver()

    # What the node asks

    def streams(self) -> tuple[Stream, ...]:
        """Describe every subscription for the watchdog; asks the graph, so call it seldom."""
        with self._lock:
            self._poll_infos()  # without images nobody else does
            self._await_infos()
        return tuple(
            describe_stream(
                self._node,
                subscription,
                name,
                self._parameter_of[name],
                self._statistics.since_output[name],
            )
            for name, subscription in self._subscriptions.items()
        )

    def topics(self) -> dict[str, str]:
        """Return the full name of each topic that is subscribed to, after remapping, by the name
        of its stream.
        """
        return {name: subscription.topic_name for name, subscription in self._subscriptions.items()}

    def matching(self) -> Matching:
        """Return the state of the pairing."""
        with self._lock:
            return self._assembler.matching()

    def remarks(self, is_rectified: bool) -> list[str]:
        """List what is odd although messages are answered.

        Args:
            is_rectified: what the images are meant to be.
        """
        with self._lock:
            return self._assembler.remarks(is_rectified)

    def destroy(self) -> None:
        """Take the subscriptions down."""
        if self._receiver is not None:
            self._receiver.stop()
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    # Subscribing

    def _subscribe_all(self, parameters: Parameters) -> None:
        """Subscribe to what the parameters name; raises what rclpy does for names and QoS that
        it refuses.
        """
        for side in self._sides:
            name = _name(side, "camera_info")
            self._parameter_of[name] = f"{side}_info_topic".lstrip("_")
            self._side_of[name] = side
            self._subscribe(name, CameraInfo, parameters.info_topic_of(side), self._info_gate)
        if self._on_position is not None:
            self._parameter_of["odometry"] = "odometry_topic"
            self._subscribe("odometry", Odometry, parameters.odometry_topic, None)
        is_compressed = parameters.image_transport == "compressed"
        for side in self._sides:
            name = _name(side, "image")
            self._parameter_of[name] = f"{side}_image_topic".lstrip("_")
            self._side_of[name] = side
            topic = parameters.image_topic_of(side)
            if is_compressed:
                # Both left/image_rect and left/image_rect/compressed can be remapped, as with
                # image_transport.
                topic = self._node.resolve_topic_name(topic) + "/compressed"
            kind = CompressedImage if is_compressed else Image
            self._subscribe(name, kind, topic, self._image_gate)

    def _subscribe(self, name: str, kind, topic: str, gate: Gate | None) -> None:
        """Subscribe with the sensor-data QoS, which also matches reliable publishers."""
        self._subscriptions[name] = self._node.create_subscription(
            kind,
            topic,
            lambda raw: self._on_raw(name, raw),
            QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT),
            raw=True,
            callback_group=gate,
            event_callbacks=NO_SUBSCRIPTION_EVENTS,
            qos_overriding_options=overridable(),
        )

    def _start_receiver(self) -> None:
        """Take the cameras' messages in a thread of our own, where rclpy lets us."""
        cameras = {name: self._subscriptions[name] for name in self._side_of}
        try:
            self._receiver = Receiver(
                self._node.context, cameras, self._on_raw, self._leave_to_executor
            )
        except Exception as error:  # noqa: BLE001 - private to rclpy: it may be missing in any way
            self._leave_to_executor(error)
            return
        with self._lock:
            self._await_infos()

    def _leave_to_executor(self, why: Exception) -> None:
        """Leave images to the executor, as any node does, for want of a receiver; it costs more."""
        self.path = f"executor ({type(why).__name__}: {why})"
        self._node.get_logger().warning(
            f"images are taken by the executor, which costs more: {why}"
        )
        self._image_gate.is_open = True
        self._await_infos()

    def _await_infos(self) -> None:
        """Wait for camera_infos only while an image lacks its own."""
        waiting = self._assembler.waiting_sides()
        self._info_gate.is_open = self._image_gate.is_open and bool(waiting)
        if self._receiver is not None:
            images = [_name(side, "image") for side in self._sides]
            infos = [_name(side, "camera_info") for side in waiting]
            self._receiver.wait_for((*images, *infos))

    # Messages, from the bytes to the pair

    def _on_raw(self, name: str, raw: bytes) -> None:
        """Take one message from whoever brings it; what cannot be read is counted, and stops no
        other.
        """
        kind = self._subscriptions[name].msg_type
        try:
            with self._lock:
                if kind is CameraInfo:
                    self._on_info(self._side_of[name], raw)
                elif kind is Odometry:
                    self._on_odometry(read_message(raw, Odometry))
                else:
                    self._on_image(self._side_of[name], kind, raw)
                self._await_infos()
        except Exception as error:  # noqa: BLE001 - no message may end the thread
            self._refuse(name, error)

    def _on_info(self, side: str, raw: bytes) -> None:
        """Hand a calibration to the images of its camera; one that cannot be read is a drop of its
        own.
        """
        name = _name(side, "camera_info")
        self._statistics.arrive(name)
        try:
            stamp_ns, calibration = self._info_readers[side].read(raw)
        except Exception as error:  # noqa: BLE001 - an image that polls must not be lost by this
            self._refuse(name, error)
            return
        frame_id = self._info_readers[side].frame_id
        self._assembler.add_info(side, stamp_ns, calibration, frame_id)

    def _on_odometry(self, msg: Odometry) -> None:
        """Hand a measured position on."""
        self._statistics.arrive("odometry")
        point = msg.pose.pose.position
        position = np.array([point.x, point.y, point.z])
        if np.isfinite(position).all():
            self._on_position(stamp_to_ns(msg.header.stamp), position)

    def _on_image(self, side: str, kind, raw: bytes) -> None:
        """Read an image's header, and let it wait for its calibration."""
        name = _name(side, "image")
        self._statistics.arrive(name)
        if kind is Image:
            message = self._image_readers[side].read(raw)
        else:
            message = read_message(raw, kind)
        stamp = message.header.stamp
        if stamp.sec < 0 or stamp.nanosec >= _NANOSECONDS:
            reason = (
                f"{name}: expected 0 s or more, and less than 1e9 ns, got {stamp.sec} s "
                f"{stamp.nanosec} ns"
            )
            self._statistics.drop("bad_stamp", reason)
            return
        self._poll_infos()
        self._assembler.add_image(side, CalibratedImage(stamp_to_ns(stamp), message, len(raw)))

    def _poll_infos(self) -> None:
        """Take the camera_infos that are there, of all sides: those of an image that comes late
        must not be pushed out of their queue meanwhile.
        """
        for side in self._sides:
            for raw in take_all(self._subscriptions[_name(side, "camera_info")]):
                self._on_info(side, raw)

    def _refuse(self, name: str, error: Exception) -> None:
        """Count a message that cannot be used, by its fault."""
        cause = "internal_error"
        for kind, its_cause in _CAUSES:
            if isinstance(error, kind):
                cause = its_cause
                break
        self._statistics.drop(cause, f"{name}: {describe(error)}")


def _name(side: str, what: str) -> str:
    """The name of a stream: "left image"; in mono "image"."""
    return f"{side} {what}".strip()
