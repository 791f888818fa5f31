"""What a user wrote for a node's parameters, before any of them is declared."""

from __future__ import annotations

from typing import Any


def parameter_overrides(node) -> dict[str, Any]:
    """Return the values of the command line, its files and the constructor, by parameter name.

    rclpy has no public access to overrides of parameters that are not declared (unknown names,
    qos_overrides). Empty where rclpy keeps them elsewhere.
    """
    overrides = getattr(node, "_parameter_overrides", {})
    return {name: item.value for name, item in overrides.items()}
