"""A recording on the page: every frame through the same estimator as in the node, and ego-motion
behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from depth_ros.core.errors import DepthRosError
from depth_ros.estimator.preprocess import rectified
from depth_ros.evaluation.odometry_runner import Follower

from .page import Page
from .snapshot import Moment


def show_recording(
    source, estimator, page: Page, follower: Follower | None, on_step: Callable[[], None]
) -> int:
    """Send every frame of a source (replay.sample) to a page; returns how many. What is dropped is
    on the page.

    follower: ego-motion, or None: the camera stays where it is. on_step: called once a frame, for a
    progress bar.
    """
    refused, shown, started = 0, 0, time.monotonic()
    for sample in source:
        try:
            frame = rectified(sample.frame)
            estimate = estimator.estimate(frame)
        except DepthRosError:
            refused += 1
            continue
        pose = None
        if follower is not None:
            follower.update(estimate, sample.world_T_camera, sample.recorded_depth)
            pose = follower.track.odom_T_camera[-1]
        shown += 1
        times = {f"times_ms/{name}": value for name, value in estimate.timing_ms.items()}
        dropped = {**source.drops, "refused": refused}
        figures = {**times, **{f"drops/{cause}": count for cause, count in dropped.items()}}
        figures["rates_hz/frames"] = shown / (time.monotonic() - started)
        page.show(_moment(estimate, pose, figures))
        on_step()
    return shown


def _moment(estimate, pose, figures: dict) -> Moment:
    """The moment of an estimate; relative depth is shown, but not as points."""
    relative = estimate.depth is None
    depth = 1 / estimate.inv_depth if relative else estimate.depth
    sigma = None if relative else estimate.sigma_m
    return Moment(
        estimate.stamp_ns, estimate.left, depth, sigma, estimate.camera, pose, relative, figures
    )
