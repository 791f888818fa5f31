"""One process builds on a GPU; another waits, since two would time their kernels against each
other, and then looks.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from depth_ros.core.errors import EngineError

_POLL_S = 0.2


@contextlib.contextmanager
def build_lock(
    path: Path, say: Callable[[str], None], cancelled: threading.Event | None = None
) -> Iterator[bool]:
    """Hold a lock file; yields True where another process held it first, and may have built what is
    wanted.

    The kernel releases it when a process ends, however that ends, so no lock is ever left behind.

    Args:
        path: Of the lock file; its folder is made.
        say: Told once that another process is waited for.
        cancelled: Set it to stop waiting.

    Raises:
        EngineError: Where the file cannot be made, or on cancelled.
    """
    lock = FileLock(path)
    waited = _wait(lock, path, say, cancelled)
    try:
        yield waited
    finally:
        lock.release()


def _wait(
    lock: FileLock, path: Path, say: Callable[[str], None], cancelled: threading.Event | None
) -> bool:
    """Wait for a lock; True where it had to be waited for."""
    waited = False
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_POLL_S if waited else 0)
            return waited
        except Timeout:
            if not waited:
                say(f"another process builds for this GPU; waiting for it ({path})")
            waited = True
        except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
            raise EngineError(f"{path}: expected to write a lock file, got {error}") from error
        if cancelled is not None and cancelled.is_set():
            raise EngineError("interrupted: no engine was written")
