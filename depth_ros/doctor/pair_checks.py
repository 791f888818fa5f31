"""Checks of left and right together: baseline, sizes, stamps, rows that meet, the range."""

from __future__ import annotations

import math

import numpy as np

from depth_ros.core.camera import StereoRig
from depth_ros.core.errors import DepthRosError
from depth_ros.core.plausibility import pair_faults
from depth_ros.core.types import Frame
from depth_ros.recordings.disparity_range import disparity_reach, range_of

from .checks import OK, PROBLEM, WARNING, Finding, fault_finding
from .epipolar import epipolar_error

SIDES = ("left", "right")
# experiments/stereo/robustness.py: 2 px ruin SGBM, 0.5 px hardly show
_BAD_EPIPOLAR_PX = 1.5
_POOR_EPIPOLAR_PX = 0.75


def examine_pair(infos: dict, images: dict, rectified: bool) -> list[Finding]:
    """Find what is wrong between left and right: baseline, sizes, encodings.

    infos, images: by side, (frame_id, Calibration) and ImageFact. rectified: what the images are
    meant to be.
    """
    findings = []
    where = "left, right"
    first = {side: infos[side][0][1] for side in SIDES if infos[side]}
    if len(first) == 2:
        try:
            StereoRig.from_calibrations(first["left"], first["right"])
        except DepthRosError as error:
            findings.append(Finding(PROBLEM, where, str(error)))
        findings += [
            fault_finding(where, fault) for fault in pair_faults(first["left"], first["right"])
        ]
        if not rectified and all(
            cal.R == (1, 0, 0, 0, 1, 0, 0, 0, 1) and not any(cal.D) for cal in first.values()
        ):
            findings.append(Finding(WARNING, where, "raw images without D and R: calibrated?"))
    encodings = {side: {fact.encoding for fact in images[side]} for side in SIDES}
    if encodings["left"] != encodings["right"]:
        findings.append(
            Finding(
                WARNING, where, f"encodings differ: {encodings['left']} and {encodings['right']}"
            )
        )
    sizes = {side: {fact.size for fact in images[side] if fact.size[0]} for side in SIDES}
    if sizes["left"] and sizes["right"] and sizes["left"] != sizes["right"]:
        findings.append(
            Finding(
                PROBLEM,
                where,
                f"image sizes differ: {sorted(sizes['left'])} and {sorted(sizes['right'])}",
            )
        )
    return findings


def examine_pairing(
    stamps: dict[str, list[int]], tolerance_ns: int = 0, option: str = "--sync-tolerance-s "
) -> list[Finding]:
    """Find stamps of left and right (nanoseconds) that do not meet, and say which tolerance
    would pair them.
    """
    left = np.unique(np.array(stamps["left"], np.int64))
    right = np.unique(np.array(stamps["right"], np.int64))
    if not len(left) or not len(right):
        return []
    closest_left = _closest(left, right)
    closest_right = _closest(right, left)
    nearest_ns = np.abs(right[closest_right] - left)
    matched = int(np.sum(nearest_ns <= tolerance_ns))
    count = max(len(left), len(right))
    if matched == count:
        return []
    # Of an image whose partner was lost the nearest is somebody else's partner: that says nothing
    # of the cameras.
    is_mutual = closest_left[closest_right] == np.arange(len(left))
    mutual_ns = nearest_ns[is_mutual]
    gaps_ns = mutual_ns[mutual_ns > 0]
    meet = "meet" if tolerance_ns else "are equal"
    words = f"{matched} of {count} stamps {meet} on both sides"
    if len(gaps_ns):
        words += f"; the others are {np.median(gaps_ns) / 1e6:.3f} ms apart (median)"
    # the tolerance that would pair most, as long as it cannot pair with a neighbour
    wanted_ns = int(np.percentile(mutual_ns, 95))
    period_ns = float(np.median(np.diff(left))) if len(left) > 1 else math.inf
    if 0 < wanted_ns < period_ns / 2:
        words += f"; {option}{math.ceil(wanted_ns / 1e4) / 1e5:g} would pair most"
    level = WARNING if matched > 0.5 * len(left) else PROBLEM
    return [Finding(level, "left, right", words)]


def examine_frames(frames: list[Frame], where: str) -> list[Finding]:
    """Look at rectified pairs: do rows meet, are left and right the right way round?"""
    errors = [epipolar_error(frame.left, frame.right) for frame in frames]
    measured = [error for error in errors if error is not None]
    if not measured:
        words = "too few features match between left and right to judge the rectification"
        return [Finding(WARNING, where, words)]
    offset_px = float(np.median([error[0] for error in measured]))
    disparity_px = float(np.median([error[1] for error in measured]))
    if offset_px > _BAD_EPIPOLAR_PX:
        level = PROBLEM
    elif offset_px > _POOR_EPIPOLAR_PX:
        level = WARNING
    else:
        level = OK
    words = f"matched features lie {offset_px:.2f} px off their row (median); 0.5 or less is good"
    findings = [Finding(level, where, words)]
    # depth = fx * baseline / (disparity + doffs): below 0 nothing lies before the cameras
    if disparity_px + float(np.median([frame.rig.doffs_px for frame in frames])) < 0:
        words = (
            f"median disparity of matched features is {disparity_px:.1f} px, negative: left and "
            "right swapped?"
        )
        findings.append(Finding(PROBLEM, where, words))
    return findings


def examine_range(frames: list[Frame], where: str, max_disparity_px: int | None) -> list[Finding]:
    """Look whether the first pair has things nearer than the range that is searched; None: not
    asked.
    """
    if not frames or not max_disparity_px:
        return []
    reach_px = disparity_reach(frames[0].left, frames[0].right)
    searched_px = frames[0].max_disparity_px or max_disparity_px
    if reach_px is None or reach_px <= searched_px:
        return []
    words = (
        f"features match at up to {reach_px:.0f} px, the range is {searched_px} px: nearer "
        "things get no depth; "
    )
    return [Finding(WARNING, where, f"{words}--max-disparity-px {range_of(reach_px)}")]


def _closest(of: np.ndarray, to: np.ndarray) -> np.ndarray:
    """For each stamp of the second, the index of the nearest of the first; both sorted, neither
    empty.
    """
    after = np.clip(np.searchsorted(of, to), 0, len(of) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(of[before] - to) <= np.abs(of[after] - to), before, after)
