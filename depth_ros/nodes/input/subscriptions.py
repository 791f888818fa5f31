"""The node's subscriptions: messages in, pairs out.

Nothing is decoded here: only frames that will be used are.
"""

from __future__ import annotations

import math
import threading
import time

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.core.camera import Calibration
from depth_ros.core.errors import CalibrationError, DepthRosError, ImageError
from depth_ros.core.sync import StampMatcher
from depth_ros.nodes.fast_path.event_callbacks import NO_SUBSCRIPTION_EVENTS
from depth_ros.nodes.fast_path.receiver import Receiver
from depth_ros.nodes.health.failures import shorten
from depth_ros.nodes.health.statistics import Statistics
from depth_ros.doctor.causes import JUMPS_BACK
from depth_ros.nodes.health.watchdog import Stream
from depth_ros.nodes.parameters import Parameters
from depth_ros.nodes.qos import overridable
from depth_ros.recordings.cdr import ImageReader
from depth_ros.recordings.decode import stamp_to_ns

from .camera_info import Gate, InfoReader, MessageError, read_message, take_all
from .pairing import Calibrator, Pair, calibration_remarks, clean_frame

_CAUSES = (
    (ImageError, "bad_image"),
    (CalibrationError, "bad_calibration"),
    (MessageError, "bad_message"),
)
_LATE_NS = 150_000_000  # a side that comes so much later than the other is worth a word
_RECENT_S = 10.0  # so long a jump of the stamps is spoken of
_NANOSECONDS = 1_000_000_000
SIDES = {
    "stereo": ("left", "right"),
    "mono": ("",),
}  # as they stand before the names of streams and parameters


