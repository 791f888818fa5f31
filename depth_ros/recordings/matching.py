"""Which recorded images belong together: by their stamps, wherever in the recording they lie."""

from __future__ import annotations

import bisect
from collections import defaultdict, deque
from dataclasses import dataclass, field

import numpy as np

from .reader import BagReader, cdr_stamp_ns, raw_messages

_JUMP_NS = 1_000_000_000  # further back than this time starts again, as in core.sync
DUPLICATE, REVERSED, UNMATCHED = "duplicate_stamp", "stamp_reversed", "unmatched"
WHY = {
    DUPLICATE: "the stamp is that of an earlier image of this topic",
    REVERSED: "the stamp is older than that of the image before",
    UNMATCHED: "no image of the other side has this stamp, or one within --sync-tolerance-s",
}


@dataclass
class Stream:
    """One image topic as recorded: stamps and log times in ns; kept: places of the images that
    are usable in order.
    """

    stamps_ns: list[int] = field(default_factory=list)
    log_ns: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    drops: dict[str, int] = field(default_factory=dict)


def read_stream(reader: BagReader, topic: str) -> Stream:
    """Read the stamps of a topic and choose the images that are usable."""
    stream = Stream()
    for _, log_ns, raw in raw_messages(reader, topic):
        stream.stamps_ns.append(cdr_stamp_ns(raw))
        stream.log_ns.append(log_ns)
    stream.kept, stream.drops = in_order(stream.stamps_ns)
    return stream


def in_order(stamps_ns: list[int]) -> tuple[list[int], dict[str, int]]:
    """Choose the stamps that grow; where time starts again (a clip that loops, however short) they
    grow from there.

    A stamp that comes late is dropped: the stamps after it lie beyond all that came before it.
    After a loop they do not.

    Args:
        stamps_ns: In recorded order.

    Returns:
        Places of the stamps that are kept, and the number of the others by cause.

    >>> in_order([10, 20, 20, 40, 30, 50]), in_order([10, 20, 30, 10, 20, 30])[0]
    (([0, 1, 3, 5], {'duplicate_stamp': 1, 'stamp_reversed': 1}), [0, 1, 2, 3, 4, 5])
    """
    kept: list[int] = []
    drops: dict[str, int] = defaultdict(int)
    seen: set[int] = set()
    first = last = None
    for place, stamp in enumerate(stamps_ns):
        if last is None or stamp > last:
            first = stamp if first is None else first
        elif _starts_again(stamps_ns, place, first, last):
            first, seen = stamp, set()
        else:
            drops[DUPLICATE if stamp in seen else REVERSED] += 1
            continue
        last = stamp
        seen.add(stamp)
        kept.append(place)
    return kept, dict(drops)


def match(left: Stream, right: Stream, tolerance_ns: int = 0) -> list[tuple[int, int]]:
    """Pair the kept images of two streams, each with the nearest of the other side, within a
    tolerance.

    Where a stamp occurs several times, the first of one side belongs to the first of the other.

    Args:
        left: Of the left images.
        right: Of the right ones.
        tolerance_ns: By how much the stamps of a pair may differ.

    Returns:
        Places (left, right) in the order of the left stream.
    """
    waiting: dict[int, deque[int]] = defaultdict(deque)
    for place in right.kept:
        waiting[right.stamps_ns[place]].append(place)
    lefts = sorted({left.stamps_ns[place] for place in left.kept})
    rights = sorted(waiting)
    pairs = []
    for place in left.kept:
        stamp = left.stamps_ns[place]
        partner = nearest(rights, stamp)
        if partner is None or abs(partner - stamp) > tolerance_ns or not waiting[partner]:
            continue
        if abs(nearest(lefts, partner) - partner) == abs(stamp - partner):
            pairs.append((place, waiting[partner].popleft()))
    return pairs


def nearest(stamps_ns: list[int], stamp_ns: int) -> int | None:
    """Give the stamp of a sorted list that is nearest to another one; None of an empty list.

    >>> nearest([10, 20, 40], 31), nearest([], 3)
    (40, None)
    """
    at = bisect.bisect_left(stamps_ns, stamp_ns)
    return min(
        stamps_ns[max(0, at - 1) : at + 1], key=lambda other: abs(other - stamp_ns), default=None
    )


def lag_s(left: Stream, right: Stream, pairs: list[tuple[int, int]]) -> float:
    """Give by how much later the right images were recorded than the left ones of their pairs,
    median, seconds.
    """
    if not pairs:
        return 0.0
    return float(np.median([right.log_ns[r] - left.log_ns[l] for l, r in pairs])) / 1e9  # noqa: E741


def _starts_again(stamps_ns: list[int], place: int, first: int, last: int) -> bool:
    """Tell a new beginning of time from a stamp that comes late or twice."""
    stamp = stamps_ns[place]
    if last - stamp > _JUMP_NS:
        return True
    following = next(
        (stamps_ns[k] for k in range(place + 1, len(stamps_ns)) if stamps_ns[k] != stamp), None
    )
    goes_on = following is not None and stamp < following <= last
    return goes_on and stamp - first <= (last - first) / 2
