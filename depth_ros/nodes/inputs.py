"""The node's subscriptions: messages in, pairs out. Nothing is decoded here: only frames that will be used are."""

from __future__ import annotations

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..core.errors import CalibrationError
from ..core.sync import StampMatcher
from .decode import info_to_calibration, stamp_to_ns
from .pairing import CalibrationHistory, Pair
from .parameters import Parameters
from .statistics import Statistics
from .watchdog import Stream

SIDES = ("left", "right")


class StereoInputs:
    """Subscribes to two image and two camera_info topics and calls on_pair(Pair) in the executor's thread."""

    def __init__(self, node, parameters: Parameters, statistics: Statistics, on_pair):
        self._node, self._statistics, self._on_pair = node, statistics, on_pair
        self.matcher = StampMatcher(SIDES, tolerance_ns=round(parameters.sync_tolerance_s * 1e9))
        self._histories = {side: CalibrationHistory() for side in SIDES}
        self._conflicts: dict[str, str] = {}
        self._subscriptions = {}
        compressed = parameters.image_transport == "compressed"
        for side in SIDES:
            topic = getattr(parameters, f"{side}_image_topic")
            # Both left/image_rect and left/image_rect/compressed can be remapped, as with image_transport.
            topic = node.resolve_topic_name(topic) + "/compressed" if compressed else topic
            self._subscribe(f"{side} image", CompressedImage if compressed else Image, topic, self._on_image, side)
            info_topic = getattr(parameters, f"{side}_info_topic")
            self._subscribe(f"{side} camera_info", CameraInfo, info_topic, self._on_info, side)

    def streams(self) -> tuple[Stream, ...]:
        """Describe every subscription for the watchdog; asks the graph, so call it seldom."""
        return tuple(self._describe(name, subscription) for name, subscription in self._subscriptions.items())

    def destroy(self) -> None:
        """Take the subscriptions down."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _subscribe(self, name, kind, topic, callback, side):
        """Subscribe with the sensor-data QoS, which also matches reliable publishers."""

        def conflict(event):
            self._conflicts[name] = qos_policy_name_from_kind(event.last_policy_kind)

        self._subscriptions[name] = self._node.create_subscription(
            kind,
            topic,
            lambda msg: callback(side, name, msg),
            QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=conflict),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _on_info(self, side, name, msg):
        """Remember a calibration; numbers that do not even have the right count are a drop of their own."""
        self._statistics.arrive(name)
        try:
            self._histories[side].add(stamp_to_ns(msg.header.stamp), info_to_calibration(msg))
        except CalibrationError as error:
            self._statistics.drop("bad_calibration", f"{name}: {error}")

    def _on_image(self, side, name, msg):
        """Give the image to the matcher, and the pair that it may complete to the node."""
        self._statistics.arrive(name)
        stamp_ns = stamp_to_ns(msg.header.stamp)
        pair = self.matcher.add(side, stamp_ns, msg)
        if pair is None:
            return
        left, right = (pair[s] for s in SIDES)
        stamp_ns = stamp_to_ns(left.header.stamp)
        self._statistics.pair(stamp_ns)
        known = tuple(self._histories[s].at(stamp_to_ns(pair[s].header.stamp)) for s in SIDES)
        missing = [f"{s} camera_info" for s, calibration in zip(SIDES, known) if calibration is None]
        if missing:
            self._statistics.drop("no_camera_info", f"nothing yet on {' and '.join(self._topics(missing))}")
        else:
            self._on_pair(Pair(stamp_ns, left, right, known))

    def _topics(self, names):
        return [self._subscriptions[name].topic_name for name in names]

    def _describe(self, name, subscription) -> Stream:
        """Look one subscription up in the graph."""
        topic = subscription.topic_name
        kind = subscription.msg_type
        type_name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        types = [info.topic_type for info in self._node.get_publishers_info_by_topic(topic)]
        qos = subscription.qos_profile
        text = f"{qos.reliability.name.lower().replace('_', ' ')}, {qos.durability.name.lower()}, depth {qos.depth}"
        similar = [] if types else [t for t, kinds in self._node.get_topic_names_and_types() if type_name in kinds]
        return Stream(
            name=name,
            topic=topic,
            type_name=type_name,
            qos=text,
            publishers=types.count(type_name),
            received=self._statistics.since_output[name],
            other_types=tuple(sorted({t for t in types if t != type_name})) if type_name not in types else (),
            conflict=self._conflicts.get(name) if not self._statistics.since_output[name] else None,
            similar_topics=tuple(t for t in similar if self._published_by_others(t)),
        )

    def _published_by_others(self, topic) -> bool:
        """Tell whether anybody but this node publishes a topic."""
        return any(info.node_name != self._node.get_name() for info in self._node.get_publishers_info_by_topic(topic))
