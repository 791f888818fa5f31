"""The node's subscriptions: messages in, pairs of calibrated images out.

Nothing is decoded here: only frames that will be used are. Messages travel in one direction, and
each step calls the next one only:

    Receiver (or executor) -> Inputs -> CalibrationAttacher of the side -> StampMatcher -> on_pair
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.core.camera import Calibration
from depth_ros.core.errors import CalibrationError, ImageError
from depth_ros.core.sync import StampMatcher
from depth_ros.doctor.causes import JUMPS_BACK
from depth_ros.nodes.fast_path.event_callbacks import NO_SUBSCRIPTION_EVENTS
from depth_ros.nodes.fast_path.polled_subscription import Gate, take_all
from depth_ros.nodes.fast_path.receiver import Receiver
from depth_ros.nodes.health.failures import describe, shorten
from depth_ros.nodes.health.statistics import Statistics
from depth_ros.nodes.health.watchdog import Stream
from depth_ros.nodes.parameters import Parameters
from depth_ros.nodes.qos import overridable
from depth_ros.recordings.cdr import ImageReader
from depth_ros.recordings.decode import stamp_to_ns

from .calibration import CalibratedImage, CalibrationAttacher
from .camera_info import InfoReader, MessageError, read_message
from .frame_decoding import Pair
from .remarks import calibration_remarks, clean_frame
from .stream_description import describe_stream

_CAUSES = (
    (ImageError, "bad_image"),
    (CalibrationError, "bad_calibration"),
    (MessageError, "bad_message"),
)
_LATE_NS = 150_000_000  # a side that comes so much later than the other is worth a remark
_RECENT_S = 10.0  # for so long a jump of the stamps is reported
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Matching:
    """The state of the pairing of left and right.

    Attributes:
        drops: images that found no partner, by cause, since the subscriptions stand.
        drops_since_pair: the same since the last pair.
        closest_gap_ns: since the last pair, how near stamps of both sides came to each other;
            None while one of them is silent.
        tolerance_ns: by which the stamps of a pair may differ.
        lag: the stream that arrives last, and by how many nanoseconds.
        wait_ns: for how long an image is kept for its partner.
    """

    drops: dict[str, int]
    drops_since_pair: dict[str, int]
    closest_gap_ns: int | None
    tolerance_ns: int
    lag: tuple[str, int]
    wait_ns: int


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
        self._on_pair = on_pair
        self._on_position = on_odometry
        self._sides = parameters.sides
        self._matcher = StampMatcher(
            self._sides,
            tolerance_ns=round(parameters.sync_tolerance_s * 1e9),
            wait_ns=round(parameters.sync_wait_s * 1e9),
        )
        self._drops_at_pair = dict(self._matcher.drops)
        self._attachers = {side: CalibrationAttacher() for side in self._sides}
        self._info_readers = {side: InfoReader() for side in self._sides}
        self._image_readers = {side: ImageReader() for side in self._sides}
        self._calibrations: tuple[Calibration, ...] = ()
        self._frame_remark = ""
        self._jumps = 0
        self._jump_s = -math.inf
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
            matcher = self._matcher
            drops = dict(matcher.drops)
            since_pair = {cause: n - self._drops_at_pair[cause] for cause, n in drops.items()}
            return Matching(
                drops,
                since_pair,
                matcher.closest_gap_ns,
                matcher.tolerance_ns,
                matcher.lag(),
                matcher.wait_ns,
            )

    def remarks(self, is_rectified: bool) -> list[str]:
        """List what is odd although messages are answered.

        Args:
            is_rectified: what the images are meant to be.
        """
        with self._lock:
            stream, lag_ns = self._matcher.lag()
        now_s = time.monotonic()
        if self._matcher.time_jumps != self._jumps:
            self._jumps = self._matcher.time_jumps
            self._jump_s = now_s
        found = []
        if now_s - self._jump_s < _RECENT_S:
            found.append(JUMPS_BACK)
        if self._frame_remark:
            found.append(shorten(self._frame_remark))
        found += calibration_remarks(self._calibrations, is_rectified)
        if lag_ns > _LATE_NS:
            found.append(
                f"{stream} images arrive {lag_ns / 1e9:.3f} s after the others of the same stamp"
            )
        return found

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
        waiting = {side for side in self._sides if self._attachers[side].is_waiting}
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
        self._match(side, self._attachers[side].add_info(stamp_ns, calibration))

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
        image = CalibratedImage(stamp_to_ns(stamp), message, len(raw))
        self._match(side, self._attachers[side].add_image(image))

    def _poll_infos(self) -> None:
        """Take the camera_infos that are there, of all sides: those of an image that comes late
        must not be pushed out of their queue meanwhile.
        """
        for side in self._sides:
            for raw in take_all(self._subscriptions[_name(side, "camera_info")]):
                self._on_info(side, raw)

    def _match(self, side: str, images: list[CalibratedImage]) -> None:
        """Look for the partners of images that have their calibration."""
        for image in images:
            match = self._matcher.add(side, image.stamp_ns, image, image.size_bytes)
            if match is not None:
                self._drops_at_pair = dict(self._matcher.drops)
                self._hand_over([match[name] for name in self._sides])

    def _hand_over(self, images: list[CalibratedImage]) -> None:
        """Give a pair to the node; count one for which no camera_info ever came."""
        left = images[0]
        right = images[1] if len(images) == 2 else None
        self._statistics.pair(left.stamp_ns)
        topics = [
            self._subscriptions[_name(side, "camera_info")].topic_name
            for side, image in zip(self._sides, images, strict=True)
            if image.calibration is None
        ]
        if topics:
            reason = f"nothing yet on {' and '.join(topics)}"
            self._statistics.drop("no_camera_info", reason, left.stamp_ns)
            return
        frame_id, self._frame_remark = clean_frame(
            left.message.header.frame_id, self._info_readers[self._sides[0]].frame_id
        )
        self._calibrations = tuple(image.calibration for image in images)
        self._on_pair(
            Pair(
                left.stamp_ns,
                left.message,
                None if right is None else right.message,
                self._calibrations,
                frame_id,
            )
        )

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
