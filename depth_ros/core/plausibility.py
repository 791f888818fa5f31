"""Calibrations that are well formed and cannot be right: a size or a unit that was mistaken, and
by how much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .camera import Calibration, Camera, StereoRig
from .errors import DepthRosError

_SQUARE = 1.25  # fx / fy beyond it: one side of the image was scaled
_OFF_CENTRE = 0.25  # of the image's width or height, from its middle
_ONE_FACTOR = 0.15  # relative: both sides of the image tell the same factor
_OTHER_SIZE = (
    1.4  # of the size of the image: beyond it, or below its inverse, another image was calibrated
)
_VIEW_DEG = (10.0, 140.0)
_SKEW = 1e-3  # of fx
_FAR_APART_M = 20.0  # no rig is wider
_WIDE_M = 5.0
_NARROW_M, _TINY_M = 0.005, 0.001


@dataclass(frozen=True)
class Fault:
    """One sentence about a calibration. is_certain: depth is wrong; else it may be a strange
    camera.
    """

    words: str
    is_certain: bool


def camera_faults(calibration: Calibration, rectified: bool) -> list[Fault]:
    """Find numbers that no camera of this image size has; none of a calibration that is refused
    anyway.

    Args:
        calibration: Of the image that is sent, pixels. rectified: True where the images are
        rectified, so that P alone counts; False where K, D and R count too.

    Returns:
        Faults, the certain ones first; each names the factor that is suspected.

    >>> doubled = Calibration(
    ...     320,
    ...     240,
    ...     "",
    ...     (),
    ...     (512, 0, 319.5, 0, 512, 239.5, 0, 0, 1),
    ...     (1, 0, 0, 0, 1, 0, 0, 0, 1),
    ...     (512, 0, 319.5, 0, 0, 512, 239.5, 0, 0, 0, 1, 0),
    ... )
    >>> camera_faults(doubled, rectified=True)[0].words[:82]
    'P: the principal point (319.5, 239.5) is the middle of 640x480, not of 320x240: ca'
    """
    try:
        Camera.from_calibration(calibration)
    except DepthRosError:
        return []
    K, P = calibration.K, calibration.P
    faults = _pinhole_faults("P", (P[0], P[5], P[2], P[6]), calibration)
    if not rectified:
        faults += _pinhole_faults("K", (K[0], K[4], K[2], K[5]), calibration)
        faults += _raw_faults(calibration)
    return sorted(faults, key=lambda fault: not fault.is_certain)


def pair_faults(left: Calibration, right: Calibration) -> list[Fault]:
    """Find a baseline that no rig has; none of a pair that is refused anyway.

    Args:
        left: Of the left camera.
        right: Of the right camera, with P[3] = -fx * baseline (pixels times metres).

    Returns:
        Faults; each names the unit or factor that is suspected.
    """
    try:
        rig = StereoRig.from_calibrations(left, right)
    except DepthRosError:
        return []
    baseline_m = rig.baseline_m
    words = f"baseline {baseline_m:.4g} m: is P[3] = -fx * baseline in pixels times metres?"
    if baseline_m > _FAR_APART_M:
        smaller = (
            f"In millimetres it would be {baseline_m / 1000:.4g} m: depth 1000 times too large"
        )
        return [Fault(f"{words} {smaller}", True)]
    if baseline_m > _WIDE_M:
        return [Fault(f"{words} In centimetres it would be {baseline_m / 100:.4g} m", False)]
    if baseline_m < _TINY_M:
        alone_m = baseline_m * rig.left.fx
        return [
            Fault(
                f"{words} Without fx it would be {alone_m:.4g} m: depth {rig.left.fx:.4g} "
                "times too small",
                True,
            )
        ]
    return [Fault(words, False)] if baseline_m < _NARROW_M else []


def _pinhole_faults(name: str, numbers: tuple[float, ...], calibration: Calibration) -> list[Fault]:
    """What is wrong with fx, fy, cx, cy of a matrix."""
    fx, fy, cx, cy = numbers
    width, height = calibration.width, calibration.height
    faults = []
    if not 1 / _SQUARE < fx / fy < _SQUARE:
        words = f"{name}: fx {fx:.4g} and fy {fy:.4g} px: expected nearly square pixels; "
        faults.append(Fault(f"{words}one side scaled by {fx / fy:.3g}?", True))
    if (fault := _centre_fault(name, cx, cy, calibration)) is not None:
        faults.append(fault)
    view_deg = 2 * math.degrees(math.atan2(width / 2, fx))
    if not _VIEW_DEG[0] < view_deg < _VIEW_DEG[1]:
        words = (
            f"{name}: a field of view of {view_deg:.0f} degrees: is fx {fx:.4g} in pixels of "
            f"{width}x{height}?"
        )
        faults.append(Fault(words, False))
    return faults


def _centre_fault(name: str, cx: float, cy: float, calibration: Calibration) -> Fault | None:
    """A principal point that belongs to an image of another size."""
    width, height = calibration.width, calibration.height
    across, down = 2 * (cx + 0.5) / width, 2 * (cy + 0.5) / height
    place = f"{name}: the principal point ({cx:.4g}, {cy:.4g})"
    factor = (across + down) / 2
    alike = abs(across - down) <= _ONE_FACTOR * max(abs(factor), 1e-9)
    if alike and factor > 0 and not 1 / _OTHER_SIZE < factor < _OTHER_SIZE:
        other = f"{round(factor * width)}x{round(factor * height)}"
        cause = (
            f"{calibration.window}: scaled twice?"
            if calibration.window
            else "calibrated at another size?"
        )
        words = (
            f"{place} is the middle of {other}, not of {width}x{height}: {cause} Depth is "
            f"wrong by {factor:.3g}"
        )
        return Fault(words, True)
    if max(abs(across - 1), abs(down - 1)) <= 2 * _OFF_CENTRE:
        return None
    return Fault(
        f"{place} is far from the middle of {width}x{height}: calibrated at another size?", False
    )


def _raw_faults(calibration: Calibration) -> list[Fault]:
    """What is wrong with numbers that only rectification needs."""
    K, P, faults = calibration.K, calibration.P, []
    if abs(K[1]) > _SKEW * K[0]:
        faults.append(
            Fault(
                f"K: a skew of K[1] = {K[1]:.4g} px: cameras have none; rows and columns mistaken?",
                False,
            )
        )
    if not 1 / 3 < P[0] / K[0] < 3:
        words = f"P: fx {P[0]:.4g} and K: fx {K[0]:.4g} px: of two image sizes?"
        faults.append(Fault(words, False))
    return faults
