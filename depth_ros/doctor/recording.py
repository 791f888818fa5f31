"""Name what is wrong with a recording: calibration, stamps, encodings, and whether the pair is
really rectified.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from depth_ros.core.camera import Calibration
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.core.grey_range import GreyRange
from depth_ros.estimator.preprocess import rectified
from depth_ros.recordings.bag import describe_lag
from depth_ros.recordings.decode import info_to_calibration, stamp_to_ns
from depth_ros.recordings.ground_truth import message_to_depth, unit_doubt
from depth_ros.recordings.matching import lag_s, match, read_stream
from depth_ros.recordings.reader import BagReader, messages, open_reader
from depth_ros.recordings.sample import Source, is_bag, open_source
from depth_ros.recordings.topics import SIDES, Asked, Topics, find_topics

from .checks import (
    OK,
    PROBLEM,
    WARNING,
    Finding,
    ImageFact,
    examine_calibrations,
    examine_camera,
    examine_frame_ids,
    examine_grey_range,
    examine_images,
    examine_stamps,
    image_fact,
)
from .pair_checks import examine_frames, examine_pair, examine_pairing, examine_range

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


def examine(
    path: str | Path,
    mode: str = "stereo",
    asked: Asked | None = None,
    max_disparity_px: int | None = None,
    range_px: int | None = None,
) -> list[Finding]:
    """Examine a recording or a folder of scenes; raises InputError only where it cannot be opened
    at all.

    mode: "stereo", "mono" (one camera, the left of a pair) or "auto": mono for a recording of one
    camera. asked: topics that the user named. max_disparity_px: the range that the user named;
    range_px: the one that is searched where nobody names one, if pairs are to be held against it.
    """
    if not is_bag(path):
        scenes = open_source(path, max_disparity_px=max_disparity_px)
        found = _examine_pairs(scenes, max_disparity_px or range_px)
        return [*found, *(Finding(WARNING, scenes.name, words) for words in scenes.notes)]
    findings: list[Finding] = []
    with open_reader(path) as reader:
        findings += [Finding(WARNING, str(path), words) for words in reader.notes]
        try:
            topics = find_topics(reader, mode, asked)
        except InputError as error:
            return [*findings, Finding(PROBLEM, str(path), str(error))]
        images, infos = _examine_sides(reader, topics, findings)
        if topics.mode == "stereo":
            findings += examine_pair(infos, images, topics.rectified)
            findings += examine_pairing(
                {side: [fact.stamp_ns for fact in images[side]] for side in SIDES}
            )
            findings += _examine_lag(reader, topics)
    if topics.mode == "mono":
        return [*findings, _mono_summary(topics, findings)]
    if not any(finding.level == PROBLEM for finding in findings):
        findings += _examine_pairs(open_source(path, "stereo", asked), max_disparity_px or range_px)
    return [*findings, Finding(OK, "left, right", f"looked at as {topics.sentence()}")]


def findings_of(path: str | Path, mode: str, *named) -> list[Finding] | None:
    """Examine an input for a report; None for single images of scenes, which have no stamps and one
    calibration.

    named: what examine takes after the mode.
    """
    return None if mode == "mono" and not is_bag(path) else examine(path, mode, *named)


def _mono_summary(topics: Topics, findings: list[Finding]) -> Finding:
    """What was looked at, and what else was there."""
    (image,) = topics.images.values()
    fault = "see above" if findings else "stamps, images and calibration have no fault"
    words = "; ".join([f"looked at as one camera, without a right one: {fault}", *topics.others])
    return Finding(OK, image, words)


def _examine_sides(reader: BagReader, topics: Topics, findings: list[Finding]) -> tuple[dict, dict]:
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
        findings += examine_grey_range(topic, images[side])
        findings += examine_frame_ids(topic, images[side], {frame for frame, _ in infos[side]})
        findings += examine_calibrations(
            topics.infos[side], infos[side], images[side], topics.rectified
        )
        if infos[side]:
            first, is_single = infos[side][0][1], topics.mode == "mono"
            findings += examine_camera(topics.infos[side], first, topics.rectified, is_single)
    return images, infos


def _examine_lag(reader: BagReader, topics: Topics) -> list[Finding]:
    """Find one side that was recorded long after the other."""
    left, right = (read_stream(reader, topics.images[side]) for side in SIDES)
    words = describe_lag(lag_s(left, right, match(left, right)))
    return [Finding(WARNING, "left, right", words)] if words else []


def _examine_truth(reader: BagReader, topics: Topics, sizes: dict) -> list[Finding]:
    """Find ground truth that cannot be read, or that no image can be compared with. sizes: of
    images, by stamp.
    """
    errors: Counter = Counter()
    units: dict[str, None] = {}
    for _, message in messages(reader, topics.truth_depth):
        try:
            depth = message_to_depth(message)
        except DepthRosError as error:
            errors[(PROBLEM, str(error))] += 1
            continue
        if doubt := unit_doubt(depth):
            units[doubt] = None
        size = sizes.get(stamp_to_ns(message.header.stamp))
        got = (depth.shape[1], depth.shape[0])
        if size is None:
            errors[(WARNING, "no image has their stamp")] += 1
        elif size != got and size[0]:
            errors[(WARNING, f"they are {got[0]}x{got[1]}, the images {size[0]}x{size[1]}")] += 1
    found = [Finding(PROBLEM, topics.truth_depth, words) for words in list(units)[:1]]
    return found + [
        Finding(level, topics.truth_depth, f"{count} maps cannot be used: {words}")
        for (level, words), count in errors.items()
    ]


def _examine_pairs(source: Source, max_disparity_px: int | None) -> list[Finding]:
    """Look at some pairs, rectified where they are raw."""
    frames, refused = [], []
    for sample in source:
        try:
            frames.append(rectified(sample.frame))
        except DepthRosError as error:
            refused.append(Finding(PROBLEM, sample.name, str(error)))
        if len(frames) + len(refused) == _PAIRS:
            break
    where = f"{source.name}, {len(frames)} pairs"
    return [
        *refused,
        *examine_frames(frames, where),
        *examine_range(frames, where, max_disparity_px),
    ]


def _image_facts(reader: BagReader, topic: str) -> list[ImageFact]:
    """Decode every image of a topic once."""
    greys = GreyRange()
    return [image_fact(message, greys) for _, message in messages(reader, topic)]


def _infos(reader: BagReader, topic: str, findings: list[Finding]) -> list[tuple[str, Calibration]]:
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
