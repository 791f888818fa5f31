"""From images to tensors and back: rectify, pad or resize, normalise, and the exact inverse of
each.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np

from depth_ros.core.camera import Calibration, Camera, StereoRig
from depth_ros.core.depth import resize_disparity, resize_nearest
from depth_ros.core.errors import EngineError, ImageError, InputError
from depth_ros.core.rectify import rectify_map
from depth_ros.core.types import Frame
from depth_ros.engine.matching import matched_prior
from depth_ros.engine.spec import ModelSpec

_SAME_SURFACE = (
    0.1  # neighbours whose inverse depths differ by more than this share lie on two surfaces
)


def rectified(frame: Frame) -> Frame:
    """Give the frame with rectified images; the same frame where they are rectified already.

    Rig and camera are made anew from the calibrations, so that they cannot contradict them. What
    the raw image missed is black. Raises CalibrationError for numbers that cannot be used,
    InputError for a rig without a right image, ImageError for a size.
    """
    if frame.rig is not None and frame.right is None:
        raise InputError("expected a stereo pair, got a left image only")
    if frame.calibrations is None:
        return frame
    if frame.rig is None:
        (calibration,) = frame.calibrations
        camera = Camera.from_calibration(calibration)
        return replace(
            frame, left=_remap(frame.left, calibration), camera=camera, calibrations=None
        )
    rig = StereoRig.from_calibrations(*frame.calibrations)
    if (rig.left.height, rig.left.width) != frame.left.shape[:2]:
        raise ImageError(
            f"expected images of {rig.left.width}x{rig.left.height} as camera_info says, "
            f"got {frame.left.shape[1]}x{frame.left.shape[0]}"
        )
    left, right = (
        _remap(image, cal)
        for image, cal in zip((frame.left, frame.right), frame.calibrations, strict=True)
    )
    return replace(frame, left=left, right=right, rig=rig, calibrations=None)


def to_tensors(
    frame: Frame, spec: ModelSpec, max_disparity_px: int, prior: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Make the inputs that the spec names.

    frame: rectified. A network of any size gets the images padded at the bottom and the right, by
    repetition of the border, to multiples of spec.divisor; one of a fixed size gets them resized.
    max_disparity_px: the range to search, pixels of the frame. prior: taken where it was made
    already. Returns float32 arrays, shapes as in engine.spec.INPUTS.
    """
    pair = {"left": _fit(frame.left, spec), "right": _fit(frame.right, spec)}
    scale = 1.0 if spec.is_dynamic else spec.width / frame.left.shape[1]
    ndisp = max(1, int(np.ceil(max_disparity_px * scale)))
    tensors = {}
    for name in spec.inputs:
        if name in pair:
            tensors[name] = _normalised(pair[name], spec)
        elif name == "prior":
            tensors[name] = to_prior(frame, spec, max_disparity_px) if prior is None else prior
        elif name == "max_disparity_px":
            tensors[name] = np.array([ndisp], np.float32)
        else:
            raise EngineError(f"expected a stereo model, got one that wants the input {name!r}")
    return tensors


def to_prior(frame: Frame, spec: ModelSpec, max_disparity_px: int) -> np.ndarray:
    """Make only the prior of to_tensors: (1, 2, h, w) float32."""
    scale = 1.0 if spec.is_dynamic else spec.width / frame.left.shape[1]
    ndisp = max(1, int(np.ceil(max_disparity_px * scale)))
    return matched_prior(_fit(frame.left, spec), _fit(frame.right, spec), ndisp, spec.prior_scale)[
        None
    ]


