"""One step behind: publishing of frame n - 1 while the engine works on n. No ROS."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Behind:
    """Does jobs in order in a thread of its own; a job waits for the one before it and for no other.

    So an estimate is delayed by at most one publish, and never more than two estimates exist. What a job raises is
    lost: jobs handle their own errors. For one caller's thread.
    """

    def __init__(self, name: str):
        self._pool = ThreadPoolExecutor(1, name)
        self._last: Future | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Start a job as soon as the one before it is done; returns then."""
        self.wait()
        self._last = self._pool.submit(job)

    def wait(self) -> None:
        """Wait until the last job is done."""
        if self._last is not None:
            self._last.exception()  # waits, and raises nothing

    def close(self) -> None:
        """Finish the last job and end the thread."""
        self._pool.shutdown(wait=True)
