"""What every reader of recordings gives: views of a scene, and which of them are neighbours in
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from depth_ros.core.camera import Camera


@dataclass(frozen=True, eq=False)
class View:
    """One instant of a recording: what the cameras saw, and what is known about it.

    image: (H,W,3) uint8 RGB of the only or the left camera, rectified. camera: its intrinsics, H x
    W. right: (H,W,3) uint8 of the right camera of a rectified pair, baseline_m its distance; both
    None in mono. depth: (H,W) float32 metres along z of `image`, NaN unknown. disparity: (H,W)
    float32 px of `image`, NaN unknown, where the recording gives that instead. world_T_camera:
    (4,4) float64, optical frame. What is not known is None.
    """

    image: np.ndarray
    camera: Camera
    right: np.ndarray | None = None
    baseline_m: float | None = None
    depth: np.ndarray | None = None
    disparity: np.ndarray | None = None
    world_T_camera: np.ndarray | None = None
    stamp_ns: int | None = None
    name: str = ""


class Frames(Protocol):
    """A recording as a list of views, each read from disk when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> View: ...

    def neighbour(self, index: int, offset: int) -> int | None:
        """Return the index of the view `offset` frames later in the same sequence, None where
        there is none.
        """
