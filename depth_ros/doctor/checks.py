"""Checks of one camera, of a recording or of a live stream: stamps, images, calibration."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from depth_ros.core.camera import Calibration, Camera
from depth_ros.core.errors import DepthRosError
from depth_ros.core.grey_range import GreyRange, describe_range, used_range
from depth_ros.core.plausibility import Fault, camera_faults
from depth_ros.core.rectify import rectify_map
from depth_ros.recordings.decode import scaled_to_rgb, stamp_to_ns, stored_pixels

from .causes import NO_FRAME_ID

PROBLEM, WARNING, OK = "PROBLEM", "WARNING", "ok"
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
    """What is known of one image message once its pixels are dropped.

    size: (width, height), 0 where it does not decode. mean: grey level of 0 to 255, 16-bit images
    scaled by the values that they use. error: why it does not decode. grey_range: the values that
    a 16-bit image uses, or None.
    """

    stamp_ns: int
    frame_id: str
    encoding: str
    size: tuple[int, int]
    mean: float
    error: str = ""
    grey_range: tuple[int, int] | None = None


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
    findings = [fault_finding(topic, fault) for fault in camera_faults(calibration, rectified)]
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


def fault_finding(where: str, fault: Fault) -> Finding:
    """Return the finding of a fault: a problem where it is certain, else a warning."""
    return Finding(PROBLEM if fault.is_certain else WARNING, where, fault.words)


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


def examine_grey_range(topic: str, facts: list[ImageFact]) -> list[Finding]:
    """Describe 16-bit images that do not fill their 16 bits, and how they are scaled."""
    ranges = [fact.grey_range for fact in facts if fact.grey_range is not None]
    if not ranges:
        return []
    lowest = min(low for low, _ in ranges)
    highest = max(high for _, high in ranges)
    words = describe_range(lowest, highest)
    if not words:
        return []
    return [Finding(OK, topic, f"{words}; node and offline runs scale by them (grey_bits)")]


def image_fact(message, greys: GreyRange) -> ImageFact:
    """Decode an image message once and summarise it.

    Args:
        message: Image or CompressedImage.
        greys: The range of its topic's 16-bit images; the message updates it.
    """
    encoding = str(getattr(message, "encoding", None) or getattr(message, "format", ""))
    head = (stamp_to_ns(message.header.stamp), str(message.header.frame_id), encoding)
    try:
        stored = stored_pixels(message)
        (image,) = scaled_to_rgb([stored], greys)
    except DepthRosError as error:
        return ImageFact(*head, (0, 0), 0.0, str(error))
    pixels, _ = stored
    return ImageFact(
        *head,
        size=(image.shape[1], image.shape[0]),
        mean=float(image[::8, ::8].mean()),
        grey_range=used_range(pixels) if pixels.dtype == np.uint16 else None,
    )
