"""Where frames are fixed to each other: the static part of TF. No ROS."""

from __future__ import annotations

import threading

import numpy as np

from depth_ros.core.lie import inverse


class FrameTree:
    """Fixed transforms between named frames, each with one parent; the newest of a child counts.
    For two threads.

    >>> from depth_ros.core.lie import pose_to_matrix
    >>> tree = FrameTree()
    >>> tree.add("base", "mast", pose_to_matrix([1, 0, 2, 0, 0, 0, 1]))
    >>> tree.add("mast", "camera", pose_to_matrix([0, 3, 0, 0, 0, 0, 1]))
    >>> tree.find("base", "camera")[:3, 3].tolist()
    [1.0, 3.0, 2.0]
    >>> tree.find("camera", "imu") is None
    True
    """

    def __init__(self):
        self._parents: dict[str, tuple[str, np.ndarray]] = {}
        self._lock = threading.Lock()

    def add(self, parent: str, child: str, parent_T_child: np.ndarray) -> None:
        """Take a transform in; leading slashes of names do not count."""
        with self._lock:
            self._parents[child.lstrip("/")] = (
                parent.lstrip("/"),
                np.asarray(parent_T_child, np.float64),
            )

    def find(self, target: str, source: str) -> np.ndarray | None:
        """Return target_T_source (4, 4), or None where no chain of transforms leads from one to
        the other.
        """
        with self._lock:
            above_target = self._climb(target.lstrip("/"))
            above_source = self._climb(source.lstrip("/"))
        for name, ancestor_T_source in above_source.items():
            if name in above_target:
                return inverse(above_target[name]) @ ancestor_T_source
        return None

    def _climb(self, frame: str) -> dict[str, np.ndarray]:
        """Every frame above, nearest first, and the pose of the given frame in it; ends where
        parents go in circles.
        """
        T = np.eye(4)
        found = {frame: T}
        while frame in self._parents:
            frame, parent_T_child = self._parents[frame]
            if frame in found:
                break
            T = parent_T_child @ T
            found[frame] = T
        return found
