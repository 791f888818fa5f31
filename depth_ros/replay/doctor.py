"""Name what is wrong with a recording: calibration, stamps, encodings, and whether the pair is really rectified."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..core.camera import Calibration
from ..core.errors import DepthRosError, InputError
from ..nodes.decode import image_to_depth, info_to_calibration
from ..prepare import rectified
from .bag import SIDES, Bag, Topics, find_topics, messages, open_reader
from .checks import (
    OK,
    PROBLEM,
    WARNING,
    Finding,
    ImageFact,
    examine_calibrations,
    examine_frames,
    examine_images,
    examine_pair,
    examine_pairing,
    examine_stamps,
    image_fact,
)  # fmt: skip
from .sample import Source, is_bag, open_source

__all__ = ["OK", "PROBLEM", "WARNING", "Finding", "examine", "examine_pairing", "examine_stamps", "findings_of"]
_PAIRS = 5  # looked at for epipolar error


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
        findings += examine_images(topics.images[side], images[side])
        findings += examine_calibrations(topics.infos[side], infos[side], images[side])
    findings += examine_pair(infos, images, topics.rectified)
    findings += examine_pairing({side: [fact.stamp_ns for fact in images[side]] for side in SIDES})
    if not any(finding.level == PROBLEM for finding in findings):
        findings += _examine_pairs(Bag(path))
    return findings


def findings_of(path: str | Path, mode: str) -> list[Finding] | None:
    """Examine an input for a report; None for the images of one camera, of which most rules do not speak."""
    return None if mode == "mono" else examine(path)


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
    """Read every camera_info of a topic as (frame_id, calibration); unreadable ones become findings."""
    found = []
    for _, message in messages(reader, topic):
        try:
            found.append((str(message.header.frame_id), info_to_calibration(message)))
        except DepthRosError as error:
            findings.append(Finding(PROBLEM, topic, str(error)))
    return found
