"""Pair messages by their stamps: integer nanoseconds, bounded memory, every drop counted by its
cause.
"""

from __future__ import annotations

from typing import Any

from .errors import InputError

CAUSES = ("unmatched", "duplicate_stamp", "stamp_reversed", "overflow", "time_jump")
# further back than this is a new epoch (a bag that starts again), not a late message
_JUMP_NS = 1_000_000_000


class StampMatcher:
    """Match one item of each stream by stamp; the newest match wins and what is older is dropped.

    streams: names. tolerance_ns: largest distance between the stamps of one match. capacity: items
    kept a stream. drops: items dropped, by cause; every item is either handed out, pending or
    counted here:
      unmatched (older than a match), duplicate_stamp (seen already), stamp_reversed (older than its
      stream's last), overflow (waited in vain), time_jump (pending when stamps went back by more
      than 1 s).
    time_jumps: how often that happened. closest_gap_ns: since the last match, how near the stamps
    of all streams came to each other without matching; None while some stream is silent. For one
    thread at a time. Raises InputError for settings or a stream that make no sense.

    >>> matcher = StampMatcher(("left", "right"))
    >>> matcher.add("left", 7, "L7")
    >>> matcher.add("right", 7, "R7")
    {'left': 'L7', 'right': 'R7'}
    """

    def __init__(self, streams: tuple[str, ...], tolerance_ns: int = 0, capacity: int = 8):
        if not streams or len(set(streams)) != len(streams):
            raise InputError(f"expected different streams, got {streams}")
        if tolerance_ns < 0 or capacity < 1:
            raise InputError(
                f"expected tolerance_ns >= 0 and capacity >= 1, got {tolerance_ns} and {capacity}"
            )
        self.streams, self.tolerance_ns, self.capacity = (
            tuple(streams),
            int(tolerance_ns),
            int(capacity),
        )
        self.drops: dict[str, int] = dict.fromkeys(CAUSES, 0)
        self.time_jumps = 0
        self.reset()

    def reset(self) -> None:
        """Forget all pending items and stamps; the counters stay."""
        self._pending: dict[str, dict[int, Any]] = {stream: {} for stream in self.streams}
        self._last: dict[str, int | None] = dict.fromkeys(self.streams)
        self.closest_gap_ns: int | None = None

    def add(self, stream: str, stamp_ns: int, item: Any) -> dict[str, Any] | None:
        """Take an item in; returns the match that it completes, one item for each stream, or
        None.
        """
        if stream not in self._pending:
            raise InputError(f"expected one of the streams {self.streams}, got {stream!r}")
        if (cause := self._refusal(stream, stamp_ns)) is not None:
            self.drops[cause] += 1
            return None
        self._last[stream] = stamp_ns
        self._pending[stream][stamp_ns] = item
        stamps = self._matching_stamps(stamp_ns)
        if stamps is not None:
            return self._take(stamps)
        self._drop_overflow(stream)
        return None

    def _refusal(self, stream: str, stamp_ns: int) -> str | None:
        """The cause to drop a new item for, or None; a jump back in time makes room for a new
        epoch first.
        """
        last = self._last[stream]
        if last is None or stamp_ns > last:
            return None
        if stamp_ns < last - _JUMP_NS:
            self._start_epoch(stamp_ns)
            return None
        # Stamps of a stream only grow, so what equals one that is pending or the last one was there
        # before.
        return (
            "duplicate_stamp"
            if stamp_ns == last or stamp_ns in self._pending[stream]
            else "stamp_reversed"
        )

    def _start_epoch(self, stamp_ns: int) -> None:
        """Drop what lies further ahead than a late message could; the other streams may have
        jumped already.
        """
        self.time_jumps += 1
        self.closest_gap_ns = None
        for stream, pending in self._pending.items():
            for stamp in [stamp for stamp in pending if stamp > stamp_ns + _JUMP_NS]:
                del pending[stamp]
                self.drops["time_jump"] += 1
            last = self._last[stream]
            if last is not None and last > stamp_ns + _JUMP_NS:
                self._last[stream] = None

    def _matching_stamps(self, stamp_ns: int) -> dict[str, int] | None:
        """For each stream the pending stamp nearest to this one, if all lie within the tolerance
        of each other.
        """
        if not all(self._pending.values()):
            return None
        nearest = {
            s: min(pending, key=lambda t: abs(t - stamp_ns)) for s, pending in self._pending.items()
        }
        gap = max(nearest.values()) - min(nearest.values())
        if gap <= self.tolerance_ns:
            return nearest
        self.closest_gap_ns = gap if self.closest_gap_ns is None else min(gap, self.closest_gap_ns)
        return None

    def _take(self, stamps: dict[str, int]) -> dict[str, Any]:
        """Hand out the match and drop what is older."""
        match = {stream: self._pending[stream].pop(stamp) for stream, stamp in stamps.items()}
        for stream, pending in self._pending.items():
            for stamp in [stamp for stamp in pending if stamp < stamps[stream]]:
                del pending[stamp]
                self.drops["unmatched"] += 1
        self.closest_gap_ns = None
        return match

    def _drop_overflow(self, stream: str) -> None:
        """Keep the newest items of a stream."""
        pending = self._pending[stream]
        if len(pending) > self.capacity:
            del pending[min(pending)]
            self.drops["overflow"] += 1
