"""Ground truth out of a recording: where the left optical frame is in some world, and how far
away things are.
"""

from __future__ import annotations

import bisect
from functools import lru_cache

import cv2
import numpy as np

from depth_ros.core.camera import Calibration
from depth_ros.core.depth import mm_to_depth
from depth_ros.core.errors import DepthRosError, ImageError
from depth_ros.core.lie import inverse, pose_to_matrix, se3_exp, se3_log
from depth_ros.core.rectify import rectify_map
from depth_ros.recordings.matching import nearest
from depth_ros.recordings.reader import BagReader, cdr_stamp_ns, raw_messages
from depth_ros.recordings.static_frames import StaticFrames, bare

from .decode import image_to_depth, stamp_to_ns

TRUTH_DEPTH = "ground_truth/depth"
TRUTH_ODOMETRY = "ground_truth/odometry"
ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
_LONGEST_GAP_NS = (
    200_000_000  # between measured poses; over a longer one a straight line is a guess
)
_BODIES = ("base", "body", "imu", "robot", "chassis", "vehicle", "link")
_OPTICAL = ("optical", "cam", "left", "rect")
_LOOKS_AHEAD = np.array(
    [[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]
)  # REP 103: body_T_optical
_HEADER_BYTES = 12  # of compressed_depth_image_transport: an int and two floats
_TOO_FAR_M = 200.0  # no depth camera or lidar has this for its median


class TruthPoses:
    """True poses by stamp; between two measured ones, at most 0.2 s apart, along the screw that
    joins them.

    Poses of another frame than the images' become those of the camera by the recording's
    /tf_static. Poses without a usable rotation, or that are not finite, are left out. notes: what
    was assumed.
    """

    def __init__(self, messages, frames: StaticFrames | None = None, camera_frame: str = ""):
        """messages: (topic, message) of nav_msgs/Odometry, in any order. camera_frame: frame_id
        of the left images.
        """
        found, child = {}, ""
        for _, message in messages:
            if (pose := _pose_to_matrix(message.pose.pose)) is not None:
                found[stamp_to_ns(message.header.stamp)] = pose
                child = child or bare(str(message.child_frame_id))
        self.notes: list[str] = []
        child_T_camera = (
            self._extrinsic(child, bare(camera_frame), frames or StaticFrames())
            if found
            else np.eye(4)
        )
        self._stamps = sorted(found)
        self._poses = [found[stamp] @ child_T_camera for stamp in self._stamps]

    def __len__(self) -> int:
        return len(self._stamps)

    def at(self, stamp_ns: int, raw: Calibration | None = None) -> np.ndarray | None:
        """Give world_T_camera (4, 4) at a time, or None.

        raw: of the left camera where its images are not rectified yet; the pose is then that of the
        rectified camera, which CameraInfo's R turns against the raw one.
        """
        pose = self._between(stamp_ns)
        if pose is None or raw is None:
            return pose
        raw_T_rectified = np.eye(4)
        raw_T_rectified[:3, :3] = np.reshape(raw.R, (3, 3)).T
        return pose @ raw_T_rectified

    def _extrinsic(self, child: str, camera: str, frames: StaticFrames) -> np.ndarray:
        """child_T_camera (4, 4) of the frame that the poses are of."""
        if not child or not camera or child == camera:
            return np.eye(4)
        found = frames.find(child, camera)
        if found is not None:
            return found
        missing = (
            f"true poses are of {child!r}, the images of {camera!r}, and /tf_static does not "
            "join them"
        )
        words = set(child.lower().replace("-", "_").split("_"))
        if words & set(_BODIES) and not any(word in child.lower() for word in _OPTICAL):
            self.notes.append(
                f"{missing}: taken as the pose of a camera that looks straight ahead (REP 103)."
            )
            return _LOOKS_AHEAD
        self.notes.append(f"{missing}: taken as the pose of the camera.")
        return np.eye(4)

    def _between(self, stamp_ns: int) -> np.ndarray | None:
        k = bisect.bisect_left(self._stamps, stamp_ns)
        if k < len(self._stamps) and self._stamps[k] == stamp_ns:
            return self._poses[k]
        if not 0 < k < len(self._stamps) or self._stamps[k] - self._stamps[k - 1] > _LONGEST_GAP_NS:
            return None
        share = (stamp_ns - self._stamps[k - 1]) / (self._stamps[k] - self._stamps[k - 1])
        before, after = self._poses[k - 1], self._poses[k]
        return before @ se3_exp(share * se3_log(inverse(before) @ after))


class DepthByStamp:
    """Recorded depth by stamp, decoded when asked for.

    topic: None for none. tolerance_ns: by how much the stamps of depth and image may differ.
    """

    def __init__(self, reader: BagReader, topic: str | None, tolerance_ns: int = 0):
        self._reader, self._tolerance_ns, self._raw = reader, tolerance_ns, {}
        for connection, _, raw in raw_messages(reader, topic):
            self._raw[cdr_stamp_ns(raw)] = (connection.msgtype, raw)
        self._stamps = sorted(self._raw)

    def at(self, stamp_ns: int, shape: tuple[int, int]) -> np.ndarray | None:
        """Give (H, W) metres, or None: a broken map, or one of another size than the image,
        cannot be compared.
        """
        partner = nearest(self._stamps, stamp_ns)
        if partner is None or abs(partner - stamp_ns) > self._tolerance_ns:
            return None
        msgtype, raw = self._raw[partner]
        try:
            depth = message_to_depth(self._reader.deserialize(raw, msgtype))
        except DepthRosError:
            return None
        return depth if depth.shape == shape else None


def message_to_depth(message) -> np.ndarray:
    """Decode recorded depth into (H, W) float32 metres, NaN unknown.

    Image: 32FC1 metres, 16UC1 or mono16 millimetres. CompressedImage: a 16-bit PNG in millimetres,
    or compressedDepth, of 16UC1 millimetres or of 32FC1 as quantised inverse depth
    (compressed_depth_image_transport: z = a / (raw - b)). Raises ImageError for anything else.
    """
    if hasattr(message, "encoding") or "compressedDepth" not in message.format:
        return image_to_depth(message)
    data = bytes(message.data)
    png = np.frombuffer(data[_HEADER_BYTES:], np.uint8)
    raw = cv2.imdecode(png, cv2.IMREAD_UNCHANGED) if png.size else None
    if raw is None or raw.dtype != np.uint16 or raw.ndim != 2:
        raise ImageError(
            f"expected compressedDepth with a 16-bit PNG, got {len(data)} bytes that are none"
        )
    if message.format.split(";")[0].strip() != "32FC1":
        return mm_to_depth(raw)
    a, b = np.frombuffer(data[4:_HEADER_BYTES], "<f4")
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.float32(a) / (raw.astype(np.float32) - b)
    return np.where((raw > 0) & np.isfinite(depth) & (depth > 0), depth, np.float32(np.nan))


def unwarp_depth(depth: np.ndarray, raw: Calibration) -> np.ndarray:
    """Move depth of a raw image to where the rectified one has it, each pixel its nearest value.

    depth: (H, W) float32 metres. raw: its calibration, of which R is the identity. Returns the
    same; NaN unknown.
    """
    maps = _unwarp_maps(raw)
    return cv2.remap(
        depth, *maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan")
    )


_unwarp_maps = lru_cache(maxsize=2)(rectify_map)


def unit_doubt(depth: np.ndarray) -> str:
    """Say that metres look like millimetres; "" where they do not. depth: (H, W) as
    message_to_depth gives it.
    """
    known = depth[np.isfinite(depth)]
    median_m = float(np.median(known)) if known.size else 0.0
    if median_m <= _TOO_FAR_M:
        return ""
    return (
        f"a median of {median_m:.0f} m: millimetres in 32FC1? It would be "
        f"{median_m / 1000:.3g} m, factor 1000"
    )


def _pose_to_matrix(pose) -> np.ndarray | None:
    """(4, 4) of a geometry_msgs/Pose; None where it is no pose."""
    p, q = pose.position, pose.orientation
    numbers = np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w], np.float64)
    if not np.isfinite(numbers).all() or np.linalg.norm(numbers[3:]) < 0.5:
        return None
    return pose_to_matrix(numbers)
