"""Name what is wrong with a recording: calibration, stamps, encodings, and whether the pair is really rectified."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.camera import Calibration, Camera, StereoRig
from ..core.errors import DepthRosError, InputError
from ..core.rectify import rectify_map
from ..nodes.decode import image_to_depth, image_to_rgb, info_to_calibration, stamp_to_ns
from ..prepare import rectified
from .bag import SIDES, Bag, Topics, find_topics, messages, open_reader
from .epipolar import epipolar_error
from .sample import Source, is_bag, open_source

PROBLEM, WARNING, OK = "PROBLEM", "WARNING", "ok"
_PAIRS = 5  # looked at for epipolar error
_BAD_EPIPOLAR_PX, _POOR_EPIPOLAR_PX = 1.5, 0.75  # bench/robustness.py: 2 px ruin SGBM, 0.5 px hardly show
_DARK = 8


@dataclass(frozen=True)
class Finding:
    """level: PROBLEM, WARNING or ok. where: topic, scene or the bag. words: what was expected, what was found."""

    level: str
    where: str
    words: str


@dataclass(frozen=True)
class ImageFact:
    """What is known of one image message without its pixels' sake: size (0 where it does not decode) and mean grey."""

    stamp_ns: int
    frame_id: str
    encoding: str
    size: tuple[int, int]
    mean: float
    error: str = ""


def examine(path: str | Path) -> list[Finding]:
    """Examine a bag or a folder of scenes; raises InputError only where it cannot be opened at all."""
    if not is_bag(path):
        return _examine_pairs(open_source(path))
    findings: list[Finding] = []
    with open_reader(path) as reader:
        try:
            topics = find_topics(reader, path)
        except InputError as error:
            return [Finding(PROBLEM, str(path), str(error))]
        images = {side: _image_facts(reader, topics.images[side]) for side in SIDES}
        infos = {side: _infos(reader, topics.infos[side], findings) for side in SIDES}
        findings += _examine_truth(reader, topics)
    for side in SIDES:
        findings += examine_stamps(topics.images[side], [fact.stamp_ns for fact in images[side]])
        findings += _examine_images(topics.images[side], images[side])
        findings += examine_calibrations(topics.infos[side], infos[side], images[side])
    findings += examine_pair(infos, images, topics)
    if not any(finding.level == PROBLEM for finding in findings):
        findings += _examine_pairs(Bag(path))
    return findings


def findings_of(path: str | Path, mode: str) -> list[Finding] | None:
    """Examine an input for a report; None for the images of one camera, of which most rules do not speak."""
    return None if mode == "mono" else examine(path)


def examine_stamps(topic: str, stamps: list[int]) -> list[Finding]:
    """Find stamps that are zero, doubled, run backwards, or leave gaps. stamps: nanoseconds in recorded order."""
    findings = []
    steps = np.diff(np.array(stamps, np.int64))
    if zeros := sum(stamp == 0 for stamp in stamps):
        findings.append(Finding(PROBLEM, topic, f"{zeros} of {len(stamps)} stamps are 0: the driver does not set them"))
    if doubled := int(np.sum(steps == 0)):
        findings.append(Finding(PROBLEM, topic, f"{doubled} stamps are the same as the one before"))
    if back := int(np.sum(steps < 0)):
        findings.append(
            Finding(PROBLEM, topic, f"stamps run backwards {back} times, by up to {-steps.min() / 1e9:.3f} s")
        )
    forward = steps[steps > 0]
    if len(forward) > 2:
        period = float(np.median(forward))
        if gaps := int(np.sum(forward > 2.5 * period)):
            longest = forward.max() / 1e9
            words = f"{gaps} gaps in the stamps (period {period / 1e6:.1f} ms, longest {longest:.3f} s): frames lost"
            findings.append(Finding(WARNING, topic, words))
    return findings


