"""What the page shows of one instant, made small: pictures of half size as JPEG, every fourth
point of each row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.recordings.output import colour_inverse_depth, encode_image

_WIDTH = 480  # pixels of a picture on the page
_POINTS_WIDE = 160
_FAR_M = 40.0  # points beyond are thin and make the eye stand too far away
_QUALITY = 75


@dataclass(frozen=True, eq=False)
class Moment:
    """One instant. depth, sigma: (H, W) metres, NaN unknown, or None; relative: depth has no unit.
    image: (H, W, 3) uint8 RGB or None. odom_T_camera: (4, 4), optical axes, or None. figures:
    {"group/name": number} for the plots."""

    stamp_ns: int
    image: np.ndarray | None = None
    depth: np.ndarray | None = None
    sigma: np.ndarray | None = None
    camera: Camera | None = None
    odom_T_camera: np.ndarray | None = None
    relative: bool = False
    figures: dict[str, float] = field(default_factory=dict)


def picture(image: np.ndarray) -> bytes:
    """Make (H, W, 3) uint8 RGB a JPEG of at most 480 columns."""
    return encode_image(_shrunk(image, cv2.INTER_AREA), ".jpg", _QUALITY)


def depth_picture(depth: np.ndarray) -> bytes:
    """Colour inverse depth (H, W) as a JPEG: red near, blue far, black unknown."""
    return encode_image(colour_inverse_depth(_shrunk(depth, cv2.INTER_NEAREST)), ".jpg", _QUALITY)


def sigma_picture(depth: np.ndarray, sigma: np.ndarray) -> bytes:
    """Colour sigma / depth (H, W) as a JPEG: dark is sure, yellow is a tenth of the depth or
    worse, grey unknown.
    """
    share = _shrunk(sigma, cv2.INTER_NEAREST) / _shrunk(depth, cv2.INTER_NEAREST)
    known = np.isfinite(share)
    level = np.clip(np.where(known, share, 0) * 2550, 0, 255).astype(np.uint8)
    colours = cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)[..., ::-1].copy()
    colours[~known] = 128
    return encode_image(colours, ".jpg", _QUALITY)


def cloud(
    depth: np.ndarray, camera: Camera, image: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return points (N, 3) float32 in the optical frame and colours (N, 3) uint8: each k-th of a
    row and of a column.

    depth: (H, W) metres, NaN unknown. image: (H, W, 3) of the same size, or None: coloured by
    depth.

    >>> cloud(np.full((2, 2), 2.0, np.float32), Camera(2, 2, 4.0, 5.0, 0.0, 0.0), None)[0][
    ...     -1
    ... ].tolist()
    [0.5, 0.4000000059604645, 2.0]
    """
    step = max(1, depth.shape[1] // _POINTS_WIDE)
    z = depth[::step, ::step]
    v, u = np.mgrid[: depth.shape[0] : step, : depth.shape[1] : step]
    if image is not None:
        colours = image[::step, ::step]
    else:
        colours = colour_inverse_depth(z)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(z) & (z > 0) & (z < _FAR_M)
    x = (u - camera.cx) / camera.fx * z
    y = (v - camera.cy) / camera.fy * z
    return np.stack([x[known], y[known], z[known]], axis=1).astype(np.float32), colours[known]


def _shrunk(array: np.ndarray, how: int) -> np.ndarray:
    """Take out columns and rows until the page's width is reached."""
    height, width = array.shape[:2]
    if width <= _WIDTH:
        return array
    return cv2.resize(array, (_WIDTH, round(height * _WIDTH / width)), interpolation=how)