def from_tensors(
    outputs: dict, spec: ModelSpec, height: int, width: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Undo what to_tensors did to the size.

    outputs: of the engine, (1, 1, h, w) float32. height, width: of the frame. Returns disparity and
    sigma of disparity or None, both (height, width) float32 pixels of the frame, NaN unknown.
    Raises EngineError for an output of another shape.
    """
    expected = _fitted_size(height, width, spec)
    maps = {}
    for name in ("disparity", "log_sigma"):
        if name in outputs:
            if outputs[name].shape != (1, 1, *expected):
                raise EngineError(
                    f"output {name}: expected {(1, 1, *expected)}, got {outputs[name].shape}"
                )
            maps[name] = outputs[name][0, 0]
    disparity = np.where(np.isfinite(maps["disparity"]), maps["disparity"], np.float32(np.nan))
    sigma = None
    with np.errstate(over="ignore", invalid="ignore"):
        if "log_sigma" in maps:
            sigma = np.where(np.isfinite(disparity), np.exp(maps["log_sigma"]), np.float32(np.nan))
    if spec.is_dynamic:
        return disparity[:height, :width], None if sigma is None else sigma[:height, :width]
    if sigma is not None:
        # Nearest: a mean of two sigmas across an edge would belong to neither surface.
        sigma = resize_nearest(sigma, height, width) * np.float32(width / spec.width)
    return resize_disparity(disparity, height, width), sigma


def to_image_tensor(
    image: np.ndarray, camera: Camera, spec: ModelSpec
) -> tuple[np.ndarray, Camera]:
    """Make the tensor of one image for a mono or pose model.

    image: (H, W, 3) uint8 RGB, rectified. camera: of it. With spec.working_pixels the image is
    resized, its aspect kept, to about that many pixels; then it is padded at the bottom and the
    right, by repetition of the border, to multiples of spec.divisor. A network of a fixed size gets
    it resized. Returns (1, 3, h, w) float32 and the camera of the part of it that is not padding,
    which starts at its first pixel.
    """
    resized = _resize(image, *working_size(camera.height, camera.width, spec))
    return _normalised(_fit(resized, spec), spec), camera.resized(*resized.shape[:2])


def working_size(height: int, width: int, spec: ModelSpec) -> tuple[int, int]:
    """The (height, width) to which an image is resized, ahead of padding.

    >>> working_size(
    ...     480, 640, ModelSpec("m", "mono", ("image",), ("depth",), 0, 0, working_pixels=76_800)
    ... )
    (240, 320)
    """
    if not spec.is_dynamic:
        return spec.height, spec.width
    scale = (spec.working_pixels / (height * width)) ** 0.5 if spec.working_pixels else 1.0
    return max(1, round(height * scale)), max(1, round(width * scale))


def tensor_size(height: int, width: int, spec: ModelSpec) -> tuple[int, int]:
    """The (height, width) of the tensors for an image of this size.

    >>> tensor_size(370, 1226, ModelSpec("m", "stereo", ("left", "right"), ("disparity",), 0, 0))
    (384, 1248)
    """
    return _fitted_size(*working_size(height, width, spec), spec)


def inv_depth_from_tensors(
    outputs: dict, spec: ModelSpec, camera: Camera, height: int, width: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Undo what to_image_tensor did to size and focal length.

    outputs: of the engine, (1, 1, h, w) float32. camera: as to_image_tensor gave it. height, width:
    of the frame. Returns inverse depth, and one standard deviation of depth relative to depth or
    None: both (height, width) float32, inverse depth in 1/m (relative where the spec is), NaN
    unknown. Raises EngineError for an output of another shape.
    """
    maps = {}
    for name in ("depth", "log_rel_sigma"):
        if name in outputs:
            expected = (1, 1, *_fitted_size(camera.height, camera.width, spec))
            if outputs[name].shape != expected:
                raise EngineError(f"output {name}: expected {expected}, got {outputs[name].shape}")
            maps[name] = outputs[name][0, 0, : camera.height, : camera.width]
    # All that can be done is done at the network's size, which is a small part of the frame's.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        known = np.isfinite(maps["depth"]) & (maps["depth"] > 0)
        inv_depth = np.where(
            known, 1 / (maps["depth"] * np.float32(spec.focal_ratio(camera.fx))), np.float32(np.nan)
        )
        rel_sigma = None
        if "log_rel_sigma" in maps:
            rel_sigma = np.where(known, np.exp(maps["log_rel_sigma"]), np.float32(np.nan))
            rel_sigma = _resize_nearest(rel_sigma, height, width)
        return _resize_inverse(inv_depth, height, width), rel_sigma


def _resize_inverse(inv_depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize inverse depth, in which planes are straight: bilinear, but nearest where that would
    bridge surfaces.
    """
    if inv_depth.shape == (height, width):
        return inv_depth
    smooth = cv2.resize(inv_depth, (width, height), interpolation=cv2.INTER_LINEAR)
    nearest = _resize_nearest(inv_depth, height, width)
    off = cv2.absdiff(smooth, nearest)
    np.copyto(smooth, nearest, where=~(off <= _SAME_SURFACE * nearest))  # the negation takes NaN in
    return smooth


def _resize_nearest(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """What core.depth.resize_nearest does, in a tenth of its time."""
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


@lru_cache(maxsize=4)
def _maps(calibration: Calibration):
    """The rectification maps in OpenCV's fixed-point form, twice as fast as float; kept for the
    calibrations in use.
    """
    return cv2.convertMaps(*rectify_map(calibration), cv2.CV_16SC2)


def _remap(image: np.ndarray, calibration: Calibration) -> np.ndarray:
    """The rectified image."""
    if image.shape[:2] != (calibration.height, calibration.width):
        expected = f"{calibration.width}x{calibration.height}"
        raise ImageError(
            f"expected {expected} as camera_info says, got {image.shape[1]}x{image.shape[0]}"
        )
    return cv2.remap(image, *_maps(calibration), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _fitted_size(height: int, width: int, spec: ModelSpec) -> tuple[int, int]:
    """The (height, width) of the tensors for an image of this size."""
    if not spec.is_dynamic:
        return spec.height, spec.width
    return tuple(-(-side // spec.divisor) * spec.divisor for side in (height, width))


def _fit(image: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """The image padded or resized to the size of the tensors."""
    old_height, old_width = image.shape[:2]
    height, width = _fitted_size(old_height, old_width, spec)
    if (height, width) == (old_height, old_width):
        return image
    if spec.is_dynamic:
        return cv2.copyMakeBorder(
            image, 0, height - old_height, 0, width - old_width, cv2.BORDER_REPLICATE
        )
    return _resize(image, height, width)


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image in another size: areas averaged where it shrinks, bilinear where it grows."""
    old_height, old_width = image.shape[:2]
    if (height, width) == (old_height, old_width):
        return image
    shrinks = height * width < old_height * old_width
    return cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def _normalised(image: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """(H, W, 3) uint8 to (1, 3, H, W) float32: (rgb - mean) / std."""
    tensor = np.empty((1, 3, *image.shape[:2]), np.float32)
    for channel, (mean, std) in enumerate(zip(spec.mean, spec.std, strict=True)):
        plane = tensor[0, channel]
        plane[...] = image[..., channel]
        if mean != 0:
            plane -= np.float32(mean)
        if std != 1:
            plane *= np.float32(1 / std)
    return tensor
