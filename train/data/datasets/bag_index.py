"""Where the instants of a rosbag2 recording lie, and which part of a training each belongs to."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np

from depth_ros.recordings.bag import Topics, cdr_stamp_ns, raw_messages
from depth_ros.recordings.sample import Drops

_LEAST_BLOCKS = 10
_LEAST_BLOCK_FRAMES = 20
_BLOCK_S = 1.0
_GAP_STEPS = 2.5  # frames further apart than this many usual steps are not neighbours


@dataclass(frozen=True)
class Entry:
    """Where one instant lies in the bag: its stamp, and (log time, stamp) of each message, None
    where there is none.
    """

    stamp_ns: int
    images: tuple[tuple[int, int], ...]
    depth: tuple[int, int] | None


def block_parts(stamps_ns: np.ndarray) -> list[str]:
    """Assign frames to parts by blocks of time, so that what is held out is another place than what
    is trained on.

    A block is 1 s, or 20 frames where that is longer, but at most a tenth of the recording; of
    every ten blocks the last but one is "test" and the last "val": together one stretch. stamps_ns:
    (N,) ascending. Returns N names.

    >>> parts = block_parts(np.arange(60) * 100_000_000)
    >>> [
    ...     parts.index("test"),
    ...     parts.count("test"),
    ...     parts.index("val"),
    ...     parts.count("val"),
    ...     parts.count("train"),
    ... ]
    [48, 6, 54, 6, 48]
    """
    count = len(stamps_ns)
    step_s = _BLOCK_S
    if count > 1:
        step_s = float(np.median(np.diff(stamps_ns))) / 1e9
    block = max(_LEAST_BLOCK_FRAMES, _BLOCK_S / max(step_s, 1e-9))
    blocks = max(_LEAST_BLOCKS, round(count / block))
    names = {8: "test", 9: "val"}
    return [names.get(i * blocks // count % 10, "train") for i in range(count)]


def runs(stamps_ns: np.ndarray, names: list[str], parts: tuple[str, ...] | None) -> np.ndarray:
    """Number the stretches (N,) of wanted parts without a gap; -1 for frames of parts that are
    not wanted.
    """
    steps = np.diff(stamps_ns)
    gap = np.zeros(0, bool)
    if len(steps):
        gap = steps > _GAP_STEPS * np.median(steps)
    wanted = np.array([parts is None or name in parts for name in names])
    edge = wanted[1:] != wanted[:-1]
    return np.where(wanted, np.cumsum(np.concatenate([[0], gap | edge])), -1)


def index_entries(reader, topics: Topics, tolerance_ns: int, drops: Drops) -> list[Entry]:
    """Read every image's stamp once, in the order of stamps; left and right are paired by the
    nearest.
    """
    # 1. Of each topic the log time of every stamp; the first message of a stamp counts.
    images = tuple(topics.images.values())
    wanted = [topic for topic in (*images, topics.truth_depth) if topic]
    found: dict[str, dict[int, int]] = {topic: {} for topic in wanted}
    for connection, log_ns, raw in raw_messages(reader, *found):
        stamp_ns = cdr_stamp_ns(raw)
        if stamp_ns in found[connection.topic]:
            drops.add("duplicate_stamp", f"{connection.topic}: stamp {stamp_ns} came twice")
        found[connection.topic].setdefault(stamp_ns, log_ns)
    # 2. To each left image the nearest right one, and ground truth of the very same stamp.
    left = found[images[0]]
    others = [found[topic] for topic in images[1:]]
    stamps = [sorted(other) for other in others]
    depths = found.get(topics.truth_depth, {})
    entries = []
    for stamp_ns in sorted(left):
        partners = [_nearest(candidates, stamp_ns, tolerance_ns) for candidates in stamps]
        if None in partners:
            drops.add("unmatched", "stamps of left and right that do not pair")
            continue
        places = [(left[stamp_ns], stamp_ns)]
        for other, partner_ns in zip(others, partners):
            places.append((other[partner_ns], partner_ns))
        depth = None
        if topics.rectified and stamp_ns in depths:
            depth = (depths[stamp_ns], stamp_ns)
        entries.append(Entry(stamp_ns, tuple(places), depth))
    return entries


def _nearest(stamps: list[int], stamp_ns: int, tolerance_ns: int) -> int | None:
    """The stamp of a sorted list nearest to another one, None where it is further off than the
    tolerance.
    """
    at = bisect.bisect_left(stamps, stamp_ns)
    near = min(
        stamps[max(0, at - 1) : at + 1], key=lambda other: abs(other - stamp_ns), default=None
    )
    if near is not None and abs(near - stamp_ns) <= tolerance_ns:
        return near
    return None
