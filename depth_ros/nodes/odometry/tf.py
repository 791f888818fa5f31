"""The transform odom -> base_link on /tf, with an eye on others who publish it."""

from __future__ import annotations

from collections import deque

from rclpy.qos import QoSProfile

from depth_ros.nodes.fast_path.event_callbacks import NO_PUBLISHER_EVENTS, NO_SUBSCRIPTION_EVENTS
from depth_ros.nodes.fast_path.polled_subscription import Gate, take_all
from depth_ros.nodes.input.camera_info import MessageError, read_message
from depth_ros.nodes.input.extrinsics import tf_message
from depth_ros.recordings.decode import stamp_to_ns

from .messages import BodyMotion, motion_to_transform

_DEPTH = 100
_OURS = 400  # stamps that are remembered, some seconds


class TfOutput:
    """Publishes a motion as a transform while nobody else gives the base frame a parent.

    state: "published", or why not. Two parents of one frame make TF jump between them, so the first
    sign of another publisher silences this one until the node is configured anew.
    """

    def __init__(self, node, base_frame: str):
        self._node = node
        self._base_frame = base_frame
        self._kind = tf_message()
        self._stamps: deque[int] = deque(maxlen=_OURS)
        self._publisher = self._subscription = None
        self.rival = ""
        self.state = "nothing yet"
        if self._kind is None:
            self.state = "impossible: tf2_msgs is not installed"
            return
        qos = QoSProfile(depth=_DEPTH)
        self._publisher = node.create_lifecycle_publisher(
            self._kind, "/tf", qos, event_callbacks=NO_PUBLISHER_EVENTS
        )
        # Polled, not waited for: a robot's joints say something a hundred times a second.
        self._subscription = node.create_subscription(
            self._kind,
            "/tf",
            lambda msg: None,
            qos,
            raw=True,
            callback_group=Gate(),
            event_callbacks=NO_SUBSCRIPTION_EVENTS,
        )

    @property
    def is_possible(self) -> bool:
        """True where there is something to publish with."""
        return self._publisher is not None

    def publish(self, motion: BodyMotion | None, withheld: str) -> None:
        """Publish the base's motion; withheld: why not now, "" where nothing speaks against it."""
        withheld = withheld or (f"another publisher: {self.rival}" if self.rival else "")
        if self._publisher is None:
            return
        if withheld or motion is None:
            self.state = f"withheld: {withheld}"
            return
        self._stamps.append(motion.stamp_ns)
        self._publisher.publish(self._kind(transforms=[motion_to_transform(motion)]))
        self.state = "published"

    def poll(self) -> None:
        """Look for others who give the base frame a parent; call it now and then."""
        if self._subscription is None:
            return
        taken = take_all(self._subscription)
        ours = set(self._stamps)  # only now: a stamp is remembered before its message goes out
        for item in (item for raw in taken for item in self._transforms(raw)):
            is_base = item.child_frame_id.lstrip("/") == self._base_frame.lstrip("/")
            if is_base and stamp_to_ns(item.header.stamp) not in ours:
                self.rival = f"{item.header.frame_id} -> {item.child_frame_id}"

    def _transforms(self, raw: bytes) -> list:
        """The transforms of a message; none of one that cannot be read."""
        try:
            return read_message(raw, self._kind).transforms
        except MessageError:
            return []

    def destroy(self) -> None:
        """Take publisher and subscription down."""
        if self._publisher is not None:
            self._node.destroy_lifecycle_publisher(self._publisher)
            self._node.destroy_subscription(self._subscription)
        self._publisher = self._subscription = None
