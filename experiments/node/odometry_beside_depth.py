"""What odometry costs depth: the real node with SGBM on 640x480 pairs, with and without somebody
who listens to odom.

Age: from the stamp to the arrival of the depth image. Both in the same run, twice in turns, since
machines have moods.

    python experiments/node/odometry_beside_depth.py [seconds]
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from depth_ros.benchmark.camera import cpu_ns
from depth_ros.nodes.transport import transport_environment

ROOT = Path(__file__).resolve().parents[2]
WARMUP_S = 3.0
WIDTH = 640
HEIGHT = 480
RATE_HZ = 8
FOCAL_PX = 500.0
BASELINE_M = 0.1
DISPARITY_PX = 16
STEP_PX = 5  # from one picture to the next


def run_camera(seconds, with_odom):
    """Slide past a wall; prints what came back."""
    import cv2
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from nav_msgs.msg import Odometry
    from sensor_msgs.msg import CameraInfo, Image

    from depth_ros.core.camera import Camera
    from depth_ros.nodes.output import messages
    from depth_ros.recordings.decode import stamp_to_ns

    rclpy.init()
    node = rclpy.create_node("camera")
    images = [node.create_publisher(Image, f"{side}/image_rect", 5) for side in ("left", "right")]
    infos = [
        node.create_publisher(CameraInfo, f"{side}/camera_info", 5) for side in ("left", "right")
    ]
    wall = cv2.GaussianBlur(np.random.default_rng(1).normal(size=(HEIGHT, 8000, 3)), (0, 0), 2.0)
    wall = np.clip(128 + 50 * wall / wall.std(), 0, 255).astype(np.uint8)
    camera = Camera(WIDTH, HEIGHT, FOCAL_PX, FOCAL_PX, 320.0, 240.0)
    ages_ms = []
    values = {}

    def on_depth(msg):
        ages_ms.append((time.time_ns() - stamp_to_ns(msg.header.stamp)) / 1e6)

    def on_diagnostics(msg):
        values.update({item.key: item.value for item in msg.status[0].values})

    node.create_subscription(Image, "depth/image_rect", on_depth, 5)
    node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, 5)
    if with_odom:
        node.create_subscription(Odometry, "odom", lambda msg: None, 5)
    start = time.monotonic()
    for i in range(round(seconds * RATE_HZ)):
        while (left_s := start + i / RATE_HZ - time.monotonic()) > 0:
            rclpy.spin_once(node, timeout_sec=left_s)
        header = messages.make_header(time.time_ns(), "left")
        at = i * STEP_PX % 7000
        for side in (0, 1):
            infos[side].publish(messages.camera_to_info(camera, header, side * BASELINE_M))
            view = wall[:, at + side * DISPARITY_PX :][:, :WIDTH]
            images[side].publish(messages.rgb_to_image(view, header))
        if i == round(WARMUP_S * RATE_HZ):
            ages_ms.clear()
            print("warm", flush=True)
    print(
        len(ages_ms),
        np.median(ages_ms),
        np.percentile(ages_ms, 90),
        values.get("odom_frames", 0),
        values.get("odom_dropped/busy", 0),
        values.get("odom"),
        flush=True,
    )


def measure(seconds, with_odom, domain_id):
    """Measure one round; returns the figures of the camera and the node's CPU ms a depth image."""
    environment = {**os.environ, **transport_environment(), "ROS_DOMAIN_ID": str(domain_id)}
    command = [
        sys.executable,
        "-m",
        "depth_ros.nodes.depth_node",
        "--ros-args",
        "-p",
        "backend:=sgbm",
    ]
    node = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        time.sleep(3 * WARMUP_S)
        command = [sys.executable, __file__, "camera", str(seconds + WARMUP_S), str(int(with_odom))]
        camera = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert camera.stdout.readline() == "warm\n"
        before_ns = cpu_ns(node.pid)
        figures = camera.stdout.readline().rstrip().split(" ", maxsplit=5)
        cpu_ms = (cpu_ns(node.pid) - before_ns) / 1e6
        return figures, cpu_ms / max(int(figures[0]), 1)
    finally:
        node.kill()
        node.wait()


def main(seconds=10.0):
    """Measure in turns and print figures and ratios."""
    print(
        f"{WIDTH}x{HEIGHT} rgb8 stereo, {RATE_HZ} Hz, SGBM, {seconds:g} s each, "
        f"{os.cpu_count()} cores"
    )
    result = {False: [], True: []}
    for number in range(4):
        with_odom = bool(number % 2)
        figures, cpu_ms = measure(seconds, with_odom, 180 + number)
        count, median_ms, p90_ms, frames, dropped, state = figures
        result[with_odom].append((float(median_ms), cpu_ms))
        odom = ""
        if with_odom:
            odom = f"; odom: {state}, {frames} frames, {dropped} dropped"
        print(
            f"{'with' if with_odom else 'no  '} odom: {count} depth images, age "
            f"{float(median_ms):.0f} ms median, {float(p90_ms):.0f} ms 90 %; "
            f"{cpu_ms:.0f} CPU ms each{odom}",
            flush=True,
        )
    age, cpu = np.mean(result[True], axis=0) / np.mean(result[False], axis=0)
    print(f"with / without: age {age:.2f}, CPU {cpu:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["camera"]:
        run_camera(float(sys.argv[2]), bool(int(sys.argv[3])))
    else:
        main(*map(float, sys.argv[1:2]))
