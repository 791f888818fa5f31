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

from .resize import resize_image, resize_inv_depth, resize_map_nearest


def rectified(frame: Frame) -> Frame:
    """Rectify a frame; return the same frame where it is rectified already.

    Rig and camera are made anew from the calibrations, so that they cannot contradict them.

    Args:
        frame: Raw, with its calibrations, or rectified.

    Returns:
        The frame without calibrations; what the raw images did not see is black.

    Raises:
        CalibrationError: For numbers that cannot be used.
        InputError: For a rig without a right image.
        ImageError: For images of another size than their calibrations.
    """
    if frame.rig is not None and frame.right is None:
        raise InputError("expected a stereo pair, got a left image only")
    if frame.calibrations is None:
        return frame
    if frame.rig is None:
        (calibration,) = frame.calibrations
        camera = Camera.from_calibration(calibration)
        image = _remap(frame.left, calibration)
        return replace(frame, left=image, camera=camera, calibrations=None)
    left_calibration, right_calibration = frame.calibrations
    rig = StereoRig.from_calibrations(left_calibration, right_calibration)
    if (rig.left.height, rig.left.width) != frame.left.shape[:2]:
        raise ImageError(
            f"expected images of {rig.left.width}x{rig.left.height} as camera_info says, "
            f"got {frame.left.shape[1]}x{frame.left.shape[0]}"
        )
    left = _remap(frame.left, left_calibration)
    right = _remap(frame.right, right_calibration)
    return replace(frame, left=left, right=right, rig=rig, calibrations=None)


