"""The ROS side of a replay: the node in a child process, the player and the listener. Needs rclpy."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs import msg as sensor_msgs

from ..core.errors import InputError
from ..transport import transport_environment
from .account import NodeCounters
from .bag import SIDES, cdr_stamp_ns
from .dds import Arrival

_DEPTH_TOPIC = "depth/image_rect"
_STATUS = "depth_node: depth"
_RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_STOP_S = 10


class NodeProcess:
    """depth_node as a user starts it, in a process of its own; with: it ends with the block."""

    def __init__(self, parameters: dict, domain_id: int):
        command = [sys.executable, "-m", "depth_ros.nodes.depth_node", "--ros-args"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={_yaml(value)}"]
        environment = {**os.environ, **transport_environment(), "ROS_DOMAIN_ID": str(domain_id)}
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command, env=environment, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True
        )

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *_) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)
        self._log.close()

    def check(self) -> None:
        """Raise InputError with the node's last words if it has ended."""
        if self._process.poll() is not None:
            raise InputError(f"the node ended with code {self._process.returncode}: {self.last_words()}")

    def wait_until(self, condition, limit_s: float, what: str) -> None:
        """Wait for a condition; raises InputError where the node ends or does not get there."""
        end = time.monotonic() + limit_s
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise InputError(f"expected the node {what} within {limit_s:.0f} s; it said: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        """The last lines of what the node printed."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "nothing"


class Listener:
    """Listen to depth and diagnostics, in a thread; depth stays serialised, on disk, until somebody asks for it."""

    def __init__(self, domain_id: int):
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain_id, signal_handler_options=None)
        self.node = rclpy.create_node("depth_ros_replay", context=self._context, enable_rosout=False)
        self._depth = self.node.create_subscription(
            sensor_msgs.Image, _DEPTH_TOPIC, self._on_depth, QoSProfile(depth=50), raw=True
        )
        self._diagnostics = self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self.arrivals: dict[int, Arrival] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._spool = tempfile.TemporaryFile()
        self._values: dict[str, str] = {}
        self._values_at = 0.0
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(_STOP_S)
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)
        self._spool.close()

    def is_matched(self) -> bool:
        """True when the node publishes depth to us."""
        return self.node.count_publishers(_DEPTH_TOPIC) > 0

    def depth_message(self, stamp_ns: int):
        """Give the depth Image with this stamp, or None."""
        if stamp_ns not in self._places:
            return None
        start, length = self._places[stamp_ns]
        return deserialize_message(os.pread(self._spool.fileno(), length, start), sensor_msgs.Image)

    def counters(self, node: NodeProcess) -> tuple[NodeCounters, float | None]:
        """Give what the node counted, from diagnostics newer than this call, and the median engine time in ms."""
        asked = time.monotonic()
        node.wait_until(lambda: self._values_at > asked + 0.2, 10, "to send diagnostics")
        return read_counters(self._values)

    def _on_depth(self, raw: bytes) -> None:
        """Note the time first, then keep the bytes."""
        arrival = Arrival(time.perf_counter_ns(), time.time_ns())
        stamp_ns = cdr_stamp_ns(raw)
        self._places[stamp_ns] = (self._spool.seek(0, os.SEEK_END), len(raw))
        self._spool.write(raw)
        self._spool.flush()
        self.arrivals[stamp_ns] = arrival

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        """Keep the newest figures of the node."""
        for status in message.status:
            if status.name == _STATUS:
                self._values = {item.key: item.value for item in status.values}
                self._values_at = time.monotonic()

    def _spin(self) -> None:
        while not self._stop.is_set() and self._context.ok():
            self._executor.spin_once(timeout_sec=0.1)


class Player:
    """Publish serialised messages as they are. kinds: message type name by topic."""

    def __init__(self, listener: Listener, kinds: dict[str, str]):
        self._publishers = {
            topic: listener.node.create_publisher(getattr(sensor_msgs, kind), topic, _RELIABLE)
            for topic, kind in kinds.items()
        }

    def is_matched(self) -> bool:
        """True when every topic has its subscriber."""
        return all(publisher.get_subscription_count() > 0 for publisher in self._publishers.values())

    def publish(self, topic: str, raw: bytes) -> None:
        """Publish the bytes of one message."""
        self._publishers[topic].publish(raw)


def read_counters(values: dict[str, str]) -> tuple[NodeCounters, float | None]:
    """Read the key-value pairs of the node's diagnostics: its counters, and its median engine time in milliseconds."""
    received = {side: int(values[key]) if (key := f"received/{side} image") in values else 0 for side in SIDES}
    drops = {key.removeprefix("dropped/"): int(value) for key, value in values.items() if key.startswith("dropped/")}
    published = int(values["frames_out"]) if "frames_out" in values else None
    engine_ms = float(values.get("engine_ms", "nan"))
    return NodeCounters(received, published, drops), engine_ms if math.isfinite(engine_ms) else None


def _yaml(value) -> str:
    """A parameter value as ROS parses it: YAML."""
    return json.dumps(value)
