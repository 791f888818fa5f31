"""Play the cameras of a bag at their recorded rate, and note which pairs were sent."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from depth_ros.recordings.bag import SIDES, Bag, cdr_stamp_ns, open_reader, raw_messages

from .accounting import Sent

_PRELOAD_BYTES = 1 << 30
_START_NS = 100_000_000  # from the first entry to its publication


@dataclass(frozen=True)
class Entry:
    """One recorded message: its topic, log time and header stamp in nanoseconds, and its bytes."""

    topic: str
    log_ns: int
    stamp_ns: int
    raw: bytes


def read_entries(bag: Bag) -> Iterator[Entry]:
    """Yield the cameras' messages of a bag, in recorded order."""
    topics = (*bag.topics.infos.values(), *bag.topics.images.values())
    with open_reader(bag.path) as reader:
        for connection, log_ns, raw in raw_messages(reader, *topics):
            yield Entry(connection.topic, log_ns, cdr_stamp_ns(raw), bytes(raw))


def with_stamp(raw: bytes, stamp_ns: int) -> bytes:
    """Return a serialised message with another header.stamp.

    Args:
        raw: CDR of a message whose first field is a header.
        stamp_ns: the new stamp, nanoseconds.

    >>> cdr_stamp_ns(with_stamp(bytes(12), 5_000_000_007))
    5000000007
    """
    byte_order = "<" if raw[1] & 1 else ">"
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return raw[:4] + struct.pack(f"{byte_order}iI", seconds, nanoseconds) + raw[12:]


def play(bag: Bag, player, node) -> tuple[int, Sent]:
    """Publish every message at its recorded time.

    Args:
        bag: whose cameras are played.
        player: publishes (Player).
        node: that is played to (NodeProcess); checked after every image.

    Returns:
        By how much the stamps were shifted, nanoseconds, and what was sent.
    """
    from tqdm import tqdm

    entries = read_entries(bag)
    size_bytes = sum(file.stat().st_size for file in bag.path.rglob("*") if file.is_file())
    if size_bytes < _PRELOAD_BYTES:
        entries = list(entries)  # decompressing while playing would shake the rate
    sides = {topic: side for side, topic in bag.topics.images.items()}
    ledger = _Ledger(bag.tolerance_ns, tuple(bag.topics.images))
    shift_ns = None
    for entry in tqdm(entries, unit="msg", disable=None, leave=False):
        if shift_ns is None:
            start_ns = time.perf_counter_ns() + _START_NS
            first_log_ns = entry.log_ns
            shift_ns = time.time_ns() + _START_NS - entry.stamp_ns
        due_ns = start_ns + entry.log_ns - first_log_ns
        time.sleep(max(0, due_ns - time.perf_counter_ns()) / 1e9)
        player.publish(entry.topic, with_stamp(entry.raw, entry.stamp_ns + shift_ns))
        if entry.topic in sides:
            ledger.add(sides[entry.topic], entry.stamp_ns, time.perf_counter_ns())
            node.check()
    return shift_ns or 0, ledger.close()


class _Ledger:
    """Notes what was sent: which images are pairs is decided here by the recording, not by the
    node.
    """

    def __init__(self, tolerance_ns: int, sides: tuple[str, ...] = SIDES):
        self._tolerance_ns = tolerance_ns
        self._times: dict[str, dict[int, int]] = {side: {} for side in sides}
        self._messages = dict.fromkeys(sides, 0)

    def add(self, side: str, stamp_ns: int, sent_ns: int) -> None:
        """Note one image; a doubled stamp is the same instant."""
        self._messages[side] += 1
        self._times[side].setdefault(stamp_ns, sent_ns)

    def close(self) -> Sent:
        """Pair by nearest stamp within the tolerance, each image once; of one camera each image
        is one.
        """
        sent = Sent(messages=self._messages)
        if len(self._times) == 1:
            (sent.pairs,) = self._times.values()
            return sent
        right = dict(self._times["right"])
        for stamp_ns, sent_ns in sorted(self._times["left"].items()):
            partner_ns = _nearest(right, stamp_ns)
            if partner_ns is None or abs(partner_ns - stamp_ns) > self._tolerance_ns:
                sent.alone.append(stamp_ns)
                continue
            sent.pairs[stamp_ns] = max(sent_ns, right.pop(partner_ns))
        sent.alone += right
        sent.singles = len(sent.alone)
        return sent


def _nearest(stamps, stamp_ns: int) -> int | None:
    """The stamp that is nearest to another one; None where there is none."""
    if stamp_ns in stamps:
        return stamp_ns
    return min(stamps, key=lambda t: abs(t - stamp_ns), default=None)


def message_kinds(bag: Bag) -> dict[str, str]:
    """Return the message type of each topic that is played: "Image", "CompressedImage" or
    "CameraInfo".
    """
    image = "CompressedImage" if bag.topics.compressed else "Image"
    return {
        **dict.fromkeys(bag.topics.images.values(), image),
        **dict.fromkeys(bag.topics.infos.values(), "CameraInfo"),
    }
