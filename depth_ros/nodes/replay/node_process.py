"""The ROS side of a replay: the node in a child process, the player and the listener.

Needs rclpy.
"""

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
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs import msg as sensor_msgs
from stereo_msgs.msg import DisparityImage

from depth_ros.core.errors import InputError
from depth_ros.nodes.transport import transport_environment
from depth_ros.recordings.bag import SIDES, cdr_stamp_ns

from .accounting import NodeCounters
from .replay import DEPTH, DISPARITY, ODOMETRY, RELATIVE, Arrival

_STATUS = "depth_node: depth"
_RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_STOP_S = 10
_KINDS = {
    DEPTH: sensor_msgs.Image,
    RELATIVE: sensor_msgs.Image,
    DISPARITY: DisparityImage,
    ODOMETRY: Odometry,
}


class NodeProcess:
    """depth_node as a user starts it, in a process of its own; with: it ends with the block."""

    def __init__(self, parameters: dict, domain_id: int):
        command = [sys.executable, "-m", "depth_ros.nodes.depth_node", "--ros-args"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={_yaml(value)}"]
        environment = {**os.environ, **transport_environment(), "ROS_DOMAIN_ID": str(domain_id)}
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
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
            raise InputError(
                f"the node ended with code {self._process.returncode}: {self.last_words()}"
            )

    def wait_until(self, condition, limit_s: float, what: str) -> None:
        """Wait for a condition; raises InputError where the node ends or does not get there."""
        end = time.monotonic() + limit_s
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise InputError(
                    f"expected the node {what} within {limit_s:.0f} s; it said: {self.last_words()}"
                )
            time.sleep(0.05)

    def last_words(self) -> str:
        """The last lines of what the node printed."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "nothing"


class Listener:
    """Listen to topics and diagnostics, in a thread; messages stay serialised, on disk, until
    somebody asks for them.

    topics: of dds.topics_heard; the first is depth, of which the arrivals are noted. values: the
    newest diagnostics. drop_log: {stamp_ns: cause} of every frame that the node said it has
    dropped.
    """

    def __init__(self, domain_id: int, topics: list[str]):
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain_id, signal_handler_options=None)
        self.node = rclpy.create_node(
            "depth_ros_replay", context=self._context, enable_rosout=False
        )
        self._diagnostics = self.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, 50
        )
        self.arrivals: dict[int, Arrival] = {}
        self.drop_log: dict[int, str] = {}
        self.values: dict[str, str] = {}
        self._places: dict[str, dict[int, tuple[int, int]]] = {topic: {} for topic in topics}
        self._spool = tempfile.TemporaryFile()
        self._topics = topics
        for topic in topics:
            self.node.create_subscription(
                _KINDS[topic], topic, self._keeper(topic), QoSProfile(depth=50), raw=True
            )
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
        """True when the node publishes all topics to us."""
        return all(self.node.count_publishers(topic) for topic in self._topics)

    def has_all(self, stamps_ns: set[int]) -> bool:
        """True when each topic has brought a message of each stamp."""
        return all(stamps_ns <= places.keys() for places in self._places.values())

    @property
    def count(self) -> int:
        """How many messages have come."""
        return sum(map(len, self._places.values()))

    def stamps(self, topic: str) -> list[int]:
        """Give the stamps that came on a topic, in order."""
        return sorted(self._places[topic])

    def message(self, topic: str, stamp_ns: int):
        """Give the message of a topic with this stamp, or None."""
        place = self._places.get(topic, {}).get(stamp_ns)
        if place is None:
            return None
        start, length = place
        return deserialize_message(os.pread(self._spool.fileno(), length, start), _KINDS[topic])

    def counters(
        self, node: NodeProcess, sides: tuple[str, ...]
    ) -> tuple[NodeCounters, float | None]:
        """Give what the node counted, from diagnostics newer than this call, and the median
        engine time in ms.
        """
        asked = time.monotonic()
        node.wait_until(lambda: self._values_at > asked + 0.2, 10, "to send diagnostics")
        return read_counters(self.values, sides)

    def _keeper(self, topic: str):
        """A callback: notes the time first, then keeps the bytes."""
        places = self._places[topic]

        def keep(raw: bytes) -> None:
            arrival = Arrival(time.perf_counter_ns(), time.time_ns())
            stamp_ns = cdr_stamp_ns(raw)
            start = self._spool.seek(0, os.SEEK_END)
            self._spool.write(raw)
            self._spool.flush()
            places[stamp_ns] = (start, len(raw))
            if topic == self._topics[0]:
                self.arrivals[stamp_ns] = arrival

        return keep

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        """Keep the newest figures of the node."""
        for status in message.status:
            if status.name == _STATUS:
                self.values = {item.key: item.value for item in status.values}
                self.drop_log |= read_drop_log(self.values)
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
        return all(
            publisher.get_subscription_count() > 0 for publisher in self._publishers.values()
        )

    def publish(self, topic: str, raw: bytes) -> None:
        """Publish the bytes of one message."""
        self._publishers[topic].publish(raw)


def read_drop_log(values: dict[str, str]) -> dict[int, str]:
    """Read the causes that the node's diagnostics name frame by frame.

    >>> read_drop_log({"dropped_frames": "1700000000000000000 busy, 1700000000100000000 bad_image"})
    {1700000000000000000: 'busy', 1700000000100000000: 'bad_image'}
    """
    entries = (
        entry.split(" ", 1) for entry in values.get("dropped_frames", "").split(", ") if entry
    )
    return {int(stamp): cause for stamp, cause in entries}


def read_counters(
    values: dict[str, str], sides: tuple[str, ...] = SIDES
) -> tuple[NodeCounters, float | None]:
    """Read the key-value pairs of the node's diagnostics: its counters, and its median engine
    time in milliseconds.
    """
    names = {side: f"received/{side} image".replace("/ ", "/") for side in sides}
    received = {side: int(values.get(name, 0)) for side, name in names.items()}
    drops = {
        key.removeprefix("dropped/"): int(value)
        for key, value in values.items()
        if key.startswith("dropped/")
    }
    published = int(values["frames_out"]) if "frames_out" in values else None
    engine_ms = float(values.get("engine_ms", "nan"))
    return NodeCounters(received, published, drops), engine_ms if math.isfinite(engine_ms) else None


def _yaml(value) -> str:
    """A parameter value as ROS parses it: YAML."""
    return json.dumps(value)
