"""Names that ROS refuses, found before they are used: topics of parameters, and qos_overrides."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields

from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy

from .parameters import ParameterError, Parameters

_PREFIX = "qos_overrides."
_ENTITIES = ("publisher", "subscription")
_MAX_DEPTH = 10_000
_WORDS = {
    kind: [key for key in policy.short_keys() if key != "unknown"]
    for kind, policy in (
        ("history", HistoryPolicy),
        ("reliability", ReliabilityPolicy),
        ("durability", DurabilityPolicy),
    )
}
_POLICIES = ("depth", *_WORDS)


def refuse_bad_topics(node, parameters: Parameters) -> None:
    """Raise ParameterError, with ROS' reason, for a topic parameter that no topic can have."""
    for item in fields(parameters):
        topic = getattr(parameters, item.name)
        if not item.name.endswith("_topic") or not topic:
            continue
        try:
            node.resolve_topic_name(topic)
        except Exception as error:  # noqa: BLE001 - rclpy raises another one in every distribution
            why = str(error).split(", at ")[0].removeprefix("failed to resolve name: ")
            raise ParameterError(
                f"{item.name}: expected a topic name, got {topic!r}: {why}"
            ) from None


def topics_of(node, parameters: Parameters, outputs: Iterable[str]) -> dict[str, set[str]]:
    """Name the topics whose QoS can be overridden, in full and after remapping.

    Args:
        node: that resolves them.
        parameters: whose topics are subscribed to.
        outputs: every topic that the node may publish.

    Returns:
        {"subscription": names, "publisher": names}.
    """
    images = [node.resolve_topic_name(parameters.image_topic_of(s)) for s in parameters.sides]
    if parameters.image_transport == "compressed":
        images = [f"{topic}/compressed" for topic in images]
    heard = [parameters.info_topic_of(side) for side in parameters.sides]
    heard += [topic for topic in (parameters.imu_topic, parameters.odometry_topic) if topic]
    return {
        "subscription": {node.resolve_topic_name(topic) for topic in [*images, *heard]},
        "publisher": {node.resolve_topic_name(topic) for topic in outputs},
    }


def check_overrides(values: dict, topics: dict[str, set[str]]) -> list[str]:
    """Look at what a user set of qos_overrides.

    Args:
        values: all parameters that were given, by name.
        topics: of topics_of.

    Returns:
        A remark for each topic that the node does not have: it may be another node's, of a file
        that both read, or a slip.

    Raises:
        ParameterError: for a policy or a value that there is not, on a topic of ours.
    """
    remarks = []
    for name, value in values.items():
        if not name.startswith(_PREFIX):
            continue
        topic, entity, policy = _parts(name)
        if topic in topics[entity]:
            _check_policy(name, policy, value)
        else:
            remarks.append(_remark(name, topic, entity, topics))
    return list(dict.fromkeys(remarks))


def _parts(name: str) -> tuple[str, str, str]:
    """Take qos_overrides./topic.publisher.depth apart; raises ParameterError where it is not of
    that form.
    """
    parts = name.removeprefix(_PREFIX).rsplit(".", 2)
    if len(parts) != 3 or not parts[0].startswith("/") or parts[1].split("_")[0] not in _ENTITIES:
        form = f"{_PREFIX}/FULL/TOPIC.(publisher or subscription).({', '.join(_POLICIES)})"
        raise ParameterError(f"{name}: expected {form}")
    return parts[0], parts[1].split("_")[0], parts[2]


def _check_policy(name: str, policy: str, value) -> None:
    """Raise ParameterError for a policy or a value that rclpy would end the node for."""
    if policy not in _POLICIES:
        near = _near(policy, _POLICIES)
        raise ParameterError(
            f"{name}: expected one of {', '.join(_POLICIES)}, got {policy!r}{near}"
        )
    if policy == "depth":
        if type(value) is not int or not 1 <= value <= _MAX_DEPTH:
            raise ParameterError(
                f"{name}: expected a whole number from 1 to {_MAX_DEPTH}, got {value!r}"
            )
    elif value not in _WORDS[policy]:
        near = _near(str(value), _WORDS[policy])
        raise ParameterError(
            f"{name}: expected one of {', '.join(_WORDS[policy])}, got {value!r}{near}"
        )


def _remark(name: str, topic: str, entity: str, topics: dict[str, set[str]]) -> str:
    """Say that an override has no effect, and which topic may have been meant."""
    other = next(kind for kind in _ENTITIES if kind != entity)
    if topic in topics[other]:
        hint = f"of it the node has a {other}"
    else:
        hint = _near(topic, sorted(topics[entity])).removeprefix(": ") or "is it another node's?"
    return f"{_PREFIX}{topic}.{entity} has no effect: the node has no {entity} there: {hint}"


def _near(word: str, words: Iterable[str]) -> str:
    """ ": did you mean ...?", or nothing."""
    found = difflib.get_close_matches(word, words, n=1)
    return f": did you mean {found[0]}?" if found else ""
