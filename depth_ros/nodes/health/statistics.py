"""What came in, what went out, what was dropped and why: counted by two threads, read by
diagnostics. No ROS.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter, deque

from depth_ros.nodes.health.failures import shorten

ROUTINE = ("busy", "no_subscriber", "deactivated")  # drops that are no fault of the input
WINDOW = 100
_LOG = 256  # drops that are remembered by stamp until somebody asks: four seconds of 60 Hz


class Statistics:
    """Counts since the node started, and the same since the last output (for the watchdog).

    Attributes:
        received: messages by stream.
        drops: by cause; texts: the last explanation of each.
        frames_in: pairs; frames_out: those that were answered.
        since_output: streams, "pairs" and "drop:" with a cause, since the last output.
        first_pair_s: when the first pair since the last output came, by the monotonic clock.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self.received: Counter = Counter()
        self.drops: Counter = Counter()
        self.texts: dict[str, str] = {}
        self.frames_in = 0
        self.frames_out = 0
        self.since_output: Counter = Counter()
        self.last_stamp_ns: int | None = None
        self.first_pair_s = 0.0
        self._log: deque[tuple[int, str]] = deque(maxlen=_LOG)
        self._ages_ms: deque[float] = deque(maxlen=WINDOW)
        self._engine_ms: deque[float] = deque(maxlen=WINDOW)

    def arrive(self, stream: str) -> None:
        """Count one message of a stream."""
        with self._lock:
            self.received[stream] += 1
            self.since_output[stream] += 1

    def pair(self, stamp_ns: int) -> None:
        """Count one pair."""
        with self._lock:
            self.frames_in += 1
            if not self.since_output["pairs"]:
                self.first_pair_s = time.monotonic()
            self.since_output["pairs"] += 1
            self.last_stamp_ns = stamp_ns

    def drop(self, cause: str, text: str = "", stamp_ns: int | None = None) -> None:
        """Count one drop.

        Args:
            cause: its name in /diagnostics.
            text: what was expected and what came.
            stamp_ns: of the frame, where it is known.
        """
        with self._lock:
            self.drops[cause] += 1
            self.since_output["drop:" + cause] += 1
            self.texts[cause] = shorten(text)
            if stamp_ns is not None:
                self._log.append((stamp_ns, cause))

    def answer(self, age_ms: float, engine_ms: float) -> None:
        """Count one output; age_ms: from its stamp until it was published."""
        with self._lock:
            self.frames_out += 1
            self.since_output.clear()
            self._ages_ms.append(age_ms)
            self._engine_ms.append(engine_ms)

    def take_log(self) -> list[tuple[int, str]]:
        """Return (stamp_ns, cause) of the frames dropped since the last call, the newest 256 of
        them.
        """
        with self._lock:
            log = list(self._log)
            self._log.clear()
        return log

    def dropped_since_output(self) -> dict[str, int]:
        """Return the drops since the last output, by cause."""
        with self._lock:
            return {
                name[5:]: n for name, n in self.since_output.items() if name.startswith("drop:")
            }

    def medians_ms(self) -> dict[str, float]:
        """Return the medians over the last 100 outputs; NaN before the first."""
        with self._lock:
            both = {"stamp_age_ms": list(self._ages_ms), "engine_ms": list(self._engine_ms)}
        medians = {}
        for name, values in both.items():
            medians[name] = statistics.median(values) if values else float("nan")
        return medians
