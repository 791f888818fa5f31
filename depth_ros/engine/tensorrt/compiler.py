"""Compile in a process of its own: it can be stopped at any moment, and takes nobody along when
it crashes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from depth_ros.core.errors import EngineError

from .api import NO_REASON

_POLL_S = 0.1
_MOST_WORDS = 500
_ROOT = Path(__file__).resolve().parents[3]
_INTERRUPTED = "interrupted: no engine was written"


@dataclass(frozen=True)
class Job:
    """What to compile, and how.

    Args:
        model: The serialised graph.
        library: "tensorrt" or "tensorrt_rtx".
        precision: "fp32", "fp16" or "int8".
        capability: Compute capability to build for; "": of this machine's GPU.
        workspace_mib: Most memory for scratch; 0: the library's choice.
        timing: File of kernel times; None: they are not kept.
    """

    model: bytes
    library: str
    precision: str
    capability: str = ""
    workspace_mib: int = 0
    timing: Path | None = None


def compile_apart(
    job: Job,
    progress: Callable[[float], None] | None = None,
    cancelled: threading.Event | None = None,
) -> tuple[bytes, dict[str, tuple]]:
    """Compile a graph in a subprocess, which is killed when it is not wanted any more.

    Args:
        job: What to compile.
        progress: Called with the share done, 0 to 1, from another thread.
        cancelled: Set it to stop.

    Returns:
        The engine, and (shape, type) of each tensor by name.

    Raises:
        EngineError: What `api.compile_network` refuses; where the process crashed or
        was killed, with the
            signal and its last words; or on cancelled.
    """
    with tempfile.TemporaryDirectory(prefix="depth_ros_build") as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(job.model)
        settings = {
            "library": job.library,
            "precision": job.precision,
            "capability": job.capability,
            "workspace_mib": job.workspace_mib,
            "timing": str(job.timing or ""),
        }
        (folder / "job.json").write_text(json.dumps(settings))
        code, words = _run(folder, progress, cancelled or threading.Event())
        if code == 1 and (folder / "error.txt").is_file():
            raise EngineError(
                (folder / "error.txt").read_text().replace(NO_REASON, words or NO_REASON)
            )
        if code != 0:
            raise EngineError(
                f"the build {_end_words(code)}; no engine was written: {words or 'it said nothing'}"
            )
        tensors = json.loads((folder / "tensors.json").read_text())
        return (folder / "engine.plan").read_bytes(), {
            n: (tuple(s), kind) for n, (s, kind) in tensors.items()
        }


def _run(
    folder: Path, progress: Callable[[float], None] | None, cancelled: threading.Event
) -> tuple[int, str]:
    """Run the worker to its end; returns its exit code and last words.

    Raises EngineError on cancelled.
    """
    if cancelled.is_set():
        raise EngineError(_INTERRUPTED)
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
    command = [sys.executable, "-m", "depth_ros.engine.tensorrt.compile_worker", str(folder)]
    # A session of its own: Ctrl-C reaches us alone, and we stop it. Its stdin is the thread that
    # ties it to us.
    with (
        (folder / "stderr.txt").open("wb") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        ) as worker,
    ):
        reader = threading.Thread(
            target=_follow, args=(worker.stdout, progress), name="build progress", daemon=True
        )
        reader.start()
        try:
            code = _wait(worker, cancelled)
        finally:
            worker.kill()
            worker.wait()
            reader.join()
    return code, " ".join((folder / "stderr.txt").read_text(errors="replace").split())[
        -_MOST_WORDS:
    ]


def _wait(worker: subprocess.Popen, cancelled: threading.Event) -> int:
    """Return the exit code of the worker; raises EngineError on cancelled."""
    while True:
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = worker.wait(_POLL_S)
        if cancelled.is_set():  # also where it has just ended: what was stopped is not taken
            raise EngineError(_INTERRUPTED)
        if code is not None:
            return code


def _follow(lines, progress: Callable[[float], None] | None) -> None:
    """Pass progress on until the worker ends."""
    for line in lines:
        if progress is not None:
            progress(float(line))


def _end_words(code: int) -> str:
    """How a process ended, in words.

    >>> _end_words(-9)
    'was killed (SIGKILL): the system was out of memory, or somebody ended it'
    >>> _end_words(2)
    'ended with code 2'
    """
    if code >= 0:
        return f"ended with code {code}"
    name = signal.Signals(-code).name
    if -code == signal.SIGKILL:
        return f"was killed ({name}): the system was out of memory, or somebody ended it"
    return f"crashed ({name})"
