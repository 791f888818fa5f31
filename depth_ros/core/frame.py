"""What goes into the estimator and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .camera import Calibration, StereoRig
from .errors import ImageError


@dataclass(frozen=True, eq=False)
class Frame:
    """One stereo pair (or one image) at one instant.

    stamp_ns: integer nanoseconds of the image header. frame_id: the optical frame of the left camera.
    left, right: (H, W, 3) uint8 RGB, the same size; right is None in mono. rig: of the rectified images, H x W.
    calibrations: (left, right) where the images are raw and must be rectified first; None where they are rectified.
    max_disparity_px: the range to search, where this frame knows better than the estimator; None otherwise.
    Raises ImageError for a wrong shape, type or size.

    >>> from depth_ros.core.camera import Camera
    >>> image = np.zeros((48, 64, 3), np.uint8)
    >>> Frame(7, "left", image, image, StereoRig(Camera(64, 48, 50, 52, 30, 25), 0.2)).stamp_ns
    7
    """

    stamp_ns: int
    frame_id: str
    left: np.ndarray
    right: np.ndarray | None
    rig: StereoRig
    calibrations: tuple[Calibration, Calibration] | None = None
    max_disparity_px: int | None = None

    def __post_init__(self):
        _check_image("left", self.left)
        if self.right is not None:
            _check_image("right", self.right)
            if self.left.shape != self.right.shape:
                raise ImageError(f"expected left and right of one size, got {self.left.shape} and {self.right.shape}")
        camera = self.rig.left
        if self.left.shape[:2] != (camera.height, camera.width):
            raise ImageError(
                f"expected images of {camera.width}x{camera.height} as camera_info says, "
                f"got {self.left.shape[1]}x{self.left.shape[0]}"
            )
        if self.max_disparity_px is not None and self.max_disparity_px <= 0:
            raise ImageError(f"expected a disparity range above 0 px, got {self.max_disparity_px}")


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the estimator knows about one frame; it has the stamp and the frame_id of its input.

    rig: of the maps below. left: (H, W, 3) uint8 RGB, rectified. depth: (H, W) float32 metres along the optical axis.
    disparity: (H, W) float32 pixels. sigma_m: (H, W) float32, one standard deviation of depth in metres, or None.
    An unknown value is NaN. timing_ms: "prepare", "engine", "decode", "total".
    """

    stamp_ns: int
    frame_id: str
    rig: StereoRig
    left: np.ndarray
    depth: np.ndarray
    disparity: np.ndarray
    sigma_m: np.ndarray | None = None
    timing_ms: dict[str, float] = field(default_factory=dict)


def _check_image(name: str, image: np.ndarray) -> None:
    """Refuse what is not a (H, W, 3) uint8 image with pixels in it."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ImageError(f"{name}: expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
