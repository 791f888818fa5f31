"""Milliseconds of the steps of an estimate."""

from __future__ import annotations

from collections.abc import Callable


class Stopwatch:
    """Measures consecutive steps by name.

    Args:
        clock: Returns seconds; only differences count.

    >>> watch = Stopwatch(iter((1.0, 1.5, 1.75)).__next__)
    >>> watch.lap("engine")
    >>> watch.lap("decode")
    >>> watch.timing_ms()
    {'engine': 500.0, 'decode': 250.0, 'total': 750.0}
    """

    def __init__(self, clock: Callable[[], float]):
        self._clock = clock
        self._last_s = clock()
        self._steps_ms: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """End the step of this name; the next one begins."""
        now_s = self._clock()
        self._steps_ms[name] = 1e3 * (now_s - self._last_s)
        self._last_s = now_s

    def timing_ms(self) -> dict[str, float]:
        """Return the milliseconds of each step, and their sum as "total"."""
        return {**self._steps_ms, "total": sum(self._steps_ms.values())}
