"""From a node to a process: start, spin, and an end that is never silent."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from .arguments import start_ros, written_texts
from .fast_path.event_callbacks import NO_PUBLISHER_EVENTS
from .health.diagnostics import Report, diagnostics_message
from .health.failures import describe
from .parameters import ParameterError

_NAME = "depth_node"
_LISTENERS_S = 3.5  # participants announce themselves every 3 s, where the first time was missed
_DELIVERED_S = 1.5
_SOURCE_LINES = re.compile(r", at /\S+?:\d+")
_NAMES = ": names are of letters, digits and _, and no part begins with a digit"


def run(make_node: Callable, args=None) -> int:
    """Run a DepthNode until shutdown.

    Args:
        make_node: makes the node, once ROS has started, of the texts that were written for its
            parameters.
        args: the command line; None: that of the process.

    Returns:
        0 after a shutdown, 1 where the node could not start, 2 for a refused parameter. What is
        not 0 stands on stderr and in /diagnostics with its reason.
    """
    node = None
    try:
        start_ros(args)
        node = make_node(written_texts(args))
        if node.parameters.autostart and not node.autostart():
            announce_end(node.failure, node)
            return 1
        spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except Exception as error:  # noqa: BLE001 - a name, a rule or a file that ROS cannot use
        announce_end(_reason(error))
        return 2 if isinstance(error, ParameterError) else 1
    finally:
        # launch sends SIGINT to the group and then to each process: the second must not tear the
        # shutdown apart
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        close(node)
    return 0


def announce_end(why: str, node=None) -> None:
    """Report on stderr and in /diagnostics why the process ends.

    Args:
        why: the reason, which names the parameter.
        node: the DepthNode, which has logged it already; None: there is none, so that a bare one
            in its name reports.
    """
    if node is None:
        print(f"{_NAME}: {why}", file=sys.stderr, flush=True)
    # It stands on stderr already, this is for those who listen.
    with contextlib.suppress(Exception, KeyboardInterrupt):
        node = node or _bare_node()
        publisher = node.create_publisher(
            DiagnosticArray, "/diagnostics", 10, event_callbacks=NO_PUBLISHER_EVENTS
        )
        end_s = time.monotonic() + _LISTENERS_S
        while not publisher.get_subscription_count() and time.monotonic() < end_s:
            time.sleep(0.02)
        name = f"{node.get_name()}: depth"
        stamp = node.get_clock().now().to_msg()
        publisher.publish(diagnostics_message(stamp, name, "", Report(reasons=(why,))))
        publisher.wait_for_all_acked(Duration(seconds=_DELIVERED_S))


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


def _reason(error: Exception) -> str:
    """Why there is no node: our errors explain themselves, those of ROS name the rule or the
    file.
    """
    if isinstance(error, ParameterError):
        return str(error)
    reason = _SOURCE_LINES.sub("", describe(error))
    if "remap rule" in reason:
        reason += _NAMES
    return f"cannot start: {reason}"


def _bare_node():
    """A node in the name of the one that could not be made, with its namespace where that is a
    name.
    """
    if rclpy.ok():
        return rclpy.create_node(_NAME, start_parameter_services=False, enable_rosout=False)
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=None)
    return rclpy.create_node(
        _NAME, context=context, start_parameter_services=False, enable_rosout=False
    )
