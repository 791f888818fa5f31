"""The QoS that a user may change by parameters (qos_overrides)."""

from __future__ import annotations

from rclpy.qos import QoSPolicyKind
from rclpy.qos_overriding_options import QoSOverridingOptions


def overridable() -> QoSOverridingOptions:
    """Return rclpy's usual ones, history, depth and reliability, and durability: without it
    nothing latched is received.
    """
    kinds = (
        QoSPolicyKind.HISTORY,
        QoSPolicyKind.DEPTH,
        QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
    )
    return QoSOverridingOptions(policy_kinds=kinds)
