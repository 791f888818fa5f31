"""The baseline of ego-motion: OpenCV's tracker and PnP RANSAC on given depth, frame to frame,
nothing remembered.
"""

from __future__ import annotations

import time

import cv2
import numpy as np

from depth_ros.core.axes import body_R_optical
from depth_ros.odometry import EgoEstimate, EgoFrame

_FAR_M, _ROUND_TRIP_PX, _REPROJECTION_PX = 40.0, 0.3, 1.0
_FEWEST = 12  # points


class PnpOnDepth:
    """Follow a camera with OpenCV alone; update takes and gives what EgoMotion.update does.

    It knows no covariance.
    """

    def __init__(self):
        self._last: tuple[int, np.ndarray, np.ndarray] | None = None
        self._pose = np.eye(4)
        self._pose[:3, :3] = body_R_optical

    def update(self, frame: EgoFrame, imu=()) -> EgoEstimate:
        """Take a frame with depth in; lost where too few points agree. imu: not used."""
        started = time.process_time()
        grey, last = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), self._last
        self._last = (frame.stamp_ns, grey, frame.depth)
        cv2.setRNGSeed(0)
        step, inliers = (None, 0) if last is None else _step(last[1], last[2], grey, frame.camera.K)
        if step is not None:
            self._pose = self._pose @ step
        state = "tracking" if step is not None else "initialising" if last is None else "lost"
        unknown = np.zeros((6, 6))
        timing = {"total": 1e3 * (time.process_time() - started)}
        return EgoEstimate(
            frame.stamp_ns,
            last and last[0],
            step,
            unknown,
            self._pose,
            unknown,
            np.zeros(6),
            unknown,
            state,
            scale="depth",
            inliers=inliers,
            timing_ms=timing,
        )


def _step(before, depth, after, K) -> tuple[np.ndarray | None, int]:
    """prev_T_curr of two grey images and the depth of the first; None where it cannot be had."""
    points = cv2.goodFeaturesToTrack(before, 800, 0.005, 7)
    if points is None:
        return None, 0
    first, second = _tracked(before, after, points)
    row, column = np.clip(np.rint(first[:, ::-1]).astype(int), 0, np.array(before.shape) - 1).T
    z = depth[row, column]
    good = np.isfinite(z) & (z < _FAR_M)
    rays = np.c_[(first - K[:2, 2]) / K[[0, 1], [0, 1]], np.ones(len(first))]
    world, second = (rays * z[:, None])[good], second[good]
    if len(world) < _FEWEST:
        return None, 0
    found, rotation, translation, inliers = cv2.solvePnPRansac(
        world,
        second.astype(np.float64),
        K,
        None,
        reprojectionError=_REPROJECTION_PX,
        iterationsCount=300,
    )
    if not found or inliers is None or len(inliers) < _FEWEST:
        return None, 0
    chosen = inliers.ravel()
    rotation, translation = cv2.solvePnPRefineLM(
        world[chosen], second[chosen].astype(np.float64), K, None, rotation, translation
    )
    curr_T_prev = np.eye(4)
    curr_T_prev[:3, :3], curr_T_prev[:3, 3] = cv2.Rodrigues(rotation)[0], translation.ravel()
    return np.linalg.inv(curr_T_prev), len(chosen)


def _tracked(before, after, points) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) of both images that the tracker finds there and back."""
    settings = dict(winSize=(15, 15), maxLevel=4)
    there, ok, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, **settings)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **settings)
    good = (ok & ok_back).ravel().astype(bool) & (
        np.abs(back - points).max((1, 2)) < _ROUND_TRIP_PX
    )
    return points[good, 0], there[good, 0]
