"""What the page costs the node: its rate and CPU time with and without `depth-ros view --topics`,
in turns.

A camera of 640x480 at 30 Hz, the node with a network of three operations (so that the node, not a
network, is measured), a listener to depth all the time. Needs ROS 2, rerun-sdk and onnx.

    python experiments/node/view_overhead.py --rounds 3 --seconds 12
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "test")]
DOMAIN = 1 + os.getpid() % 100
os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)
WIDTH = 640
HEIGHT = 480
HZ = 30


def cpu_s(pid: int) -> float:
    """CPU time of a process and its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Camera:
    """Publishes textured images at 30 Hz and counts the depth that comes back."""

    def __init__(self):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import CameraInfo, Image

        from depth_ros.core.camera import Camera as Model
        from depth_ros.nodes.output import messages

        self._messages = messages
        self._info_kind = CameraInfo
        rclpy.init(args=[])
        self.node = rclpy.create_node("bench_camera", enable_rosout=False)
        self._image = self.node.create_publisher(Image, "image_rect", 5)
        self._info = self.node.create_publisher(CameraInfo, "camera_info", 5)
        self.stamps = set()
        self.node.create_subscription(Image, "depth/image_rect", self._on_depth, 5, raw=True)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._model = Model(WIDTH, HEIGHT, 500.0, 500.0, 320.0, 240.0)
        rng = np.random.default_rng(0)
        self._pictures = [
            rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(4)
        ]

    def _on_depth(self, raw):
        self.stamps.add(bytes(raw[4:12]))

    def play(self, seconds: float) -> tuple[int, int]:
        """Publish for so long; gives (images sent, depths received)."""
        self.stamps.clear()
        sent = 0
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            header = self._messages.make_header(time.time_ns(), "camera")
            self._info.publish(self._messages.camera_to_info(self._model, header))
            self._image.publish(self._messages.rgb_to_image(self._pictures[sent % 4], header))
            sent += 1
            while (left := start + sent / HZ - time.monotonic()) > 0:
                self._executor.spin_once(timeout_sec=left)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)
        return sent, len(self.stamps)


def flat_model(folder: Path) -> Path:
    """A metric mono model of one depth, made by the tests' own helper."""
    from evaluation.test_mono import flat_model as make

    from depth_ros.engine.spec import ModelSpec

    spec = ModelSpec("flat", "mono", ("image",), ("depth",), 0, 0, scale_source="bench")
    return make(folder / "flat.onnx", spec, 4.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=12.0)
    options = parser.parse_args()
    from depth_ros.nodes.transport import transport_environment

    os.environ.update(transport_environment())
    with tempfile.TemporaryDirectory() as folder:
        model = flat_model(Path(folder))
        camera = Camera()
        command = [
            sys.executable,
            "-m",
            "depth_ros.nodes.depth_node",
            "--ros-args",
            "-p",
            "mode:=mono",
        ]
        node = subprocess.Popen(
            [*command, "-p", f"model:={model}"], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        try:
            camera.play(6.0)
            for _ in range(options.rounds):
                for viewed in (False, True):
                    print(round_of(camera, node.pid, viewed, options.seconds), flush=True)
        finally:
            node.terminate()
            node.wait(10)


def round_of(camera: Camera, pid: int, viewed: bool, seconds: float) -> str:
    """One turn: what was sent, answered, and what it cost."""
    viewer = None
    if viewed:
        command = [
            sys.executable,
            "-m",
            "depth_ros",
            "view",
            "--topics",
            "--port",
            str(24_000 + os.getpid() % 1000),
        ]
        viewer = subprocess.Popen(
            [*command, "--seconds", str(seconds + 6)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        camera.play(5.0)  # it loads, and finds the topics
    node_0 = cpu_s(pid)
    if viewer:
        view_0 = cpu_s(viewer.pid)
    else:
        view_0 = 0.0
    sent, got = camera.play(seconds)
    node_ms = 1e3 * (cpu_s(pid) - node_0) / sent
    words = (
        f"{'with' if viewed else 'without':8}page: {got} of {sent} depths ({got / seconds:.1f} Hz)"
    )
    words += f", node {node_ms:.2f} ms CPU an image"
    if viewer:
        view_ms = 1e3 * (cpu_s(viewer.pid) - view_0) / sent
        shown = viewer.communicate(timeout=60)[0].strip().splitlines()[-1]
        words += f", page {view_ms:.1f} ms; {shown} in {seconds + 6:.0f} s of life"
    return words


if __name__ == "__main__":
    main()
