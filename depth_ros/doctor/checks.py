"""What the doctor knows of cameras: checks of stamps, images, calibrations and pairs, of a bag
or of a live stream.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from depth_ros.core.camera import Calibration, Camera, StereoRig
from depth_ros.core.errors import DepthRosError
from depth_ros.core.plausibility import Fault, camera_faults, pair_faults
from depth_ros.core.rectify import rectify_map
from depth_ros.core.types import Frame
from depth_ros.recordings.decode import image_to_rgb, stamp_to_ns
from depth_ros.recordings.disparity_range import disparity_reach, range_of

from .causes import NO_FRAME_ID
from .epipolar import epipolar_error

SIDES = ("left", "right")
PROBLEM, WARNING, OK = "PROBLEM", "WARNING", "ok"
_BAD_EPIPOLAR_PX, _POOR_EPIPOLAR_PX = (
    1.5,
    0.75,
)  # experiments/stereo/robustness.py: 2 px ruin SGBM, 0.5 px hardly show
_DARK = 8


@dataclass(frozen=True)
class Finding:
    """level: PROBLEM, WARNING or ok. where: topic, scene or the bag. words: what was expected,
    what was found.
    """

    level: str
    where: str
    words: str


@dataclass(frozen=True)
class ImageFact:
    """What is known of one image message without its pixels' sake: size (0 where it does not
    decode) and mean grey.
    """

    stamp_ns: int
    frame_id: str
    encoding: str
    size: tuple[int, int]
    mean: float
    error: str = ""


def examine_stamps(topic: str, stamps: list[int]) -> list[Finding]:
    """Find stamps that are zero, doubled, run backwards, or leave gaps. stamps: nanoseconds in
    recorded order.
    """
    findings = []
    steps = np.diff(np.array(stamps, np.int64))
    if zeros := sum(stamp == 0 for stamp in stamps):
        findings.append(
            Finding(
                PROBLEM,
                topic,
                f"{zeros} of {len(stamps)} stamps are 0: the driver does not set them",
            )
        )
    if doubled := int(np.sum(steps == 0)):
        findings.append(Finding(PROBLEM, topic, f"{doubled} stamps are the same as the one before"))
    if back := int(np.sum(steps < 0)):
        findings.append(
            Finding(
                PROBLEM,
                topic,
                f"stamps run backwards {back} times, by up to {-steps.min() / 1e9:.3f} s",
            )
        )
    forward = steps[steps > 0]
    if len(forward) > 2:
        period = float(np.median(forward))
        if gaps := int(np.sum(forward > 2.5 * period)):
            longest = forward.max() / 1e9
            words = (
                f"{gaps} gaps in the stamps (period {period / 1e6:.1f} ms, longest "
                f"{longest:.3f} s): frames lost"
            )
            findings.append(Finding(WARNING, topic, words))
    return findings


def examine_calibrations(
    topic: str,
    found: list[tuple[str, Calibration]],
    images: list[ImageFact],
    rectified: bool = False,
) -> list[Finding]:
    """Find calibrations that cannot be used, that do not fit the images, or change.

    found: (frame_id, calibration). rectified: of such images P alone is used, so D, R and the model
    may be anything.
    """
    if not found:
        return [Finding(PROBLEM, topic, "expected CameraInfo messages, got none that can be read")]
    findings = []
    different = list({repr(one): one for one in found}.values())  # NaN is not equal to itself
    checks = (Camera.from_calibration,) if rectified else (Camera.from_calibration, rectify_map)
    for frame_id, calibration in different:
        for check in checks:
            try:
                check(calibration)
            except DepthRosError as error:
                findings.append(Finding(PROBLEM, topic, str(error)))
                break
        sizes = {fact.size for fact in images if fact.size[0]}
        size = (calibration.width, calibration.height)
        if sizes and size not in sizes:
            shown = ", ".join(f"{w}x{h}" for w, h in sorted(sizes))
            window = calibration.window and f" ({calibration.window})"
            words = f"camera_info is for {size[0]}x{size[1]}{window}, the images are {shown}"
            findings.append(Finding(PROBLEM, topic, words))
        frames = {fact.frame_id.lstrip("/") for fact in images} - {""}
        if frames and frame_id.lstrip("/") not in frames:
            findings.append(
                Finding(WARNING, topic, f"frame_id {frame_id!r}, the images have {sorted(frames)}")
            )
    if len(different) > 1:
        findings.append(
            Finding(WARNING, topic, f"the calibration changes: {len(different)} different ones")
        )
    return list(dict.fromkeys(findings))


def examine_camera(
    topic: str, calibration: Calibration, rectified: bool, is_single: bool = True
) -> list[Finding]:
    """Find numbers that no camera has; nothing of unusable ones, which examine_calibrations names.

    is_single: of a pair examine_pair says whether raw images are calibrated.
    """
    findings = [_finding(topic, fault) for fault in camera_faults(calibration, rectified)]
    if is_single and not rectified and not any(calibration.D):
        findings.append(Finding(WARNING, topic, "raw images without D: calibrated?"))
    return findings


def examine_frame_ids(
    topic: str, facts: list[ImageFact], info_frames: set[str] = frozenset()
) -> list[Finding]:
    """Find frame_ids that tf2 refuses: empty ones, and those with a slash in front.

    info_frames: frame_ids of the camera_infos; where the images have none, the only one of these is
    theirs.
    """
    frames = {fact.frame_id for fact in facts}
    others = sorted({frame.lstrip("/") for frame in info_frames} - {""})
    findings = []
    if "" in frames and len(others) == 1:
        words = (
            f"frame_id of the images is empty: that of camera_info is read instead, {others[0]!r}"
        )
        findings.append(Finding(WARNING, topic, words))
    elif "" in frames:
        findings.append(Finding(PROBLEM, topic, NO_FRAME_ID))
    for frame_id in sorted(frame for frame in frames if frame.startswith("/")):
        words = (
            f"frame_id {frame_id!r} begins with a slash, which tf2 refuses: read as "
            f"{frame_id.lstrip('/')!r}"
        )
        findings.append(Finding(WARNING, topic, words))
    return findings


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
        findings += [_finding(where, fault) for fault in pair_faults(first["left"], first["right"])]
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
    left, right = (np.unique(np.array(stamps[side], np.int64)) for side in SIDES)
    if not len(left) or not len(right):
        return []
    closest_left, closest_right = _closest(left, right), _closest(right, left)
    nearest = np.abs(right[closest_right] - left)
    matched = int(np.sum(nearest <= tolerance_ns))
    if matched == max(len(left), len(right)):
        return []
    # Of an image whose partner was lost the nearest is somebody else's partner: that says nothing
    # of the cameras.
    mutual = nearest[closest_left[closest_right] == np.arange(len(left))]
    gap, wanted = mutual[mutual > 0], int(np.percentile(mutual, 95))
    words = (
        f"{matched} of {max(len(left), len(right))} stamps "
        f"{'meet' if tolerance_ns else 'are equal'} on both sides"
    )
    if len(gap):
        words += f"; the others are {np.median(gap) / 1e6:.3f} ms apart (median)"
    period = float(np.median(np.diff(left))) if len(left) > 1 else math.inf
    if 0 < wanted < period / 2:
        words += f"; {option}{math.ceil(wanted / 1e4) / 1e5:g} would pair most"
    return [Finding(WARNING if matched > 0.5 * len(left) else PROBLEM, "left, right", words)]


def _finding(where: str, fault: Fault) -> Finding:
    """What the doctor says of a fault."""
    return Finding(PROBLEM if fault.is_certain else WARNING, where, fault.words)


def _closest(of: np.ndarray, to: np.ndarray) -> np.ndarray:
    """For each stamp of the second, the index of the nearest of the first; both sorted, neither
    empty.
    """
    after = np.clip(np.searchsorted(of, to), 0, len(of) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(of[before] - to) <= np.abs(of[after] - to), before, after)


def examine_images(topic: str, facts: list[ImageFact]) -> list[Finding]:
    """Find images that do not decode, change size or encoding, or are black."""
    findings = []
    for words, count in Counter(fact.error for fact in facts if fact.error).items():
        findings.append(
            Finding(PROBLEM, topic, f"{count} of {len(facts)} images cannot be used: {words}")
        )
    for what, values in (
        ("size", {f.size for f in facts if f.size[0]}),
        ("encoding", {f.encoding for f in facts}),
    ):
        if len(values) > 1:
            findings.append(Finding(WARNING, topic, f"the {what} changes: {sorted(values)}"))
    dark = sum(fact.mean < _DARK for fact in facts if not fact.error)
    if dark:
        findings.append(Finding(WARNING, topic, f"{dark} of {len(facts)} images are almost black"))
    return findings


def image_fact(message) -> ImageFact:
    """Decode an image message once, and keep what can be said of it."""
    encoding = str(getattr(message, "encoding", None) or getattr(message, "format", ""))
    head = (stamp_to_ns(message.header.stamp), str(message.header.frame_id), encoding)
    try:
        image = image_to_rgb(message)
    except DepthRosError as error:
        return ImageFact(*head, (0, 0), 0.0, str(error))
    return ImageFact(*head, (image.shape[1], image.shape[0]), float(image[::8, ::8].mean()))


def examine_frames(frames: list[Frame], where: str) -> list[Finding]:
    """Look at rectified pairs: do rows meet, are left and right the right way round?"""
    measured = [
        error for frame in frames if (error := epipolar_error(frame.left, frame.right)) is not None
    ]
    if not measured:
        words = "too few features match between left and right to judge the rectification"
        return [Finding(WARNING, where, words)]
    offset, disparity = (float(np.median([error[i] for error in measured])) for i in (0, 1))
    level = PROBLEM if offset > _BAD_EPIPOLAR_PX else WARNING if offset > _POOR_EPIPOLAR_PX else OK
    words = f"matched features lie {offset:.2f} px off their row (median); 0.5 or less is good"
    findings = [Finding(level, where, words)]
    if disparity + float(np.median([frame.rig.doffs_px for frame in frames])) < 0:
        words = (
            f"median disparity of matched features is {disparity:.1f} px, negative: left and "
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
