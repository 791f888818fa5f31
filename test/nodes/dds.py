"""A camera and a listener for tests over real DDS, and the node in a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.nodes.output import messages
from depth_ros.recordings.decode import stamp_to_ns

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT, FX, FY, CX, CY, BASELINE_M, DISPARITY_PX = (
    160,
    120,
    100.0,
    104.0,
    75.5,
    62.25,
    0.2,
    8,
)
DEPTH_M = FX * BASELINE_M / DISPARITY_PX
START_NS = 1_700_000_000_000_000_000
# from the 102nd on, ports are among those that Linux lends to anybody; above 232 there are none
_DOMAINS = 101


def domain(number):
    """A DDS domain of this run alone, so that runs beside each other do not meet; as many as
    there are numbers.
    """
    return 1 + (os.getpid() * 7 + number) % _DOMAINS


class Node:
    """depth_node as a user starts it; with: SIGINT at the end. Its output is in .log()."""

    def __init__(self, domain_id, **parameters):
        values = {"backend": "sgbm", "max_disparity_px": 32, **parameters}
        command = [sys.executable, "-m", "depth_ros.nodes.depth_node", "--ros-args"]
        for name, value in values.items():
            command += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
        self._log = tempfile.TemporaryFile()
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain_id)}
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, times=1):
        """Send SIGINT, as often as asked, and give the exit code."""
        for _ in range(times):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                time.sleep(0.02)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def log(self):
        self._log.seek(0)
        return self._log.read().decode()


class World:
    """Publishes images and hears what the node says; one thread, so every wait spins. sides:
    ("",) in mono.
    """

    def __init__(self, domain_id, compressed=False, sides=("left", "right")):
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain_id)
        self.ros = rclpy.create_node("test_world", context=self.context)
        kind, tail = (CompressedImage, "/compressed") if compressed else (Image, "")
        name = {side: f"{side}/" if side else "" for side in sides}
        self.images = {
            s: self.ros.create_publisher(kind, f"{name[s]}image_rect{tail}", 20) for s in sides
        }
        self.infos = {
            s: self.ros.create_publisher(CameraInfo, f"{name[s]}camera_info", 20) for s in sides
        }
        self.heard, self.values, self.status = {}, {}, None
        self.ros.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.ros)
        self.stamp_ns = START_NS

    def listen(self, topic, kind):
        """Collect the messages of a topic by stamp; reliably, so that what is not heard was not
        published.
        """
        inbox = self.heard[topic] = {}
        return self.ros.create_subscription(
            kind,
            topic,
            lambda msg: inbox.__setitem__(stamp_to_ns(msg.header.stamp), msg),
            QoSProfile(depth=100),
        )

    def wait(self, condition, limit_s=8.0):
        """Spin until the condition holds; gives its last value."""
        end = time.monotonic() + limit_s
        while not (value := condition()) and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def wait_for_node(self):
        publishers = [*self.images.values(), *self.infos.values()]
        assert self.wait(lambda: all(p.get_subscription_count() for p in publishers), 20), (
            "the node did not subscribe"
        )
        self.wait(
            lambda: False, 0.5
        )  # its subscriptions and publishers discover us, too: on a busy machine later

    def next_stamp(self, step_ns=33_333_333):
        self.stamp_ns += step_ns
        return self.stamp_ns

    def send_infos(self, stamp_ns, baseline_m=BASELINE_M, **changes):
        for side, publisher in self.infos.items():
            msg = info(stamp_ns, baseline_m if side == "right" else 0.0)
            for name, value in changes.items():
                setattr(msg, name, value)
            publisher.publish(msg)

    def send_images(self, left, right):
        self.images["left"].publish(left)
        self.images["right"].publish(right)

    def send(self, stamp_ns=None, **info_changes):
        """Send a good pair with its camera_infos; gives its stamp."""
        stamp_ns = self.next_stamp() if stamp_ns is None else stamp_ns
        self.send_infos(stamp_ns, **info_changes)
        self.send_images(*pair(stamp_ns))
        return stamp_ns

    def depth(self, stamp_ns, limit_s=8.0):
        """Wait for the depth of a stamp."""
        return self.wait(lambda: self.heard["depth/image_rect"].get(stamp_ns), limit_s)

    def fresh_values(self):
        """Wait for the second diagnostics from now, which cannot be older than now."""
        for _ in range(2):
            self.values = {}
            assert self.wait(lambda: self.values, 5), "no diagnostics"
        return self.values

    def burst(self, send, n=30):
        """Send n images at once, then single ones until one is answered (some may get lost);
        gives all stamps.
        """
        stamps = [send() for _ in range(n)]
        while len(stamps) < n + 5:
            self.wait(lambda: False, 0.2)
            stamps.append(send())
            if self.depth(stamps[-1], 3.0) is not None:
                return stamps
        raise AssertionError(f"no answer to {stamps[n:]}")

    def drops(self):
        return {
            k[8:]: int(v)
            for k, v in self.fresh_values().items()
            if k.startswith("dropped/") and int(v)
        }

    def close(self):
        self.executor.shutdown()
        self.ros.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def _on_diagnostics(self, msg):
        self.status = msg.status[0]
        self.values = {item.key: item.value for item in self.status.values}


def info(stamp_ns, baseline_m):
    """The camera_info of the test cameras."""
    from depth_ros.core.camera import Camera

    header = messages.make_header(stamp_ns, "left_optical")
    return messages.camera_to_info(Camera(WIDTH, HEIGHT, FX, FY, CX, CY), header, baseline_m)


def pair(stamp_ns, disparity_px=DISPARITY_PX):
    """Two rgb8 messages: random texture in which every pixel has the same disparity."""
    wide = np.random.default_rng(3).integers(
        0, 256, (HEIGHT, WIDTH + disparity_px, 3), dtype=np.uint8
    )
    header = messages.make_header(stamp_ns, "left_optical")
    left, right = wide[:, :WIDTH], wide[:, disparity_px:]
    return messages.rgb_to_image(left, header), messages.rgb_to_image(right, header)
