"""Named ranges on the timeline of Nsight Systems: DEPTH_ROS_NVTX=1 and the package nvtx; else
they cost nothing.
"""

from __future__ import annotations

import contextlib
import os

from depth_ros.core.errors import EngineError


def make_ranges():
    """Return what opens a range: `with ranges("engine.run"): ...`.

    Raises EngineError where DEPTH_ROS_NVTX asks for ranges and the package is not installed.
    """
    if os.environ.get("DEPTH_ROS_NVTX", "0") in ("", "0"):
        return _no_range
    try:
        import nvtx
    except ImportError as error:
        raise EngineError(
            f"DEPTH_ROS_NVTX: expected the package nvtx (pip install nvtx), got: {error}"
        ) from error
    return lambda name: nvtx.annotate(name, domain="depth_ros")


def _no_range(name: str):
    return contextlib.nullcontext()
