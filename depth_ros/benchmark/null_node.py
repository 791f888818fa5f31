"""The real depth_node with an engine that costs nothing but, if asked, time: what is left is the
node itself.
"""

from __future__ import annotations

import os
import sys
import time
from types import SimpleNamespace

import numpy as np

from depth_ros.core.types import Estimate, Frame

# how long the engine waits: "12", or "12,60" where every 50th takes 60 ms
ENGINE_MS = "DEPTH_ROS_BENCH_ENGINE_MS"
_SLOW_EVERY = 50


class NullEstimator:
    """Answers every frame with depth 1 m, as a stereo estimator would, after sleeping for a while.

    durations_ms: (usual,) or (usual, of every 50th frame). fresh: a new array each time, as real
    engines give.
    """

    is_metric = True
    scale = None
    engines = ()
    scale_name = "stereo baseline"

    def __init__(self, durations_ms: tuple[float, ...] = (0.0,), fresh: bool = False):
        self.engine = SimpleNamespace(
            name="null",
            model_hash="0",
            spec=SimpleNamespace(name="null", scale_source="stereo baseline"),
        )
        self._durations_ms = durations_ms
        self._fresh = fresh
        self._count = 0
        self._depth = np.ones((1, 1), np.float32)

    def estimate(self, frame: Frame) -> Estimate:
        """Answer the frame."""
        self._count += 1
        duration_ms = self._durations_ms[-1 if self._count % _SLOW_EVERY == 0 else 0]
        if duration_ms:
            time.sleep(duration_ms / 1e3)
        if self._fresh or self._depth.shape != frame.left.shape[:2]:
            self._depth = np.ones(frame.left.shape[:2], np.float32)
        return Estimate(
            frame.stamp_ns,
            frame.frame_id,
            frame.rig,
            frame.left,
            self._depth,
            None,
            None,
            {"engine": duration_ms},
        )


def main() -> int:
    """Run the node until it is told to stop."""
    from depth_ros.nodes import depth_node

    words = os.environ.get(ENGINE_MS, "")
    durations_ms = tuple(float(word) for word in words.split(",")) if words else (0.0,)
    return depth_node.main(
        make_estimator=lambda parameters: NullEstimator(durations_ms, fresh=bool(words))
    )


if __name__ == "__main__":
    sys.exit(main())
