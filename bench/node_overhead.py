"""What the node itself costs: CPU ms a pair, 640x480 rgb8 stereo at 30 Hz, against naive rclpy nodes in the same run.

Messages in, pairing, depth out; no engine (a null one answers at once). Usage: python bench/node_overhead.py [seconds]
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from depth_ros.transport import transport_environment  # noqa: E402 - the path comes first

WIDTH, HEIGHT, RATE_HZ = 640, 480, 30
WARMUP_S = 3.0
NODES = {
    "depth_node": "depth_node: StampMatcher, worker, view payload, transport_environment()",
    "naive": "naive rclpy: dict of stamps, depth.tobytes() through the setter",
    "array": "naive rclpy, but array.array payload",
}
LIMIT_MS = 4.0


def run_depth_node():
    """The real node with an estimator that does nothing."""
    from types import SimpleNamespace

    import numpy as np

    from depth_ros.core.frame import Estimate
    from depth_ros.nodes import depth_node

    depth = np.ones((HEIGHT, WIDTH), np.float32)
    engine = SimpleNamespace(name="null", model_hash="0", spec=SimpleNamespace(name="null", scale_source=""))

    def estimate(frame):
        return Estimate(frame.stamp_ns, frame.frame_id, frame.rig, frame.left, depth, depth, None, {"engine": 0.0})

    import rclpy

    rclpy.init()
    node = depth_node.DepthNode(lambda parameters: SimpleNamespace(engine=engine, estimate=estimate))
    node.autostart()
    depth_node.spin(node)


def run_naive(payload):
    """What one writes first: four subscriptions, dicts by stamp, NumPy out."""
    import numpy as np
    import rclpy
    from sensor_msgs.msg import CameraInfo, Image

    rclpy.init()
    node = rclpy.create_node("naive")
    publisher = node.create_publisher(Image, "depth/image_rect", 5)
    waiting, infos, depth = {}, {}, np.ones((HEIGHT, WIDTH), np.float32)

    def on_image(side, msg):
        sides = waiting.setdefault((msg.header.stamp.sec, msg.header.stamp.nanosec), {})
        sides[side] = np.array(msg.data, np.uint8).reshape(msg.height, msg.width, 3)
        if len(sides) == 2 and len(infos) == 2:
            waiting.clear()
            out = Image(header=msg.header, height=HEIGHT, width=WIDTH, encoding="32FC1", step=4 * WIDTH)
            out.data = payload(depth)
            publisher.publish(out)

    for side in ("left", "right"):
        node.create_subscription(Image, f"{side}/image_rect", lambda msg, side=side: on_image(side, msg), 5)
        node.create_subscription(CameraInfo, f"{side}/camera_info", lambda msg, side=side: infos.update({side: msg}), 5)
    rclpy.spin(node)


def run_camera(seconds):
    """Publish pairs and count the depth images that come back; prints the count."""
    import numpy as np
    import rclpy
    from sensor_msgs.msg import CameraInfo, Image

    from depth_ros.core.camera import Camera
    from depth_ros.nodes import messages

    rclpy.init()
    node = rclpy.create_node("camera")
    images = [node.create_publisher(Image, f"{side}/image_rect", 5) for side in ("left", "right")]
    infos = [node.create_publisher(CameraInfo, f"{side}/camera_info", 5) for side in ("left", "right")]
    rgb, camera = np.zeros((HEIGHT, WIDTH, 3), np.uint8), Camera(WIDTH, HEIGHT, 500.0, 500.0, 320.0, 240.0)
    heard = []
    node.create_subscription(Image, "depth/image_rect", lambda raw: heard.append(1), 5, raw=True)
    start, sent = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        header = messages.make_header(time.time_ns(), "left")
        for image, info, baseline_m in zip(images, infos, (0.0, 0.1), strict=True):
            info.publish(messages.camera_to_info(camera, header, baseline_m))
            image.publish(messages.rgb_to_image(rgb, header))
        sent += 1
        while (left_s := start + sent / RATE_HZ - time.monotonic()) > 0:
            rclpy.spin_once(node, timeout_sec=left_s)
        print(sent, len(heard), flush=True)


def cpu_s(pid):
    """CPU seconds that a process has used, in user and kernel mode."""
    values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def measure(name, seconds, domain_id):
    """Run one node with a camera of its own; gives (CPU ms an answered pair, pairs sent, pairs answered)."""
    plain = {**os.environ, "ROS_DOMAIN_ID": str(domain_id)}
    tuned = {**plain, **transport_environment()}
    node = subprocess.Popen([sys.executable, __file__, name], env=tuned if name == "depth_node" else plain)
    time.sleep(WARMUP_S)
    command = [sys.executable, __file__, "camera", str(seconds + WARMUP_S)]
    camera = subprocess.Popen(command, env=tuned, stdout=subprocess.PIPE, text=True)
    try:
        marks = []
        for line in camera.stdout:
            sent, heard = map(int, line.split())
            if sent >= WARMUP_S * RATE_HZ:
                marks.append((cpu_s(node.pid), sent, heard))
    finally:
        camera.wait()
        node.kill()
        node.wait()
    used_s, sent, answered = (last - first for first, last in zip(marks[0], marks[-1], strict=True))
    return 1e3 * used_s / max(answered, 1), sent, answered


def main(seconds=10.0):
    """Measure all, print figures and ratios; the exit code says whether the goal is met."""
    print(f"{WIDTH}x{HEIGHT} rgb8 stereo, {RATE_HZ} Hz, {seconds:g} s each, {os.cpu_count()} cores")
    result = {}
    for number, (name, text) in enumerate(NODES.items()):
        result[name], sent, answered = measure(name, seconds, 170 + number)
        print(f"{result[name]:8.2f} CPU ms a pair ({answered} of {sent} answered)  {text}", flush=True)
    for name in ("naive", "array"):
        print(f"{result[name] / result['depth_node']:8.1f} x  {name} / depth_node")
    print(f"goal: under {LIMIT_MS} ms: {'met' if result['depth_node'] < LIMIT_MS else 'missed'}")
    return int(result["depth_node"] >= LIMIT_MS)


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "10"
    if what == "depth_node":
        run_depth_node()
    elif what in ("naive", "array"):
        from array import array

        run_naive((lambda depth: depth.tobytes()) if what == "naive" else lambda depth: array("B", depth.tobytes()))
    elif what == "camera":
        run_camera(float(sys.argv[2]))
    else:
        sys.exit(main(float(what)))