def examine_calibrations(topic: str, found: list[tuple[str, Calibration]], images: list[ImageFact]) -> list[Finding]:
    """Find calibrations that cannot be used, that do not fit the images, or change. found: (frame_id, calibration)."""
    if not found:
        return [Finding(PROBLEM, topic, "expected CameraInfo messages, got none that can be read")]
    findings = []
    different = list(dict.fromkeys(found))
    for frame_id, calibration in different:
        for check in (Camera.from_calibration, rectify_map):
            try:
                check(calibration)
            except DepthRosError as error:
                findings.append(Finding(PROBLEM, topic, str(error)))
                break
        sizes = {fact.size for fact in images if fact.size[0]}
        size = (calibration.width, calibration.height)
        if sizes and size not in sizes:
            shown = ", ".join(f"{w}x{h}" for w, h in sorted(sizes))
            findings.append(Finding(PROBLEM, topic, f"camera_info is for {size[0]}x{size[1]}, the images are {shown}"))
        frames = {fact.frame_id for fact in images}
        if frames and frame_id not in frames:
            findings.append(Finding(WARNING, topic, f"frame_id {frame_id!r}, the images have {sorted(frames)}"))
    if len(different) > 1:
        findings.append(Finding(WARNING, topic, f"the calibration changes: {len(different)} different ones"))
    return list(dict.fromkeys(findings))


def examine_pair(infos: dict, images: dict, topics: Topics) -> list[Finding]:
    """Find what is wrong between left and right: baseline, sizes, encodings, stamps that do not meet."""
    findings = []
    where = "left, right"
    first = {side: infos[side][0][1] for side in SIDES if infos[side]}
    if len(first) == 2:
        try:
            rig = StereoRig.from_calibrations(first["left"], first["right"])
            if not 0.005 <= rig.baseline_m <= 5:
                words = f"baseline {rig.baseline_m:.4g} m: is P[3] = -fx * baseline in pixels times metres?"
                findings.append(Finding(WARNING, where, words))
        except DepthRosError as error:
            findings.append(Finding(PROBLEM, where, str(error)))
        if not topics.rectified and all(
            cal.R == (1, 0, 0, 0, 1, 0, 0, 0, 1) and not any(cal.D) for cal in first.values()
        ):
            findings.append(Finding(WARNING, where, "raw images without D and R: calibrated?"))
    encodings = {side: {fact.encoding for fact in images[side]} for side in SIDES}
    if encodings["left"] != encodings["right"]:
        findings.append(Finding(WARNING, where, f"encodings differ: {encodings['left']} and {encodings['right']}"))
    sizes = {side: {fact.size for fact in images[side] if fact.size[0]} for side in SIDES}
    if sizes["left"] and sizes["right"] and sizes["left"] != sizes["right"]:
        findings.append(
            Finding(PROBLEM, where, f"image sizes differ: {sorted(sizes['left'])} and {sorted(sizes['right'])}")
        )
    return findings + examine_pairing({side: [fact.stamp_ns for fact in images[side]] for side in SIDES})


def examine_pairing(stamps: dict[str, list[int]]) -> list[Finding]:
    """Find stamps of left and right (nanoseconds) that do not meet, and say which tolerance would pair them."""
    left, right = (np.unique(np.array(stamps[side], np.int64)) for side in SIDES)
    if not len(left) or not len(right):
        return []
    matched = len(np.intersect1d(left, right))
    if matched == max(len(left), len(right)):
        return []
    after = np.clip(np.searchsorted(right, left), 0, len(right) - 1)
    nearest = np.minimum(np.abs(right[after] - left), np.abs(right[np.maximum(after - 1, 0)] - left))
    gap, wanted = nearest[nearest > 0], int(np.percentile(nearest, 95))
    words = f"{matched} of {max(len(left), len(right))} stamps are equal on both sides"
    if len(gap):
        words += f"; the others are {np.median(gap) / 1e6:.3f} ms apart (median)"
    period = float(np.median(np.diff(left))) if len(left) > 1 else math.inf
    if 0 < wanted < period / 2:
        words += f"; --sync-tolerance-s {math.ceil(wanted / 1e4) / 1e5:g} would pair most"
    return [Finding(WARNING if matched > 0.5 * len(left) else PROBLEM, "left, right", words)]


