"""How things are turned and placed, and what makers of things return."""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.synthetic.raster.mesh import Mesh

Body = tuple[Mesh, int]
CUT_CARD = -1  # material number of a card that wants a cut-out


def rotation(rng: np.random.Generator, spread_rad: float) -> np.ndarray:
    """Draw a rotation (3, 3) by about `spread_rad`."""
    return cv2.Rodrigues(rng.normal(0, spread_rad / np.sqrt(3), 3))[0]


def placed(linear: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Join a (3, 3) linear map and a position (3,) to a (4, 4) matrix."""
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = position
    return matrix
