"""Pair messages by their stamps: integer nanoseconds, bounded memory, every drop counted by
cause.
"""

from __future__ import annotations

import bisect
import statistics
from collections import deque
from typing import Any

from .errors import InputError

CAUSES = ("unmatched", "duplicate_stamp", "stamp_reversed", "overflow", "late", "time_jump")
WAIT_NS = 2_000_000_000
MAX_BYTES = 256 << 20
# further back than this is a new epoch (a bag that starts again), not a late message
_JUMP_NS = 1_000_000_000
_LEAST_BYTES = 4096  # what an item costs at least, so that tiny ones are bounded in number too
_GONE = 4096  # stamps that are remembered after their items were dropped: a minute at 60 Hz
_LAGS = 31


class StampMatcher:
    """Match one item of each stream by stamp; the newest match wins and what is older is dropped.

    Items wait for their partners by time, not by count, so that a stream which arrives late (a slow
    link) still meets the other. Two bounds hold the memory.

    Args:
        streams: names.
        tolerance_ns: largest distance between the stamps of one match.
        wait_ns: how far behind the newest stamp of its stream an item may fall before it is
            dropped. None: without limit, in time and in bytes, for recordings, whose items can be
            references to what lies on disk.
        max_bytes: bound on all pending items together, as add is told their sizes.

    Attributes:
        drops: items dropped, by cause; every item is handed out, pending or counted here:
            unmatched (older than a match), duplicate_stamp (seen already), stamp_reversed (older
            than its stream's last; where the next one goes on from there, time begins anew),
            overflow (waited in vain), late (came after its partner had been dropped), time_jump
            (pending when time began anew, or when stamps went back by more than 1 s).
        time_jumps: how often that happened.
        closest_gap_ns: since the last match, how near the stamps of all streams came to each other
            without matching; None while some stream is silent.

    For one thread at a time. Raises InputError for settings or a stream that make no sense.

    >>> matcher = StampMatcher(("left", "right"))
    >>> matcher.add("left", 7, "L7")
    >>> matcher.add("right", 7, "R7")
    {'left': 'L7', 'right': 'R7'}
    """

    def __init__(
        self,
        streams: tuple[str, ...],
        tolerance_ns: int = 0,
        wait_ns: int | None = WAIT_NS,
        max_bytes: int = MAX_BYTES,
    ):
        if not streams or len(set(streams)) != len(streams):
            raise InputError(f"expected different streams, got {streams}")
        if tolerance_ns < 0:
            raise InputError(f"expected tolerance_ns >= 0, got {tolerance_ns}")
        if wait_ns is not None and wait_ns < 0:
            raise InputError(f"expected wait_ns >= 0 or None, got {wait_ns}")
        if max_bytes < 1:
            raise InputError(f"expected max_bytes >= 1, got {max_bytes}")
        self.streams = tuple(streams)
        self.tolerance_ns = int(tolerance_ns)
        self.wait_ns = wait_ns
        self.max_bytes = max_bytes
        self.drops: dict[str, int] = dict.fromkeys(CAUSES, 0)
        self.time_jumps = 0
        self.reset()

    def reset(self) -> None:
        """Forget all pending items and stamps; the counters stay."""
        self._pending = {stream: _Pending() for stream in self.streams}
        self._last: dict[str, int | None] = dict.fromkeys(self.streams)
        self._gone: dict[str, deque[int]] = {s: deque(maxlen=_GONE) for s in self.streams}
        self._back: dict[str, int | None] = dict.fromkeys(self.streams)
        self._lags: dict[str, deque[int]] = {s: deque(maxlen=_LAGS) for s in self.streams}
        self.closest_gap_ns: int | None = None

    def add(
        self, stream: str, stamp_ns: int, item: Any, size_bytes: int = 0
    ) -> dict[str, Any] | None:
        """Take an item in; returns the match that it completes, one item a stream, or None."""
        if stream not in self._pending:
            raise InputError(f"expected one of the streams {self.streams}, got {stream!r}")
        if (cause := self._refusal(stream, stamp_ns)) is not None:
            self.drops[cause] += 1
            return None
        self._last[stream] = stamp_ns
        self._pending[stream].add(stamp_ns, item, size_bytes)
        stamps = self._matching_stamps(stamp_ns)
        if stamps is not None:
            self._note_lag(stream, stamp_ns)
            return self._take(stamps)
        if self._partner_is_gone(stream, stamp_ns):
            self._note_lag(stream, stamp_ns)
            self._pending[stream].pop(stamp_ns)
            self.drops["late"] += 1
            return None
        if self.wait_ns is not None:
            self._drop_overflow(stream, stamp_ns - self.wait_ns)
        return None

    def lag(self) -> tuple[str, int]:
        """The stream that arrives last, and by how much.

        Returns:
            Its name and the nanoseconds, in stamps, by which the others were ahead of it when it
            came: the median of the last 31 matches and of the items that came too late to match.
            ("", 0) where none is behind.
        """
        medians = {s: int(statistics.median(lags)) for s, lags in self._lags.items() if lags}
        stream = max(medians, key=medians.__getitem__, default="")
        return (stream, medians[stream]) if stream and medians[stream] > 0 else ("", 0)

    def _refusal(self, stream: str, stamp_ns: int) -> str | None:
        """The cause to drop a new item for, or None; a jump back in time starts a new epoch."""
        last = self._last[stream]
        back, self._back[stream] = self._back[stream], None
        if last is None or stamp_ns > last:
            return None
        if stamp_ns < last - _JUMP_NS:
            self._start_epoch(stamp_ns)
            return None
        # One message may have been overtaken; where the next goes on from there, time began anew.
        if stamp_ns < last and back is not None and back < stamp_ns:
            self._go_back(stream, stamp_ns)
            return None
        if stamp_ns < last:
            self._back[stream] = stamp_ns
        # Stamps of a stream only grow: one equal to a pending one or to the last was there before.
        is_known = stamp_ns == last or stamp_ns in self._pending[stream]
        return "duplicate_stamp" if is_known else "stamp_reversed"

    def _go_back(self, stream: str, stamp_ns: int) -> None:
        """Begin anew in one stream, by less than a jump (a short loop); the others follow by
        their own messages.
        """
        self.time_jumps += 1
        self.drops["time_jump"] += len(self._pending[stream].drop_above(stamp_ns - 1))
        self._gone[stream].clear()

    def _start_epoch(self, stamp_ns: int) -> None:
        """Drop what lies further ahead than a late message could; others may have jumped
        already.
        """
        self.time_jumps += 1
        self.closest_gap_ns = None
        for stream, pending in self._pending.items():
            self.drops["time_jump"] += len(pending.drop_above(stamp_ns + _JUMP_NS))
            self._gone[stream].clear()
            last = self._last[stream]
            if last is not None and last > stamp_ns + _JUMP_NS:
                self._last[stream] = None

    def _matching_stamps(self, stamp_ns: int) -> dict[str, int] | None:
        """For each stream the pending stamp nearest to this one, if all lie within the
        tolerance.
        """
        if not all(self._pending.values()):
            return None
        nearest = {stream: pending.nearest(stamp_ns) for stream, pending in self._pending.items()}
        gap = max(nearest.values()) - min(nearest.values())
        if gap <= self.tolerance_ns:
            return nearest
        known = self.closest_gap_ns
        self.closest_gap_ns = gap if known is None else min(gap, known)
        return None

    def _note_lag(self, stream: str, stamp_ns: int) -> None:
        """Remember by how much the other streams were ahead when this item came."""
        ahead = max((t for t in self._last.values() if t is not None), default=stamp_ns)
        for name, lags in self._lags.items():
            lags.append(ahead - stamp_ns if name == stream else 0)

    def _partner_is_gone(self, stream: str, stamp_ns: int) -> bool:
        """Tell whether some other stream has dropped the item that this one would have matched."""
        for name, gone in self._gone.items():
            if gone and name != stream and _is_among(gone, stamp_ns, self.tolerance_ns):
                return True
        return False

    def _take(self, stamps: dict[str, int]) -> dict[str, Any]:
        """Hand out the match and drop what is older."""
        match = {stream: self._pending[stream].pop(stamp) for stream, stamp in stamps.items()}
        for stream, pending in self._pending.items():
            self.drops["unmatched"] += len(pending.drop_below(stamps[stream]))
        self.closest_gap_ns = None
        return match

    def _drop_overflow(self, stream: str, oldest_ns: int) -> None:
        """Drop what has waited too long, then the oldest until the bytes fit."""
        if dropped := self._pending[stream].drop_below(oldest_ns):
            self._let_go(stream, dropped)
        while sum(pending.size_bytes for pending in self._pending.values()) > self.max_bytes:
            largest = max(self.streams, key=lambda name: self._pending[name].size_bytes)
            self._let_go(largest, self._pending[largest].drop_oldest())

    def _let_go(self, stream: str, stamps: list[int]) -> None:
        """Count items that waited in vain, and remember their stamps."""
        self.drops["overflow"] += len(stamps)
        self._gone[stream].extend(stamps)


