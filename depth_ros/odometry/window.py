"""The points being followed, and the last few keyframes in which they were seen: adjusted
together.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse

from .bundle_adjustment import Bundle, adjust

_CULL_CHI2 = 12.8
_LEAST_SEEN = 2


class Window:
    """Keyframes and what was seen in them.

    size: keyframes kept. seen, sigma: (N, K, 3) measurements and standard deviations of the N
    points now followed, NaN and inf where not seen or not known. poses: K of (4, 4),
    origin_T_camera, the origin being that of the last adjustment. motions: K, what an IMU knows of
    the motion into each, as add_frame takes it. ids: (N,) int64, the group of each: neighbours are
    mostly parts of one thing, and wrong in one way. No number is given twice.
    """

    def __init__(self, size: int):
        self.size, self._next_id = size, 0
        self.clear()

    def clear(self) -> None:
        """Forget all points and keyframes."""
        self.poses: list[np.ndarray] = []
        self.motions: list[tuple[np.ndarray, np.ndarray] | None] = []
        self.seen = np.zeros((0, 0, 3))
        self.sigma = np.zeros((0, 0, 3))
        self.ids = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.poses)

    def keep(self, mask: np.ndarray) -> None:
        """Drop the points that are not in the mask (N,)."""
        self.seen, self.sigma, self.ids = self.seen[mask], self.sigma[mask], self.ids[mask]

    def add_frame(
        self, origin_T_camera: np.ndarray, seen: np.ndarray, sigma: np.ndarray, motion=None
    ) -> None:
        """Append a keyframe: what the points (N, 3) look like in it; the oldest keyframe goes.

        motion: what an IMU knows of the motion since the last keyframe, prev_T_curr (4, 4) and the
        information (6, 6) of its right perturbation, or None.
        """
        self.motions = [*self.motions, motion][-self.size :]
        self.poses = [*self.poses, origin_T_camera][-self.size :]
        self.seen = np.concatenate([self.seen, seen[:, None]], 1)[:, -self.size :]
        self.sigma = np.concatenate([self.sigma, sigma[:, None]], 1)[:, -self.size :]

    def add_points(self, seen: np.ndarray, sigma: np.ndarray, near_px: float = 0.0) -> None:
        """Begin new points (M, 3), seen in the newest keyframe only; those near each other
        belong to one group.
        """
        count = len(self.poses)
        rows, sigmas = (
            np.full((len(seen), count, 3), np.nan),
            np.full((len(seen), count, 3), np.inf),
        )
        rows[:, -1], sigmas[:, -1] = seen, sigma
        self.seen = np.concatenate([self.seen.reshape(-1, count, 3), rows])
        self.sigma = np.concatenate([self.sigma.reshape(-1, count, 3), sigmas])
        self.ids = np.concatenate(
            [self.ids, self._groups(self.seen[:, -1, :2], len(seen), near_px)]
        )

    def _groups(self, pixels: np.ndarray, count: int, near_px: float) -> np.ndarray:
        """The ids (count,) of the last points (N, 2): that of the nearest group, a new one where
        none is near.
        """
        known, members = np.unique(self.ids, return_inverse=True)
        old, new = pixels[: len(pixels) - count], pixels[len(pixels) - count :]
        share = (members.ravel()[None] == np.arange(len(known))[:, None]) * 1.0
        centres = share @ old / share.sum(1, keepdims=True)
        ids = np.full(count, -1)
        if len(known):
            distance = np.square(new[:, None] - centres).sum(-1)
            nearest = distance.argmin(1)
            ids = np.where(distance[np.arange(count), nearest] < near_px**2, known[nearest], -1)
        alone = np.flatnonzero(ids < 0)
        while len(alone):  # the first that belongs nowhere takes those around it along
            near = np.square(new[alone] - new[alone[0]]).sum(1) < near_px**2
            near[0] = True
            ids[alone[near]], alone = self._next_id, alone[~near]
            self._next_id += 1
        return ids.astype(np.int64)

    def adjust(self, camera: Camera, bias: tuple[float, float], most: int, rounds: int = 2):
        """Adjust poses and points, keep the better poses, drop points that do not agree.

        bias: what is known of the bias of inverse depth, (value, sigma), sigma 0 = nothing to
        learn. most: points used. Returns Adjusted and the groups (L,) of its landmarks; None with
        too little to do.
        """
        is_seen = np.isfinite(self.seen[..., 0])
        use = np.flatnonzero(is_seen.sum(1) >= _LEAST_SEEN)
        if len(self.poses) < 2 or len(use) < 12:
            return None
        order = np.argsort(-is_seen[use].sum(1), kind="stable")[
            :most
        ]  # long tracks tie more frames together
        use = np.sort(use[order])
        seen, sigma = self.seen[use], self.sigma[use]
        anchor = is_seen[use].argmax(1)
        start = seen[np.arange(len(use)), anchor]
        known = np.isfinite(sigma[..., 2]) & is_seen[use]
        depth = np.where(known, seen[..., 2], 0).sum(1) / np.maximum(known.sum(1), 1)
        start[:, 2] = np.where(
            np.isfinite(sigma[np.arange(len(use)), anchor, 2]), start[:, 2], depth
        )
        local = np.stack([inverse(self.poses[0]) @ pose for pose in self.poses])
        adjusted = adjust(
            Bundle(seen, sigma, anchor, self.motions[1:]), local, start, camera, bias, rounds
        )
        self.poses = list(_rigid(adjusted.poses))
        bad = np.zeros(len(self.seen), bool)
        bad[use] = np.nan_to_num(adjusted.chi2[:, -1]) > _CULL_CHI2
        ids = self.ids[use]
        self.keep(~bad)
        return adjusted, ids


def _rigid(poses: np.ndarray) -> np.ndarray:
    """The poses (K, 4, 4) with exact rotations: going round from window to window, rounding
    would double each time.
    """
    R, out = poses[:, :3, :3], poses.copy()
    out[:, :3, :3] = R @ (
        1.5 * np.eye(3) - 0.5 * R.transpose(0, 2, 1) @ R
    )  # Newton's step to the nearest one
    return out
