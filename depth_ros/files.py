"""Atomic writes: a file appears whole or not at all. The one module that every room but core may
import; it imports the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | Path, suffix: str = "") -> Iterator[Path]:
    """Yield a temporary path beside the file, which is renamed to it when the block ends.

    A block that raises, by Ctrl-C too, leaves what was at the path alone and removes the temporary
    file. Missing parent folders are made.

    Args:
        path: Of the file; its folder must be writable.
        suffix: What the temporary name must end with, for libraries that go by it; its end is
            ".part" otherwise, which no reader of a folder takes for data.

    Raises:
        OSError: Where the disk refuses.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a" / "depth.txt") as part:
    ...         _ = part.write_text("1.25")
    ...     [(file.name, file.read_text()) for file in (Path(folder) / "a").iterdir()]
    [('depth.txt', '1.25')]
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes or two threads that write one file do not write into one temporary file
    writer = f"{os.getpid()}.{threading.get_ident()}"
    part = path.with_name(f".{path.name}.{writer}.part{suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):  # gone after the rename
            part.unlink()


def write_atomic(path: str | Path, content: bytes, durable: bool = False) -> Path:
    """Write a file as a whole.

    Args:
        path: Of the file; missing parent folders are made.
        content: All of it.
        durable: Wait until the content is on the disk before the rename, so that it also survives
            a loss of power.

    Returns:
        The path.

    Raises:
        OSError: Where the disk refuses.
    """
    with replacing(path) as part, open(part, "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    return Path(path)
