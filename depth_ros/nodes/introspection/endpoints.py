"""Names, publishers and QoS of a running graph, as the doctor asks for them.

Needs rclpy's node, imports little.
"""

from __future__ import annotations

from rclpy.qos import QoSCompatibility, qos_check_compatible

from depth_ros.doctor.graph_snapshot import Stream
from depth_ros.recordings.bag import IMAGE_TYPES, IMAGES, INFO_TYPE, SIDES


def guessed_streams(ros, namespace: str) -> tuple[tuple[str, ...], dict[str, Stream]]:
    """Find the topics of cameras by their endings: a pair if there is a right one."""
    topics = []
    for topic, types in sorted(ros.get_topic_names_and_types()):
        if is_inside(topic, namespace):
            topics += [(topic, kind) for kind in types if kind in IMAGE_TYPES]
    found: dict[str, tuple[str, str]] = {}
    for side in ("left", "right", ""):
        image = _first_image(topics, side)
        if image is not None:
            found[side] = image
    sides = SIDES if "right" in found else ("",)
    streams = {}
    for side in sides:
        default = f"{namespace}/{side}/image_rect".replace("//", "/")
        topic, kind = found.get(side, (default, IMAGE_TYPES[0]))
        info = topic.removesuffix("/compressed").rsplit("/", 1)[0] + "/camera_info"
        for what, stream_topic, stream_kind in (
            ("image", topic, kind),
            ("camera_info", info, INFO_TYPE),
        ):
            name = f"{side} {what}".strip()
            streams[name] = Stream(name, stream_topic, stream_kind)
    return sides, streams


def _first_image(topics: list[tuple[str, str]], side: str) -> tuple[str, str] | None:
    """The (topic, type) of the images of a side by its ending, the most usual ending first."""
    for name in IMAGES:
        for tail in ("", "/compressed"):
            ending = f"/{side}/{name}{tail}".replace("//", "/")
            for topic, kind in topics:
                if topic.endswith(ending):
                    return topic, kind
    return None


def describe(ros, stream: Stream, own: str | None) -> None:
    """Fill in who publishes a stream's topic, and who cannot hear it. own: a node whose topics
    are none of a camera.
    """
    infos = ros.get_publishers_info_by_topic(stream.topic)
    stream.publishers = [
        full_name(i.node_name, i.node_namespace) for i in infos if i.topic_type == stream.kind
    ]
    stream.other_types = sorted({info.topic_type for info in infos} - {stream.kind})
    stream.conflicts = conflicts(ros, stream.topic)
    if stream.publishers:
        return
    # Nobody publishes it as it is asked for: what else is there?
    base = stream.topic.removesuffix("/compressed")
    stream.similar = []
    stream.transports = {}
    for topic, kinds in sorted(ros.get_topic_names_and_types()):
        is_similar = stream.kind in kinds
        is_transport = topic == base or topic.startswith(f"{base}/")
        if (is_similar or is_transport) and publishers(ros, topic) - {own}:
            if is_similar:
                stream.similar.append(topic)
            if is_transport:
                stream.transports[topic] = kinds[0]


def publishers(ros, topic: str) -> set[str]:
    """The full names of the nodes that publish a topic."""
    return {
        full_name(info.node_name, info.node_namespace)
        for info in ros.get_publishers_info_by_topic(topic)
    }


def conflicts(ros, topic: str) -> list[str]:
    """Name subscribers that some publisher's QoS does not satisfy."""
    found = []
    for offered in ros.get_publishers_info_by_topic(topic):
        for asked in ros.get_subscriptions_info_by_topic(topic):
            result, why = qos_check_compatible(offered.qos_profile, asked.qos_profile)
            if result == QoSCompatibility.ERROR and asked.topic_type == offered.topic_type:
                reader = full_name(asked.node_name, asked.node_namespace)
                writer = full_name(offered.node_name, offered.node_namespace)
                why = why.split(";")[0].removeprefix("ERROR: ").strip()
                found.append(
                    f"{reader} hears nothing of {writer} on {topic}: incompatible QoS ({why}): "
                    f"set qos_overrides.{topic} or the driver's QoS"
                )
    return list(dict.fromkeys(found))


def full_name(name: str, space: str) -> str:
    """Join a node's name and its namespace."""
    return f"{space.rstrip('/')}/{name}"


def is_inside(name: str, namespace: str) -> bool:
    """Whether a name lies in a namespace; "" is all of them."""
    return not namespace or f"{name.rstrip('/')}/".startswith(f"{namespace}/")


def resolved(topic: str, space: str) -> str:
    """The full name of a topic that a node of a namespace gave."""
    if topic.startswith("/"):
        return topic
    return f"{space.rstrip('/')}/{topic}"
