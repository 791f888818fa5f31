"""Where frames lie that do not move against each other: /tf_static of a recording."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from depth_ros.core.lie import inverse, quat_to_matrix

TF_STATIC = "/tf_static"


class StaticFrames:
    """The transforms of /tf_static, joined where they hang together. messages: (topic,
    tf2_msgs/TFMessage).
    """

    def __init__(self, messages: Iterable[tuple] = ()):
        self._neighbours: dict[str, dict[str, np.ndarray]] = {}
        for _, message in messages:
            for one in message.transforms:
                self._add(bare(one.header.frame_id), bare(one.child_frame_id), one.transform)

    def find(self, target: str, source: str) -> np.ndarray | None:
        """Give target_T_source (4, 4), metres; None where nothing joins the two frames."""
        target, source = bare(target), bare(source)
        reached = {target: np.eye(4)}
        edge = [target]
        while edge and source not in reached:
            frame = edge.pop(0)
            for neighbour, frame_T_neighbour in self._neighbours.get(frame, {}).items():
                if neighbour not in reached:
                    reached[neighbour] = reached[frame] @ frame_T_neighbour
                    edge.append(neighbour)
        return reached.get(source)

    def _add(self, parent: str, child: str, transform) -> None:
        """Take one transform in, both ways; one without a rotation is left out."""
        t, q = transform.translation, transform.rotation
        quat_xyzw = np.array([q.x, q.y, q.z, q.w], np.float64)
        if not np.isfinite([*quat_xyzw, t.x, t.y, t.z]).all() or np.linalg.norm(quat_xyzw) < 0.5:
            return
        parent_T_child = np.eye(4)
        parent_T_child[:3, :3] = quat_to_matrix(quat_xyzw)
        parent_T_child[:3, 3] = t.x, t.y, t.z
        self._neighbours.setdefault(parent, {})[child] = parent_T_child
        self._neighbours.setdefault(child, {})[parent] = inverse(parent_T_child)


def bare(frame_id: str) -> str:
    """The frame without a leading slash, which tf2 refuses.

    >>> bare("/left_optical")
    'left_optical'
    """
    return frame_id.lstrip("/")
