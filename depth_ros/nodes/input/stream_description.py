"""One subscription as the graph has it, for the watchdog."""

from __future__ import annotations

from rclpy.qos import QoSCompatibility, qos_check_compatible

from depth_ros.nodes.health.watchdog import Stream


def describe_stream(node, subscription, name: str, parameter: str, received: int) -> Stream:
    """Look a subscription up in the graph, which costs some milliseconds.

    Args:
        node: that subscribes.
        subscription: of rclpy.
        name: of the stream, such as "left image".
        parameter: that names the topic.
        received: messages since the last output.
    """
    topic = subscription.topic_name
    type_name = _type_name(subscription.msg_type)
    publishers = node.get_publishers_info_by_topic(topic)
    types = [info.topic_type for info in publishers]
    other_types = () if type_name in types else tuple(sorted(set(types)))
    others = {} if types else _published_by_others(node)
    base = topic.removesuffix("/compressed")
    transports = {}
    for other, kinds in others.items():
        if other == base or other.startswith(f"{base}/"):
            transports[other] = kinds[0]
    return Stream(
        name=name,
        topic=topic,
        type_name=type_name,
        qos=_qos_text(subscription.qos_profile),
        publishers=types.count(type_name),
        received=received,
        other_types=other_types,
        conflict=_conflict([info.qos_profile for info in publishers], subscription.qos_profile),
        similar_topics=tuple(other for other, kinds in others.items() if type_name in kinds),
        parameter=parameter,
        transports=transports,
    )


def _type_name(kind) -> str:
    """The name of a message class as the graph has it: sensor_msgs/msg/Image."""
    package = kind.__module__.split(".")[0]
    return f"{package}/msg/{kind.__name__}"


def _qos_text(qos) -> str:
    """What of a QoS profile decides whether messages arrive."""
    reliability = qos.reliability.name.lower().replace("_", " ")
    return f"{reliability}, {qos.durability.name.lower()}, depth {qos.depth}"


def _published_by_others(node) -> dict[str, list[str]]:
    """The topics that anybody but this node publishes, with their types."""
    own = node.get_name()
    found = {}
    for topic, kinds in node.get_topic_names_and_types():
        publishers = node.get_publishers_info_by_topic(topic)
        if any(info.node_name != own for info in publishers):
            found[topic] = kinds
    return found


def _conflict(offered, asked) -> str | None:
    """Why none of the offered QoS profiles meets the one asked for; None where one does, or none
    is offered.
    """
    checks = [qos_check_compatible(profile, asked) for profile in offered]
    if not checks or any(result != QoSCompatibility.ERROR for result, _ in checks):
        return None
    reason = checks[0][1]
    return reason.strip().rstrip(";")
