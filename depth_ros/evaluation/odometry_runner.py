"""Let ego-motion follow the frames of a replay, beside depth and with its results."""

from __future__ import annotations

import time

import numpy as np

from depth_ros.core.types import Estimate, Frame
from depth_ros.odometry import EgoFrame, EgoMotion
from depth_ros.recordings.sample import Sample

from .trajectory import Track


class Follower:
    """Feed ego-motion frame by frame and keep its way beside the true one.

    method: of EgoMotion; or ego: anything with its update, by the name of method. track: what it
    has found. Raises InputError for another method.
    """

    def __init__(self, method: str = "hybrid", ego=None):
        self._ego = EgoMotion(method) if ego is None else ego
        self.track = Track(method)

    def update(self, sample: Sample, frame: Frame, estimate: Estimate | None = None) -> None:
        """Take one frame in. frame: rectified, of the sample. estimate: its depth, or None where
        only pairs count.
        """
        started = time.process_time()
        found = self._ego.update(to_ego_frame(frame, estimate, sample.recorded_depth))
        spent_ms = 1e3 * (time.process_time() - started)
        track = self.track
        track.stamps_ns.append(frame.stamp_ns)
        track.odom_T_camera.append(found.odom_T_camera)
        track.truth.append(sample.world_T_camera)
        track.steps.append(found.prev_T_curr)
        track.step_covariance.append(found.step_covariance)
        track.states.append(found.state)
        track.geometry_ms.append(spent_ms)
        if found.scale != "none":
            track.scale = found.scale


def to_ego_frame(
    frame: Frame, estimate: Estimate | None = None, recorded_depth: np.ndarray | None = None
) -> EgoFrame:
    """Give ego-motion's view of a rectified frame and of what is known about its depth; relative
    depth is not used.

    recorded_depth: (H, W) metres of a depth camera; it stands in for the pair and for the estimate.
    """
    if recorded_depth is not None:
        return EgoFrame(frame.stamp_ns, frame.left, frame.camera, depth=recorded_depth)
    rig = frame.rig
    known = estimate is not None and estimate.depth is not None
    return EgoFrame(
        frame.stamp_ns,
        frame.left,
        frame.camera,
        right=frame.right,
        baseline_m=rig.baseline_m if rig else None,
        depth=estimate.depth if known else None,
        sigma_m=estimate.sigma_m if known else None,
        network_motion=estimate.prev_T_curr if known else None,
        doffs_px=rig.doffs_px if rig else 0.0,
        scale=estimate.scale if known and rig is None else "",
    )