def to_tensors(
    frame: Frame, spec: ModelSpec, max_disparity_px: int, prior: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Make the inputs of a stereo network.

    A network of any size gets the images padded at the bottom and the right, by repetition of the
    border, to multiples of spec.divisor; one of a fixed size gets them resized.

    Args:
        frame: Rectified.
        spec: Of the network.
        max_disparity_px: The range to search, pixels of the frame.
        prior: As to_prior makes it, where it is there already.

    Returns:
        float32 arrays by the names of the spec, shapes as in engine.spec.INPUTS.

    Raises:
        EngineError: For a spec with an input of another task.
    """
    tensors = {}
    for name in spec.inputs:
        if name == "left":
            tensors[name] = _normalised(_fit(frame.left, spec), spec)
        elif name == "right":
            tensors[name] = _normalised(_fit(frame.right, spec), spec)
        elif name == "prior":
            tensors[name] = to_prior(frame, spec, max_disparity_px) if prior is None else prior
        elif name == "max_disparity_px":
            range_px = _range_at_network(frame, spec, max_disparity_px)
            tensors[name] = np.array([range_px], np.float32)
        else:
            raise EngineError(f"expected a stereo model, got one that wants the input {name!r}")
    return tensors


def to_prior(frame: Frame, spec: ModelSpec, max_disparity_px: int) -> np.ndarray:
    """Make only the prior of to_tensors: (1, 2, h, w) float32."""
    range_px = _range_at_network(frame, spec, max_disparity_px)
    left = _fit(frame.left, spec)
    right = _fit(frame.right, spec)
    return matched_prior(left, right, range_px, spec.prior_scale)[None]


def _range_at_network(frame: Frame, spec: ModelSpec, max_disparity_px: int) -> int:
    """The range to search in pixels of the network's images."""
    if spec.is_dynamic:
        return max(1, int(np.ceil(max_disparity_px)))
    return max(1, int(np.ceil(max_disparity_px * spec.width / frame.left.shape[1])))


def from_tensors(
    outputs: dict, spec: ModelSpec, height: int, width: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Undo what to_tensors did to the size.

    Args:
        outputs: Of the engine, (1, 1, h, w) float32.
        spec: Of the network.
        height: Of the frame.
        width: Of the frame.

    Returns:
        Disparity and its sigma (None where the network has none), both (height, width) float32
        pixels of the frame, NaN unknown.

    Raises:
        EngineError: For an output of another shape.
    """
    size = _fitted_size(height, width, spec)
    raw = _map_of(outputs, "disparity", size)
    known = np.isfinite(raw)
    disparity = np.where(known, raw, np.float32(np.nan))
    sigma = None
    if "log_sigma" in outputs:
        with np.errstate(over="ignore", invalid="ignore"):
            sigma = np.exp(_map_of(outputs, "log_sigma", size))
        sigma = np.where(known, sigma, np.float32(np.nan))
    if spec.is_dynamic:  # it was padded at the bottom and the right
        disparity = disparity[:height, :width]
        return disparity, None if sigma is None else sigma[:height, :width]
    if sigma is not None:
        # Nearest: a mean of two sigmas across an edge would belong to neither surface.
        sigma = resize_nearest(sigma, height, width) * np.float32(width / spec.width)
    return resize_disparity(disparity, height, width), sigma


def _map_of(outputs: dict, name: str, size: tuple[int, int]) -> np.ndarray:
    """The (h, w) map of an output; raises EngineError where its shape is not (1, 1, *size)."""
    expected = (1, 1, *size)
    if outputs[name].shape != expected:
        raise EngineError(f"output {name}: expected {expected}, got {outputs[name].shape}")
    return outputs[name][0, 0]


def to_image_tensor(
    image: np.ndarray, camera: Camera, spec: ModelSpec
) -> tuple[np.ndarray, Camera]:
    """Make the tensor of one image for a mono or pose network.

    With spec.working_pixels the image is resized, its aspect kept, to about that many pixels; then
    it is padded at the bottom and the right, by repetition of the border, to multiples of
    spec.divisor. A network of a fixed size gets it resized.

    Args:
        image: (H, W, 3) uint8 RGB, rectified.
        camera: Of the image.
        spec: Of the network.

    Returns:
        (1, 3, h, w) float32, and the camera of the part of it that is not padding, which starts at
        its first pixel.
    """
    resized = resize_image(image, *working_size(camera.height, camera.width, spec))
    return _normalised(_fit(resized, spec), spec), camera.resized(*resized.shape[:2])


def working_size(height: int, width: int, spec: ModelSpec) -> tuple[int, int]:
    """Return the (height, width) to which an image is resized, ahead of padding.

    >>> working_size(
    ...     480, 640, ModelSpec("m", "mono", ("image",), ("depth",), 0, 0, working_pixels=76_800)
    ... )
    (240, 320)
    """
    if not spec.is_dynamic:
        return spec.height, spec.width
    if not spec.working_pixels:
        return height, width
    scale = (spec.working_pixels / (height * width)) ** 0.5
    return max(1, round(height * scale)), max(1, round(width * scale))


def tensor_size(height: int, width: int, spec: ModelSpec) -> tuple[int, int]:
    """Return the (height, width) of the tensors for an image of this size.

    >>> tensor_size(370, 1226, ModelSpec("m", "stereo", ("left", "right"), ("disparity",), 0, 0))
    (384, 1248)
    """
    return _fitted_size(*working_size(height, width, spec), spec)


def inv_depth_from_tensors(
    outputs: dict, spec: ModelSpec, camera: Camera, height: int, width: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Undo what to_image_tensor did to size and focal length.

    Args:
        outputs: Of the engine, (1, 1, h, w) float32.
        spec: Of the network.
        camera: As to_image_tensor returned it.
        height: Of the frame.
        width: Of the frame.

    Returns:
        Inverse depth, and one standard deviation of depth relative to depth (None where the network
        has none): both (height, width) float32, inverse depth in 1/m (relative where the spec is),
        NaN unknown.

    Raises:
        EngineError: For an output of another shape.
    """
    size = _fitted_size(camera.height, camera.width, spec)
    # All that can be done is done at the network's size, which is a small part of the frame's.
    raw = _map_of(outputs, "depth", size)[: camera.height, : camera.width]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        known = np.isfinite(raw) & (raw > 0)
        # The network answers for a canonical focal length: depth grows with the real one
        depth = raw * np.float32(spec.focal_ratio(camera.fx))
        inv_depth = np.where(known, 1 / depth, np.float32(np.nan))
        rel_sigma = None
        if "log_rel_sigma" in outputs:
            log = _map_of(outputs, "log_rel_sigma", size)[: camera.height, : camera.width]
            rel_sigma = np.where(known, np.exp(log), np.float32(np.nan))
            rel_sigma = resize_map_nearest(rel_sigma, height, width)
        return resize_inv_depth(inv_depth, height, width), rel_sigma


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
    return resize_image(image, height, width)


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
