"""The other end of the wire: publishes stereo pairs, hears the depth, and reads what the node's
process has used.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from depth_ros.core.camera import Camera
from depth_ros.nodes.output import messages

SIDES = ("left", "right")
BASELINE_M = 0.1


def cpu_ns(pid: int) -> int:
    """Read the CPU time of all threads that a process has now, in nanoseconds."""
    return sum(
        int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


class BenchCamera:
    """Two cameras and a listener in a DDS domain of their own. stamps are the time of
    publishing, time.time_ns().
    """

    def __init__(self, domain_id: int):
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain_id, signal_handler_options=None)
        self.node = rclpy.create_node("bench_camera", context=self.context, enable_rosout=False)
        self._images = [
            self.node.create_publisher(Image, f"{side}/image_rect", 5) for side in SIDES
        ]
        self._infos = [
            self.node.create_publisher(CameraInfo, f"{side}/camera_info", 5) for side in SIDES
        ]
        self.node.create_subscription(
            Image, "depth/image_rect", self._on_depth, QoSProfile(depth=20), raw=True
        )
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.sent = 0
        self.latency_ms = {}

    def wait_for_node(self, limit_s: float = 30.0) -> bool:
        """Spin until the node has subscribed to everything and publishes depth."""
        end = time.monotonic() + limit_s
        publishers = [*self._images, *self._infos]
        while not (
            all(p.get_subscription_count() for p in publishers)
            and self.node.count_publishers("depth/image_rect")
        ):
            if time.monotonic() > end:
                return False
            self.executor.spin_once(timeout_sec=0.1)
        return True

    def send(self, rgb: np.ndarray) -> int:
        """Publish camera_infos and both images, all with the present time; gives it."""
        height, width = rgb.shape[:2]
        camera = Camera(width, height, 0.8 * width, 0.8 * width, width / 2, height / 2)
        stamp_ns = time.time_ns()
        header = messages.make_header(stamp_ns, "left")
        for info, baseline_m in zip(self._infos, (0.0, BASELINE_M), strict=True):
            info.publish(messages.camera_to_info(camera, header, baseline_m))
        for image in self._images:
            image.publish(messages.rgb_to_image(rgb, header))
        self.sent += 1
        return stamp_ns

    def play(self, rgb: np.ndarray, rate_hz: float, seconds: float, on_frame=None) -> list[int]:
        """Send at a rate and listen in between; gives the stamps that were sent. on_frame:
        called before each pair.
        """
        stamps_ns = []
        start = time.monotonic()
        while (due := start + len(stamps_ns) / rate_hz) < start + seconds:
            self.listen(due - time.monotonic())
            if on_frame is not None:
                on_frame()
            stamps_ns.append(self.send(rgb))
        return stamps_ns

    def listen(self, seconds: float) -> None:
        """Hear depth for a while."""
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left_s)

    def close(self) -> None:
        """Leave the domain."""
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def _on_depth(self, raw: bytes) -> None:
        now_ns = time.time_ns()
        sec, nanosec = struct.unpack_from("<iI", raw, 4)
        stamp_ns = sec * 1_000_000_000 + nanosec
        self.latency_ms[stamp_ns] = (now_ns - stamp_ns) / 1e6


def measure(
    camera: BenchCamera, pid: int, height: int, width: int, rate_hz: float, seconds: float
) -> dict:
    """One node, one size, one rate: CPU of the node's process, the latencies of what was
    answered.
    """
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    camera.play(rgb, rate_hz, 0.5)  # buffers, page faults, the other side's discovery
    camera.listen(0.2)
    before_ns = cpu_ns(pid)
    stamps_ns = camera.play(rgb, rate_hz, seconds)
    camera.listen(0.2)
    used_ms = (cpu_ns(pid) - before_ns) / 1e6
    latency_ms = [camera.latency_ms[t] for t in stamps_ns if t in camera.latency_ms]
    _let_it_rest(camera, pid)
    camera.latency_ms.clear()
    return {"cpu_ms": used_ms, "sent": len(stamps_ns), "latency_ms": latency_ms}


def _let_it_rest(camera: BenchCamera, pid: int, limit_s: float = 20.0) -> None:
    """Wait until a node that is behind has worked off its queue: it must not disturb the next
    one.
    """
    end = time.monotonic() + limit_s
    before_ns = 0
    while (now_ns := cpu_ns(pid)) - before_ns > 30e6 and time.monotonic() < end:
        before_ns = now_ns
        camera.listen(0.2)


def main() -> None:
    """Read a plan from stdin, measure in its order, print one JSON line for each step."""
    plan = json.load(sys.stdin)
    cameras = {}
    for name, node in plan["nodes"].items():
        cameras[name] = BenchCamera(node["domain_id"])
        if not cameras[name].wait_for_node():
            sys.exit(f"{name} has not subscribed within 30 s")
    for step in plan["steps"]:
        node = plan["nodes"][step["node"]]
        result = measure(
            cameras[step["node"]],
            node["pid"],
            step["height"],
            step["width"],
            step["rate_hz"],
            step["seconds"],
        )
        print(json.dumps({**step, **result}), flush=True)
    for camera in cameras.values():
        camera.close()


if __name__ == "__main__":
    main()