def _examine_images(topic: str, facts: list[ImageFact]) -> list[Finding]:
    """Find images that do not decode, change size or encoding, or are black."""
    findings = []
    for words, count in Counter(fact.error for fact in facts if fact.error).items():
        findings.append(Finding(PROBLEM, topic, f"{count} of {len(facts)} images cannot be used: {words}"))
    for what, values in (("size", {f.size for f in facts if f.size[0]}), ("encoding", {f.encoding for f in facts})):
        if len(values) > 1:
            findings.append(Finding(WARNING, topic, f"the {what} changes: {sorted(values)}"))
    dark = sum(fact.mean < _DARK for fact in facts if not fact.error)
    if dark:
        findings.append(Finding(WARNING, topic, f"{dark} of {len(facts)} images are almost black"))
    return findings


def _examine_truth(reader, topics: Topics) -> list[Finding]:
    """Find ground truth that cannot be read."""
    errors: Counter = Counter()
    for _, message in messages(reader, topics.truth_depth):
        try:
            image_to_depth(message)
        except DepthRosError as error:
            errors[str(error)] += 1
    return [
        Finding(PROBLEM, topics.truth_depth, f"{count} maps cannot be used: {words}") for words, count in errors.items()
    ]


def _examine_pairs(source: Source) -> list[Finding]:
    """Look at some pairs, rectified where they are raw: do rows meet, are left and right the right way round?"""
    samples, refused = [], []
    for sample in source:
        try:
            samples.append(rectified(sample.frame))
        except DepthRosError as error:
            refused.append(Finding(PROBLEM, sample.name, str(error)))
        if len(samples) + len(refused) == _PAIRS:
            break
    measured = [error for frame in samples if (error := epipolar_error(frame.left, frame.right)) is not None]
    where = f"{source.name}, {len(samples)} pairs"
    if not measured:
        return [
            *refused,
            Finding(WARNING, where, "too few features match between left and right to judge the rectification"),
        ]
    offset, disparity = (float(np.median([error[i] for error in measured])) for i in (0, 1))
    level = PROBLEM if offset > _BAD_EPIPOLAR_PX else WARNING if offset > _POOR_EPIPOLAR_PX else OK
    findings = [
        *refused,
        Finding(level, where, f"matched features lie {offset:.2f} px off their row (median); 0.5 or less is good"),
    ]
    if disparity + float(np.median([frame.rig.doffs_px for frame in samples])) < 0:
        words = f"median disparity of matched features is {disparity:.1f} px, negative: left and right swapped?"
        findings.append(Finding(PROBLEM, where, words))
    return findings


def _image_facts(reader, topic: str) -> list[ImageFact]:
    """Decode every image of a topic once."""
    facts = []
    for _, message in messages(reader, topic):
        encoding = str(getattr(message, "encoding", None) or getattr(message, "format", ""))
        head = (stamp_to_ns(message.header.stamp), str(message.header.frame_id), encoding)
        try:
            image = image_to_rgb(message)
            facts.append(ImageFact(*head, (image.shape[1], image.shape[0]), float(image[::8, ::8].mean())))
        except DepthRosError as error:
            facts.append(ImageFact(*head, (0, 0), 0.0, str(error)))
    return facts


def _infos(reader, topic: str, findings: list[Finding]) -> list[tuple[str, Calibration]]:
    """Read every camera_info of a topic as (frame_id, calibration); unreadable ones become findings."""
    found = []
    for _, message in messages(reader, topic):
        try:
            found.append((str(message.header.frame_id), info_to_calibration(message)))
        except DepthRosError as error:
            findings.append(Finding(PROBLEM, topic, str(error)))
    return found
