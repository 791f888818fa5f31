"""From a node to a process: spin, and an end in which nothing can fail any more."""

from __future__ import annotations

import contextlib
import traceback

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor


def spin(node) -> None:
    """Run a DepthNode's callbacks until shutdown; a message that rclpy itself cannot read is
    dropped like any other.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while node.context.ok():
        try:
            # without a limit, as rclpy.spin: a limit is a timer more in every turn
            executor.spin_once()
        except (KeyboardInterrupt, ExternalShutdownException):
            return
        except Exception as error:  # noqa: BLE001 - nor the process
            if node.context.ok():
                node.statistics.drop("internal_error", f"{type(error).__name__}: {error}")
                node.get_logger().debug(traceback.format_exc())


def close(node) -> None:
    """Stop the workers and leave ROS; nothing that fails here matters any more. node: DepthNode
    or None.
    """
    with contextlib.suppress(Exception, KeyboardInterrupt):
        if node is not None:
            node.free()
            node.destroy_node()
    with contextlib.suppress(Exception, KeyboardInterrupt):
        rclpy.try_shutdown()
