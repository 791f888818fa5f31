"""The floor that `depth-ros bench --overhead` compares with: C on rcl where it can be compiled,
else raw rclpy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NEEDED = (
    "rcl",
    "rcutils",
    "rmw",
    "rosidl_runtime_c",
    "sensor_msgs__rosidl_typesupport_c",
    "sensor_msgs__rosidl_generator_c",
)


def prefixes() -> list[Path]:
    """Name where ROS may be installed: a sourced ROS, or the virtual environment of the wheels."""
    sourced = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    return [p for p in [*sourced, Path(sys.prefix)] if (p / "include").is_dir()]


def compile_floor(folder: Path) -> tuple[Path | None, str]:
    """Compile floor.c into folder; gives (library, "") or (None, why it could not be made)."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None, "no C compiler"
    if not any((prefix / "include/rcl").is_dir() for prefix in prefixes()):
        return None, "no headers of rcl"
    library = folder / "floor.so"
    command = [
        compiler,
        "-O2",
        "-shared",
        "-fPIC",
        "-o",
        str(library),
        str(Path(__file__).with_suffix(".c")),
    ]
    for prefix in prefixes():
        command += [f"-I{path}" for path in sorted((prefix / "include").iterdir()) if path.is_dir()]
        command.append(f"-L{prefix / 'lib'}")
    command += [*(f"-l{name}" for name in _NEEDED), "-Wl,--allow-shlib-undefined"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None, f"{compiler}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}"
    return library, ""


def floor_command(folder: Path) -> tuple[list[str], str]:
    """Return the command that runs the floor, and the words that name which floor it is."""
    library, why = compile_floor(folder)
    command = [sys.executable, "-m", "depth_ros.benchmark.floor"]
    return (
        (command, f"raw rclpy ({why})")
        if library is None
        else ([*command, str(library)], "C on rcl")
    )


def run_c(library: str) -> None:
    """Run the C echo; Python only brings the wheels' libraries into the process and then waits."""
    import ctypes

    import rclpy  # noqa: F401 - for the libraries that it loads

    ctypes.CDLL(library).run_floor()


def run_raw() -> None:
    """Echo in the smallest way that rclpy has: raw messages in, bytes that were serialised
    before out.
    """
    import struct

    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CameraInfo, Image

    rclpy.init()
    node = rclpy.create_node("floor")
    publisher = node.create_publisher(Image, "depth/image_rect", 5)
    stamps = {}
    ready = {}

    def on_image(side, raw):
        stamps[side] = raw[4:12]
        if stamps.get("left") == stamps.get("right"):
            size = struct.unpack_from(
                "<II", raw, 24
            )  # the benchmark's camera has the frame_id "left"
            if size not in ready:
                height, width = size
                depth = Image(height=height, width=width, encoding="32FC1", step=4 * width)
                depth.header.frame_id = "left"
                depth.data = bytes(4 * height * width)
                ready[size] = serialize_message(depth)
            publisher.publish(ready[size][:4] + stamps[side] + ready[size][12:])

    for side in ("left", "right"):
        node.create_subscription(
            Image,
            f"{side}/image_rect",
            lambda raw, side=side: on_image(side, raw),
            qos_profile_sensor_data,
            raw=True,
        )
        node.create_subscription(
            CameraInfo, f"{side}/camera_info", lambda raw: None, qos_profile_sensor_data, raw=True
        )
    rclpy.spin(node)


if __name__ == "__main__":
    run_c(sys.argv[1]) if len(sys.argv) > 1 else run_raw()