class _Pending:
    """The items of one stream that wait, in order of their stamps."""

    def __init__(self):
        self._stamps: list[int] = []
        self._items: dict[int, tuple[Any, int]] = {}
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._stamps)

    def __contains__(self, stamp_ns: int) -> bool:
        return stamp_ns in self._items

    def add(self, stamp_ns: int, item: Any, size_bytes: int) -> None:
        """Take an item in; one of the same stamp is replaced."""
        if stamp_ns in self._items:
            self.pop(stamp_ns)
        size_bytes = max(size_bytes, _LEAST_BYTES)
        bisect.insort(self._stamps, stamp_ns)
        self._items[stamp_ns] = item, size_bytes
        self.size_bytes += size_bytes

    def pop(self, stamp_ns: int) -> Any:
        """Take an item out."""
        del self._stamps[bisect.bisect_left(self._stamps, stamp_ns)]
        return self._forget(stamp_ns)

    def nearest(self, stamp_ns: int) -> int:
        """The stamp that is nearest to another one; there must be some."""
        place = bisect.bisect_left(self._stamps, stamp_ns)
        return min(self._stamps[max(0, place - 1) : place + 1], key=lambda t: abs(t - stamp_ns))

    def drop_below(self, stamp_ns: int) -> list[int]:
        """Drop everything older than a stamp; returns the stamps."""
        return self._drop(0, bisect.bisect_left(self._stamps, stamp_ns))

    def drop_above(self, stamp_ns: int) -> list[int]:
        """Drop everything newer than a stamp; returns the stamps."""
        return self._drop(bisect.bisect_right(self._stamps, stamp_ns), len(self._stamps))

    def drop_oldest(self) -> list[int]:
        """Drop the oldest item; returns its stamp."""
        return self._drop(0, 1)

    def _drop(self, start: int, end: int) -> list[int]:
        if start >= end:
            return []
        dropped = self._stamps[start:end]
        del self._stamps[start:end]
        for stamp_ns in dropped:
            self._forget(stamp_ns)
        return dropped

    def _forget(self, stamp_ns: int) -> Any:
        item, size_bytes = self._items.pop(stamp_ns)
        self.size_bytes -= size_bytes
        return item


def _is_among(stamps: deque[int], stamp_ns: int, tolerance_ns: int) -> bool:
    """Tell whether one of the stamps, which grow, lies within the tolerance."""
    if not stamps[0] - tolerance_ns <= stamp_ns <= stamps[-1] + tolerance_ns:
        return False
    place = bisect.bisect_left(stamps, stamp_ns - tolerance_ns)
    return place < len(stamps) and stamps[place] <= stamp_ns + tolerance_ns
