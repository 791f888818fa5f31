"""One process builds an engine; another that wants the same one waits and then finds it."""

from __future__ import annotations

import contextlib
import fcntl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from depth_ros.core.errors import EngineError

_POLL_S = 0.2


@contextlib.contextmanager
def build_lock(
    path: Path, say: Callable[[str], None], cancelled: threading.Event | None = None
) -> Iterator[bool]:
    """Hold the lock file of an engine; gives True where another process held it first, and may have
    built meanwhile.

    The kernel lets go of it when a process ends, however that ends, so no lock is ever left behind.
    say: told once that another process is waited for. cancelled: set it to stop waiting. Raises
    EngineError where the file cannot be made, or on cancelled. A file system without locks is used
    without one: engines are written whole, only built twice.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise EngineError(
            f"{path}: expected to write a lock file, got {error.strerror or error}"
        ) from error
    with file:
        yield _wait(file, path, say, cancelled)


def _wait(file, path: Path, say: Callable[[str], None], cancelled: threading.Event | None) -> bool:
    """Wait for the lock of an open file."""
    waited = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return waited
        except BlockingIOError:
            if not waited:
                say(f"another process builds this engine; waiting for it ({path})")
            waited = True
        except OSError:
            return waited
        if cancelled is not None and cancelled.is_set():
            raise EngineError("interrupted: no engine was written")
        time.sleep(_POLL_S)
