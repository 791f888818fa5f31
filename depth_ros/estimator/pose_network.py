"""The pose network: the motion between the last frame and this one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import SpecError
from depth_ros.core.lie import so3_exp
from depth_ros.core.types import Frame
from depth_ros.engine.base import Engine

from .preprocess import to_image_tensor

_MAX_GAP_NS = 1_000_000_000  # over a longer one hardly anything is seen by both frames


@dataclass(frozen=True, eq=False)
class Motion:
    """The motion between two frames.

    Attributes:
        prev_T_curr: (4, 4) float64, optical axes, metres or relative; None where unknown.
        prev_stamp_ns: Stamp of the earlier frame; None where unknown.
    """

    prev_T_curr: np.ndarray | None = None
    prev_stamp_ns: int | None = None


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is kept of a frame: its tensor, and the camera of the part that is not padding."""

    stamp_ns: int
    camera: Camera
    tensor: np.ndarray


class NetworkMotion:
    """Keeps the last frame and runs the pose network on it and the next one.

    Args:
        engine: Of a pose model; None: no motion is ever known.

    Raises:
        SpecError: For an engine of another task.
    """

    def __init__(self, engine: Engine | None):
        if engine is not None and engine.spec.task != "pose":
            raise SpecError(f"expected a pose model, got one for {engine.spec.task!r}")
        self.engine = engine
        self._last: _Seen | None = None

    def update(self, frame: Frame) -> Motion:
        """Estimate the motion since the last frame.

        Args:
            frame: Rectified; the left image is used.

        Returns:
            Unknown for the first frame, after a change of camera, after a gap above 1 s, and for a
            stamp that is not later.

        Raises:
            EngineError: Where the engine fails.
        """
        if self.engine is None:
            return Motion()
        spec = self.engine.spec
        tensor, camera = to_image_tensor(frame.left, frame.camera, spec)
        last = self._last
        self._last = _Seen(frame.stamp_ns, camera, tensor)
        if last is None or last.camera != camera:
            return Motion()
        if not 0 < frame.stamp_ns - last.stamp_ns <= _MAX_GAP_NS:
            return Motion()
        outputs = self.engine.run({"first": last.tensor, "second": tensor})
        prev_T_curr = network_pose_to_matrix(outputs["pose"][0], spec.focal_ratio(camera.fx))
        return Motion(prev_T_curr, last.stamp_ns)


def network_pose_to_matrix(pose: np.ndarray, focal_ratio: float = 1.0) -> np.ndarray:
    """Convert the canonical output of a pose network to a metric transform.

    To first order a camera of focal length f that sees what a canonical one of focal_px would see
    moves with the same t_x and t_y, with t_z f / focal_px, and rotates about x and y by
    focal_px / f as much, about z alike: the motion field of Longuet-Higgins and Prazdny (1980)
    with depth scaled by f / focal_px.

    Args:
        pose: (6,) rotation vector (rad), then translation, of first_T_second, optical axes.
        focal_ratio: f / focal_px.

    Returns:
        (4, 4) float64, the translation in the unit of pose.

    >>> network_pose_to_matrix([0, 0, 0, 1.0, 2.0, 3.0], focal_ratio=2.0)[:3, 3].tolist()
    [1.0, 2.0, 6.0]
    """
    pose = np.asarray(pose, np.float64)
    T = np.eye(4)
    T[:3, :3] = so3_exp(pose[:3] * (1 / focal_ratio, 1 / focal_ratio, 1.0))
    T[:3, 3] = pose[3:] * (1.0, 1.0, focal_ratio)
    return T
