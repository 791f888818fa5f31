"""What goes into the estimator and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .camera import Calibration, Camera, StereoRig
from .errors import CalibrationError, ImageError, InputError
from .pointcloud import depth_to_cloud


@dataclass(frozen=True, eq=False)
class Frame:
    """One stereo pair (or one image) at one instant.

    Attributes:
        stamp_ns: Integer nanoseconds of the image header.
        frame_id: The optical frame of the left camera.
        left: (H, W, 3) uint8 RGB.
        right: The same size; None in mono.
        rig: Of the rectified images, H x W; None in mono, where camera stands instead.
        calibrations: (left, right), in mono (left,), where the images are raw and must be rectified
            first; None where they are rectified.
        max_disparity_px: The range to search, where this frame knows better than the estimator.
        camera: Of the (left) rectified image; rig.left wherever there is a rig.

    Raises:
        ImageError: For a wrong shape, type or size.
        CalibrationError: For neither a rig nor a camera.

    >>> from depth_ros.core.camera import Camera
    >>> image = np.zeros((48, 64, 3), np.uint8)
    >>> Frame(7, "left", image, image, StereoRig(Camera(64, 48, 50, 52, 30, 25), 0.2)).stamp_ns
    7
    >>> Frame(7, "camera", image, None, None, camera=Camera(64, 48, 50, 52, 30, 25)).camera.fx
    50
    """

    stamp_ns: int
    frame_id: str
    left: np.ndarray
    right: np.ndarray | None
    rig: StereoRig | None
    calibrations: tuple[Calibration, ...] | None = None
    max_disparity_px: int | None = None
    camera: Camera | None = None

    def __post_init__(self):
        camera = _set_camera(self)
        _check_image("left", self.left)
        if self.right is not None:
            _check_image("right", self.right)
            if self.left.shape != self.right.shape:
                raise ImageError(
                    f"expected left and right of one size, got {self.left.shape} and "
                    f"{self.right.shape}"
                )
        if self.left.shape[:2] != (camera.height, camera.width):
            raise ImageError(
                f"expected images of {camera.width}x{camera.height} as camera_info says, "
                f"got {self.left.shape[1]}x{self.left.shape[0]}"
            )
        if self.max_disparity_px is not None and self.max_disparity_px <= 0:
            raise ImageError(f"expected a disparity range above 0 px, got {self.max_disparity_px}")

    def left_only(self) -> Frame:
        """Return the same instant as a mono frame: the left image and its camera."""
        calibrations = self.calibrations
        if calibrations is not None:
            calibrations = calibrations[:1]
        return replace(self, right=None, rig=None, calibrations=calibrations)


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the estimator knows about one frame. An unknown value is NaN.

    Attributes:
        stamp_ns: Of the frame.
        frame_id: Of the frame.
        rig: Of the maps below; None in mono.
        left: (H, W, 3) uint8 RGB, rectified.
        depth: (H, W) float32 metres along the optical axis; None where no scale is known: never
            relative numbers.
        disparity: (H, W) float32 pixels; None in mono.
        sigma_m: (H, W) float32, one standard deviation of depth in metres, or None.
        timing_ms: "prepare", "engine", "decode", "total"; in mono also "pose".
        camera: Of the maps.
        inv_depth: In mono, (H, W) float32, 1/m, or relative (up to one factor) where depth is None.
        scale: Where metres come from; "none" where nothing knows them.
        scale_reason: Why a scale source that was asked for knows none at present; else "".
        prev_T_curr: (4, 4) float64, maps points of this camera into that of the frame at
            prev_stamp_ns, optical axes; metres, or the relative unit of inv_depth. None: unknown.
        prev_stamp_ns: Stamp of the frame before, or None.
        right: (H, W, 3) uint8 RGB, rectified; None in mono.
    """

    stamp_ns: int
    frame_id: str
    rig: StereoRig | None
    left: np.ndarray
    depth: np.ndarray | None
    disparity: np.ndarray | None
    sigma_m: np.ndarray | None = None
    timing_ms: dict[str, float] = field(default_factory=dict)
    camera: Camera | None = None
    inv_depth: np.ndarray | None = None
    scale: str = "stereo baseline"
    scale_reason: str = ""
    prev_T_curr: np.ndarray | None = None
    prev_stamp_ns: int | None = None
    right: np.ndarray | None = None

    def __post_init__(self):
        _set_camera(self)

    def cloud(self) -> np.ndarray:
        """Return the coloured points of a metric estimate, see pointcloud.depth_to_cloud.

        Returns:
            (H, W, 4) float32: x, y, z in metres in the optical frame, NaN unknown, and packed rgb.

        Raises:
            InputError: Where depth is relative.
        """
        if self.depth is None:
            raise InputError("expected depth in metres for points, got relative depth")
        assert self.camera is not None  # it is set from the rig in __post_init__
        return depth_to_cloud(self.depth, self.camera, self.left)


def _set_camera(item: Frame | Estimate) -> Camera:
    """Take the camera from the rig, so that replacing the one cannot leave the other behind."""
    camera = item.camera
    if item.rig is not None:
        camera = item.rig.left
    if camera is None:
        raise CalibrationError("expected a rig or a camera, got neither")
    object.__setattr__(item, "camera", camera)
    return camera


def _check_image(name: str, image: np.ndarray) -> None:
    """Refuse what is not a (H, W, 3) uint8 image with pixels in it."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ImageError(f"{name}: expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