class Inputs:
    """Subscribes to an image and a camera_info topic for each camera; calls on_pair(Pair), in one
    thread at a time.

    That is the receiver's thread, or, where rclpy does not let us have one, the executor's. path:
    says which of them. on_odometry: called with (stamp_ns, position (3,) m) for each message of
    parameters.odometry_topic; None: not heard.
    """

    def __init__(
        self, node, parameters: Parameters, statistics: Statistics, on_pair, on_odometry=None
    ):
        self._node, self._statistics, self._on_pair = node, statistics, on_pair
        self._sides = SIDES[parameters.mode]
        tolerance_ns, wait_ns = (
            round(s * 1e9) for s in (parameters.sync_tolerance_s, parameters.sync_wait_s)
        )
        self.matcher = StampMatcher(self._sides, tolerance_ns, wait_ns)
        self._frame_remark = ""
        self._jumps, self._jump_s = 0, -math.inf
        self._calibrations: tuple[Calibration, ...] = ()
        self._calibrator = Calibrator(self._sides)
        self._readers = {side: InfoReader() for side in self._sides}
        self._image_gate, self._info_gate = Gate(), Gate()  # closed: they go past the executor
        self._image_readers = {side: ImageReader() for side in self._sides}
        self._lock = threading.RLock()  # the receiver, and the timer that asks for streams()
        self._drops_at_pair = dict(self.matcher.drops)
        self._subscriptions = {}
        self._receiver, self.path = None, "own wait set"
        try:
            self._subscribe_all(parameters, on_odometry)
        except Exception:
            self.destroy()
            raise
        self._sides_of = {
            _name(side, what): side for side in self._sides for what in ("image", "camera_info")
        }
        words = {"image": "image_topic", "camera_info": "info_topic"}
        self._parameters_of = {"odometry": "odometry_topic"} | {
            _name(side, what): f"{side}_{word}".lstrip("_")
            for side in self._sides
            for what, word in words.items()
        }
        ours = {name: self._subscriptions[name] for name in self._sides_of}
        try:
            self._receiver = Receiver(
                node.context, ours, self._on_raw, self._awaited, self._use_executor
            )
        except Exception as error:  # noqa: BLE001 - a private part of rclpy: it may be missing in any way
            self._use_executor(error)

    def streams(self) -> tuple[Stream, ...]:
        """Describe every subscription for the watchdog; asks the graph, so call it seldom."""
        with self._lock:
            self.poll_infos()  # without images nobody else does
        return tuple(
            self._describe(name, subscription) for name, subscription in self._subscriptions.items()
        )

    def topics(self) -> dict[str, str]:
        """Give the full name of each topic that is listened to, after remapping, by the name of
        its stream.
        """
        return {name: subscription.topic_name for name, subscription in self._subscriptions.items()}

    def remarks(self, is_rectified: bool) -> list[str]:
        """Say what is odd although messages are answered; is_rectified: what the images are
        meant to be.
        """
        with self._lock:
            stream, lag_ns = self.matcher.lag()
        now_s, jumps = time.monotonic(), self.matcher.time_jumps
        if jumps != self._jumps:
            self._jumps, self._jump_s = jumps, now_s
        found = [JUMPS_BACK] if now_s - self._jump_s < _RECENT_S else []
        found += [shorten(self._frame_remark)] if self._frame_remark else []
        found += calibration_remarks(self._calibrations, is_rectified)
        if lag_ns > _LATE_NS:
            found.append(
                f"{stream} images arrive {lag_ns / 1e9:.3f} s after the others of the same stamp"
            )
        return found

    def unmatched_since_pair(self) -> dict[str, int]:
        """Give what the matcher has dropped since the last pair, by cause."""
        return {
            cause: n - self._drops_at_pair.get(cause, 0) for cause, n in self.matcher.drops.items()
        }

    def destroy(self) -> None:
        """Take the subscriptions down."""
        if self._receiver is not None:
            self._receiver.stop()
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def poll_infos(self) -> None:
        """Take the camera_infos that are there; the executor, if it takes them, is to wait while
        a pair lacks them.
        """
        for side in self._sides:
            name = _name(side, "camera_info")
            for raw in take_all(self._subscriptions[name]):
                self._on_info(side, name, raw)

    def _use_executor(self, why: Exception) -> None:
        """Leave images to the executor, as any node does, for want of a receiver; dearer, else
        the same.
        """
        self.path = f"executor ({type(why).__name__}: {why})"
        self._node.get_logger().warning(
            f"images are taken by the executor, which costs more: {why}"
        )
        self._image_gate.is_open = True
        self._watch_infos()

    def _watch_infos(self) -> None:
        """Let the executor wait for camera_infos only while a pair lacks them, as they come with
        every image.
        """
        self._info_gate.is_open = self._image_gate.is_open and self._calibrator.is_waiting

    def _awaited(self) -> list[str]:
        """Name what the receiver waits for, by the same rule."""
        infos = self._calibrator.is_waiting
        return [name for name in self._sides_of if infos or name.endswith("image")]

    def _on_raw(self, name: str, raw: bytes) -> None:
        """Take one message from whoever brings it; what cannot be read is counted, and stops no
        other.
        """
        side, kind = self._sides_of.get(name, ""), self._subscriptions[name].msg_type
        try:
            with self._lock:
                if kind is CameraInfo:
                    self._on_info(side, name, raw)
                elif kind is Odometry:
                    self._on_odometry(read_message(raw, Odometry))
                else:
                    self._statistics.arrive(name)
                    is_plain = kind is Image
                    msg = (
                        self._image_readers[side].read(raw)
                        if is_plain
                        else read_message(raw, CompressedImage)
                    )
                    self._on_image(side, name, msg, len(raw))
                self._watch_infos()
        except Exception as error:  # noqa: BLE001 - no message may end the thread
            self._refuse(name, error)

    def _refuse(self, name: str, error: Exception) -> None:
        """Count a message that cannot be used, by its fault."""
        cause = next(
            (cause for kind, cause in _CAUSES if isinstance(error, kind)), "internal_error"
        )
        words = (
            str(error) if isinstance(error, DepthRosError) else f"{type(error).__name__}: {error}"
        )
        self._statistics.drop(cause, f"{name}: {words}")

    def _subscribe_all(self, parameters: Parameters, on_odometry) -> None:
        """Subscribe to what the parameters name; raises what rclpy does for names and QoS that
        it refuses.
        """
        compressed = parameters.image_transport == "compressed"
        for side in self._sides:
            info_topic = getattr(parameters, f"{side}_info_topic".lstrip("_"))
            self._subscribe(_name(side, "camera_info"), CameraInfo, info_topic, self._info_gate)
        if on_odometry is not None:
            self._on_position = on_odometry
            self._subscribe("odometry", Odometry, parameters.odometry_topic, None)
        for side in self._sides:
            topic = getattr(parameters, f"{side}_image_topic".lstrip("_"))
            # Both left/image_rect and left/image_rect/compressed can be remapped, as with
            # image_transport.
            topic = self._node.resolve_topic_name(topic) + "/compressed" if compressed else topic
            kind = CompressedImage if compressed else Image
            self._subscribe(_name(side, "image"), kind, topic, self._image_gate)

    def _subscribe(self, name, kind, topic, gate):
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

    def _on_info(self, side, name, raw):
        """Remember a calibration; one that cannot be read is a drop of its own."""
        self._statistics.arrive(name)
        try:
            stamp_ns, calibration = self._readers[side].read(raw)
        except Exception as error:  # noqa: BLE001 - a pair that polls for its own must not be lost by another's
            self._refuse(name, error)
            return
        self._hand_over(self._calibrator.add_info(side, stamp_ns, calibration))

    def _on_odometry(self, msg):
        """Hand a measured position on."""
        self._statistics.arrive("odometry")
        place = msg.pose.pose.position
        position = np.array([place.x, place.y, place.z])
        if np.isfinite(position).all():
            self._on_position(stamp_to_ns(msg.header.stamp), position)

    def _on_image(self, side, name, msg, size_bytes):
        """Give the image to the matcher, and the pair that it may complete to the calibrator."""
        stamp = msg.header.stamp
        if stamp.sec < 0 or stamp.nanosec >= _NANOSECONDS:
            words = (
                f"{name}: expected 0 s or more, and less than 1e9 ns, got {stamp.sec} s "
                f"{stamp.nanosec} ns"
            )
            self._statistics.drop("bad_stamp", words)
            return
        pair = self.matcher.add(side, stamp_to_ns(stamp), msg, size_bytes)
        if pair is not None:
            self._drops_at_pair = dict(self.matcher.drops)
            stamps_ns = {side: stamp_to_ns(image.header.stamp) for side, image in pair.items()}
            self._statistics.pair(stamps_ns[self._sides[0]])
            self.poll_infos()
            self._hand_over(self._calibrator.add_images(pair, stamps_ns))

    def _hand_over(self, complete):
        """Give complete pairs to the node; count those for which no camera_info ever came."""
        for images, calibrations in complete:
            left, right = (*(images[side] for side in self._sides), None)[:2]
            stamp_ns = stamp_to_ns(left.header.stamp)
            missing = [
                _name(side, "camera_info") for side in self._sides if calibrations[side] is None
            ]
            if missing:
                words = f"nothing yet on {' and '.join(self._topics(missing))}"
                self._statistics.drop("no_camera_info", words, stamp_ns)
                continue
            frame_id, self._frame_remark = clean_frame(
                left.header.frame_id, self._readers[self._sides[0]].frame_id
            )
            self._calibrations = tuple(calibrations[side] for side in self._sides)
            self._on_pair(Pair(stamp_ns, left, right, self._calibrations, frame_id))

    def _topics(self, names):
        return [self._subscriptions[name].topic_name for name in names]

    def _describe(self, name, subscription) -> Stream:
        """Look one subscription up in the graph."""
        topic = subscription.topic_name
        kind = subscription.msg_type
        type_name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        publishers = self._node.get_publishers_info_by_topic(topic)
        types = [info.topic_type for info in publishers]
        qos = subscription.qos_profile
        text = (
            f"{qos.reliability.name.lower().replace('_', ' ')}, {qos.durability.name.lower()}, "
            f"depth {qos.depth}"
        )
        others = {} if types else self._published_by_others()
        base = topic.removesuffix("/compressed")
        return Stream(
            name=name,
            topic=topic,
            type_name=type_name,
            qos=text,
            publishers=types.count(type_name),
            received=self._statistics.since_output[name],
            other_types=tuple(sorted({t for t in types if t != type_name}))
            if type_name not in types
            else (),
            conflict=_conflict([info.qos_profile for info in publishers], subscription.qos_profile),
            similar_topics=tuple(topic for topic, kinds in others.items() if type_name in kinds),
            parameter=self._parameters_of[name],
            transports={
                t: k[0] for t, k in others.items() if t == base or t.startswith(f"{base}/")
            },
        )

    def _published_by_others(self) -> dict[str, list[str]]:
        """Give the topics that anybody but this node publishes, with their types."""
        own = self._node.get_name()
        return {
            topic: kinds
            for topic, kinds in self._node.get_topic_names_and_types()
            if any(info.node_name != own for info in self._node.get_publishers_info_by_topic(topic))
        }


def _name(side: str, what: str) -> str:
    """The name of a stream: "left image"; in mono "image"."""
    return f"{side} {what}".strip()


def _conflict(offered, asked) -> str | None:
    """Say why none of the offered QoS profiles meets the one asked for; None where one does, or
    none is offered.
    """
    checks = [qos_check_compatible(profile, asked) for profile in offered]
    if not checks or any(result != QoSCompatibility.ERROR for result, _ in checks):
        return None
    return checks[0][1].strip().rstrip(";")
