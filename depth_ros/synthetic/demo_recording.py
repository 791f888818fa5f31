"""The demo's recording: a rendered stereo clip with exact depth, written as a rosbag2."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Camera, StereoRig

from . import raycast, renderer, scenes, shading

FRAMES = 30
PERIOD_NS = 100_000_000  # 10 Hz
_START_NS = 1_000_000_000_000
_FRAME_ID = "left_camera_optical_frame"
_KEY = "clip.sha256"


def cached_clip(
    folder: Path, frames: int = FRAMES, height: int = 480, width: int = 640, on_step=lambda: None
) -> Path:
    """Render the clip as a bag in `folder`, or find the one that the same code has left there.

    on_step: called once a rendered frame. Returns the bag's directory. An interrupted run leaves
    nothing that is found.
    """
    key = _key(frames, height, width)
    note = folder / _KEY
    if note.is_file() and note.read_text() == key:
        return folder
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    write_clip(unfinished, frames, height, width, on_step)
    (unfinished / _KEY).write_text(key)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def write_clip(path: Path, frames: int, height: int, width: int, on_step=lambda: None) -> None:
    """Render and write a rosbag2 (mcap): rgb8 images, camera_info, and /ground_truth/depth as
    32FC1 metres.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_KILTED)
    rig = scenes.clip_rig(height, width)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict = {}
        for i, pictures in enumerate(_render_all(frames, height, width)):
            stamp_ns = _START_NS + i * PERIOD_NS
            for topic, message in _messages(store.types, rig, pictures, stamp_ns):
                name = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, name, typestore=store)
                writer.write(connections[topic], stamp_ns, store.serialize_cdr(message, name))
            on_step()


def render_frame(
    i: int, frames: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render frame i of the clip: left, right (H, W, 3) uint8 RGB, depth (H, W) float32 metres."""
    rig = scenes.clip_rig(height, width)
    pictures = renderer.render_stereo(scenes.clip_scene(), rig, scenes.clip_pose(i, frames))
    return pictures["left"], pictures["right"], pictures["depth"]


def _render_all(frames: int, height: int, width: int) -> Iterator[tuple]:
    """Render in order, on every core; processes, because the renderer is Python and NumPy on one
    thread.
    """
    # spawn: OpenCV or ROS may have threads in this process already, which a fork would not carry
    # over.
    with ProcessPoolExecutor(
        min(frames, os.cpu_count() or 1), mp_context=get_context("spawn")
    ) as pool:
        yield from pool.map(
            render_frame, range(frames), *([value] * frames for value in (frames, height, width))
        )


def _messages(types: dict, rig: StereoRig, pictures: tuple, stamp_ns: int) -> Iterator[tuple]:
    """Yield (topic, message) of one frame, in the order in which a camera driver publishes."""
    stamp = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    header = types["std_msgs/msg/Header"](stamp, _FRAME_ID)
    left, right, depth = pictures
    right_camera = replace(rig.left, cx=rig.left.cx + rig.doffs_px)
    yield "/left/camera_info", _info(types, header, rig.left, 0.0)
    yield "/right/camera_info", _info(types, header, right_camera, rig.baseline_m)
    yield "/left/image_rect", _image(types, header, left, "rgb8")
    yield "/right/image_rect", _image(types, header, right, "rgb8")
    yield "/ground_truth/depth", _image(types, header, depth, "32FC1")


def _image(types: dict, header, pixels: np.ndarray, encoding: str):
    """Make a sensor_msgs/Image; little-endian, rows without padding."""
    data = np.ascontiguousarray(pixels).view(np.uint8).reshape(-1)
    height, width = pixels.shape[:2]
    return types["sensor_msgs/msg/Image"](
        header, height, width, encoding, 0, data.size // height, data
    )


def _info(types: dict, header, camera: Camera, baseline_m: float):
    """Make a CameraInfo of a rectified camera; baseline_m is 0 for the left one."""
    k = camera.K.astype(np.float64)
    projection = np.hstack([k, [[-camera.fx * baseline_m], [0.0], [0.0]]])
    region = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return types["sensor_msgs/msg/CameraInfo"](
        header,
        camera.height,
        camera.width,
        "plumb_bob",
        np.zeros(5),
        k.reshape(-1),
        np.eye(3).reshape(-1),
        projection.reshape(-1),
        0,
        0,
        region,
    )


def _key(frames: int, height: int, width: int) -> str:
    """Hash what the clip depends on: the code that renders and writes it, and its size."""
    digest = hashlib.sha256(f"{frames} {height} {width}".encode())
    for module in (*(m.__file__ for m in (scenes, renderer, raycast, shading)), __file__):
        digest.update(Path(module).read_bytes())
    return digest.hexdigest()
