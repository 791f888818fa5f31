"""One step behind: publishing of frame n - 1 while the engine works on n. No ROS."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_SHORT_S = 0.003  # a tenth of the time between two frames of a 30 Hz camera


class DeferredPublisher:
    """Does jobs in order in a thread of its own; a job waits for the one before it and for no
    other.

    So an estimate is delayed by at most one publish, and never more than two estimates exist.
    Handing a job over costs a tenth of what the whole node costs, so one like the last, if that was
    short, is done at once in the caller's thread. What a job raises is lost: jobs handle their own
    errors. For one caller's thread.
    """

    def __init__(self, name: str):
        self._pool = ThreadPoolExecutor(1, name)
        self._last: Future | None = None
        self._took_s = _SHORT_S  # what the last job took; of the first nothing is known

    def submit(self, job: Callable[[], None]) -> None:
        """Start a job as soon as the one before it is done; returns then, or after a short job."""
        self.wait()
        if self._took_s < _SHORT_S:
            self._do(job)
        else:
            self._last = self._pool.submit(self._do, job)

    def wait(self) -> None:
        """Wait until the last job is done."""
        if self._last is not None:
            self._last.result()
            self._last = None

    def close(self) -> None:
        """Finish the last job and end the thread."""
        self._pool.shutdown(wait=True)

    def _do(self, job: Callable[[], None]) -> None:
        start_s = time.perf_counter()
        with contextlib.suppress(Exception):
            job()
        self._took_s = time.perf_counter() - start_s
