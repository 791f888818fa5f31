"""The process in which TensorRT compiles: python -m depth_ros.engine.tensorrt.compile_worker
FOLDER; see compiler.

The folder holds job.json and model.onnx; engine.plan and tensors.json are left there, or error.txt.
Progress goes to standard output, a number a line; what the library prints goes to standard error.
It ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import TextIO

from depth_ros.core.errors import EngineError

from .api import BuildOptions, compile_network, import_library

INTERRUPTED = 3


def main(folder: Path) -> int:
    """Compile what lies in a folder; returns the exit code: 0, or 1 with the reason in
    error.txt.
    """
    progress = _take_stdout()
    with contextlib.suppress(OSError):  # where memory runs out, this process goes, and not the node
        Path("/proc/self/oom_score_adj").write_text("1000")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job = json.loads((folder / "job.json").read_text())
    timing = Path(job["timing"]) if job["timing"] else None
    try:
        content, tensors = compile_network(
            import_library(job["library"]),
            (folder / "model.onnx").read_bytes(),
            job["precision"],
            job["capability"],
            BuildOptions(job["workspace_mib"], timing),
            lambda share: print(share, file=progress, flush=True),
        )
    except EngineError as error:
        (folder / "error.txt").write_text(str(error))
        return 1
    (folder / "engine.plan").write_bytes(content)
    (folder / "tensors.json").write_text(json.dumps(tensors))
    return 0


def _take_stdout() -> TextIO:
    """Keep standard output for progress alone: what libraries print there goes to standard error
    from now on.
    """
    progress = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return progress


def _end_with_parent() -> None:
    """Leave at once when the parent is gone, however it went: nobody is left to take the engine."""
    os.read(0, 1)
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
