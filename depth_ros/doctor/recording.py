"""Name what is wrong with a recording: calibration, stamps, encodings, and whether the pair is
really rectified.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from depth_ros.core.camera import Calibration
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.estimator.preprocess import rectified
from depth_ros.recordings.bag import (
    SIDES,
    Bag,
    Topics,
    find_topics,
    is_stereo,
    messages,
    open_reader,
)
from depth_ros.recordings.decode import image_to_depth, info_to_calibration, stamp_to_ns
from depth_ros.recordings.mono_bag import MonoTopics, find_mono_topics
from depth_ros.recordings.sample import Source, is_bag, open_source

from .checks import (
    OK,
    PROBLEM,
    WARNING,
    Finding,
    ImageFact,
    examine_calibrations,
    examine_camera,
    examine_frames,
    examine_images,
    examine_pair,
    examine_pairing,
    examine_stamps,
    image_fact,
)

__all__ = [
    "OK",
    "PROBLEM",
    "WARNING",
    "Finding",
    "examine",
    "examine_pairing",
    "examine_stamps",
    "findings_of",
]
_PAIRS = 5  # looked at for epipolar error


def examine(path: str | Path, mode: str = "stereo") -> list[Finding]:
    """Examine a bag or a folder of scenes; raises InputError only where it cannot be opened at all.

    mode: "stereo", "mono" (one camera, the left of a pair) or "auto": mono for a bag without a
    right camera.
    """
    if not is_bag(path):
        return _examine_pairs(open_source(path))
    if mode == "mono" or (mode == "auto" and not is_stereo(path)):
        return _examine_mono(path)
    findings: list[Finding] = []
    with open_reader(path) as reader:
        try:
            topics = find_topics(reader, path)
        except InputError as error:
            return [Finding(PROBLEM, str(path), str(error))]
        images, infos = _examine_sides(reader, topics, findings)
    findings += examine_pair(infos, images, topics.rectified)
    findings += examine_pairing({side: [fact.stamp_ns for fact in images[side]] for side in SIDES})
    if not any(finding.level == PROBLEM for finding in findings):
        findings += _examine_pairs(Bag(path))
    return findings


def findings_of(path: str | Path, mode: str) -> list[Finding] | None:
    """Examine an input for a report; None for single images of scenes, which have no stamps and
    one calibration.
    """
    return None if mode == "mono" and not is_bag(path) else examine(path, mode)


def _examine_mono(path: str | Path) -> list[Finding]:
    """Examine what can be said of one camera."""
    findings: list[Finding] = []
    with open_reader(path) as reader:
        try:
            topics = find_mono_topics(reader, path)
        except InputError as error:
            return [Finding(PROBLEM, str(path), str(error))]
        _, infos = _examine_sides(reader, topics, findings)
    if infos[""]:
        findings += examine_camera(topics.info, infos[""][0][1], topics.rectified)
    fault = "see above" if findings else "stamps, images and calibration have no fault"
    return [
        *findings,
        Finding(OK, topics.image, f"looked at as one camera, without a right one: {fault}"),
    ]


def _examine_sides(
    reader, topics: Topics | MonoTopics, findings: list[Finding]
) -> tuple[dict, dict]:
    """Examine each camera by itself, and the truth; gives facts of images and calibrations, by
    side.
    """
    images = {side: _image_facts(reader, topic) for side, topic in topics.images.items()}
    infos = {side: _infos(reader, topic, findings) for side, topic in topics.infos.items()}
    sizes = {fact.stamp_ns: fact.size for fact in next(iter(images.values()))}
    findings += _examine_truth(reader, topics, sizes)
    for side, topic in topics.images.items():
        findings += examine_stamps(topic, [fact.stamp_ns for fact in images[side]])
        findings += examine_images(topic, images[side])
        findings += examine_calibrations(topics.infos[side], infos[side], images[side])
    return images, infos


def _examine_truth(reader, topics: Topics | MonoTopics, sizes: dict) -> list[Finding]:
    """Find ground truth that cannot be read, or that no image can be compared with. sizes: of
    images, by stamp.
    """
    errors: Counter = Counter()
    for _, message in messages(reader, topics.truth_depth):
        try:
            depth = image_to_depth(message)
        except DepthRosError as error:
            errors[(PROBLEM, str(error))] += 1
            continue
        size = sizes.get(stamp_to_ns(message.header.stamp))
        got = (depth.shape[1], depth.shape[0])
        if size is None:
            errors[(WARNING, "no image has their stamp")] += 1
        elif size != got and size[0]:
            errors[(WARNING, f"they are {got[0]}x{got[1]}, the images {size[0]}x{size[1]}")] += 1
    return [
        Finding(level, topics.truth_depth, f"{count} maps cannot be used: {words}")
        for (level, words), count in errors.items()
    ]


def _examine_pairs(source: Source) -> list[Finding]:
    """Look at some pairs, rectified where they are raw."""
    frames, refused = [], []
    for sample in source:
        try:
            frames.append(rectified(sample.frame))
        except DepthRosError as error:
            refused.append(Finding(PROBLEM, sample.name, str(error)))
        if len(frames) + len(refused) == _PAIRS:
            break
    return [*refused, *examine_frames(frames, f"{source.name}, {len(frames)} pairs")]


def _image_facts(reader, topic: str) -> list[ImageFact]:
    """Decode every image of a topic once."""
    return [image_fact(message) for _, message in messages(reader, topic)]


def _infos(reader, topic: str, findings: list[Finding]) -> list[tuple[str, Calibration]]:
    """Read every camera_info of a topic as (frame_id, calibration); unreadable ones become
    findings.
    """
    found = []
    for _, message in messages(reader, topic):
        try:
            found.append((str(message.header.frame_id), info_to_calibration(message)))
        except DepthRosError as error:
            findings.append(Finding(PROBLEM, topic, str(error)))
    return found
