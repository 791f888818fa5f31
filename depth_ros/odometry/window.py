"""The points being followed, and the last few keyframes in which they were seen: adjusted
together.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse, renormalised

from .bundle_adjustment import Adjusted, Bundle, adjust

_CULL_CHI2 = 12.8
_LEAST_SEEN = 2  # keyframes, of a point that ties them together
_LEAST_POINTS = 12

Motion = tuple[np.ndarray, np.ndarray]  # prev_T_curr (4, 4), the information (6, 6) about it


class Window:
    """Keyframes and what was seen in them.

    Args:
        size: keyframes kept.

    Attributes:
        seen: (N, K, 3) measurements of the N points now followed in K keyframes, NaN where not
            seen.
        sigma: (N, K, 3) their standard deviations, inf where not known.
        poses: K of (4, 4), origin_T_camera, the origin being that of the last adjustment.
        motions: K, what an IMU knows of the motion into each, as add_frame takes it.
        ids: (N,) int64, the group of each: neighbours are mostly parts of one thing, and wrong in
            one way. No number is used twice.
    """

    def __init__(self, size: int):
        self.size = size
        self._next_id = 0
        self.clear()

    def clear(self) -> None:
        """Forget all points and keyframes."""
        self.poses: list[np.ndarray] = []
        self.motions: list[Motion | None] = []
        self.seen = np.zeros((0, 0, 3))
        self.sigma = np.zeros((0, 0, 3))
        self.ids = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.poses)

    @property
    def typical_depth_m(self) -> float:
        """The median depth of the points followed, in the newest keyframe; 1 without any."""
        inv = self.seen[:, -1, 2][np.isfinite(self.sigma[:, -1, 2])]
        return 1 / max(float(np.median(inv)), 1e-3) if len(inv) else 1.0

    def keep(self, chosen: np.ndarray) -> None:
        """Drop the points that are not chosen: a mask (N,) or indices."""
        self.seen = self.seen[chosen]
        self.sigma = self.sigma[chosen]
        self.ids = self.ids[chosen]

    def add_frame(
        self,
        origin_T_camera: np.ndarray,
        seen: np.ndarray,
        sigma: np.ndarray,
        motion: Motion | None = None,
    ) -> None:
        """Append a keyframe; the oldest one goes.

        Args:
            origin_T_camera: (4, 4) where it is.
            seen: (N, 3) what the points look like in it.
            sigma: (N, 3) standard deviations.
            motion: what an IMU knows of the motion since the last keyframe, prev_T_curr (4, 4) and
                the information (6, 6) of its right perturbation, or None.
        """
        self.motions = [*self.motions, motion][-self.size :]
        self.poses = [*self.poses, origin_T_camera][-self.size :]
        self.seen = np.concatenate([self.seen, seen[:, None]], 1)[:, -self.size :]
        self.sigma = np.concatenate([self.sigma, sigma[:, None]], 1)[:, -self.size :]

    def add_points(self, seen: np.ndarray, sigma: np.ndarray, near_px: float = 0.0) -> None:
        """Begin new points, seen in the newest keyframe only.

        Args:
            seen: (M, 3).
            sigma: (M, 3).
            near_px: points so near to each other belong to one group.
        """
        count = len(self.poses)
        new_seen = np.full((len(seen), count, 3), np.nan)
        new_sigma = np.full((len(seen), count, 3), np.inf)
        new_seen[:, -1] = seen
        new_sigma[:, -1] = sigma
        self.seen = np.concatenate([self.seen.reshape(-1, count, 3), new_seen])
        self.sigma = np.concatenate([self.sigma.reshape(-1, count, 3), new_sigma])
        groups = self._groups(self.seen[:, -1, :2], len(seen), near_px)
        self.ids = np.concatenate([self.ids, groups])

    def _groups(self, pixels: np.ndarray, count: int, near_px: float) -> np.ndarray:
        """The ids (count,) of the last of the points (N, 2): that of the nearest group, a new one
        where none is near.
        """
        # 1. the centres of the groups that exist
        known, members = np.unique(self.ids, return_inverse=True)
        old = pixels[: len(pixels) - count]
        new = pixels[len(pixels) - count :]
        share = (members.ravel()[None] == np.arange(len(known))[:, None]) * 1.0
        centres = share @ old / share.sum(1, keepdims=True)
        # 2. the nearest of them, where it is near enough
        ids = np.full(count, -1)
        if len(known):
            distance = np.square(new[:, None] - centres).sum(-1)
            nearest = distance.argmin(1)
            is_near = distance[np.arange(count), nearest] < near_px**2
            ids = np.where(is_near, known[nearest], -1)
        # 3. the first that belongs nowhere takes those around it along
        alone = np.flatnonzero(ids < 0)
        while len(alone):
            near = np.square(new[alone] - new[alone[0]]).sum(1) < near_px**2
            near[0] = True
            ids[alone[near]] = self._next_id
            alone = alone[~near]
            self._next_id += 1
        return ids.astype(np.int64)

    def adjust(
        self, camera: Camera, bias: tuple[float, float], most: int, rounds: int = 2
    ) -> tuple[Adjusted, np.ndarray] | None:
        """Adjust poses and points, keep the better poses, drop points that do not agree.

        Args:
            camera: of all keyframes.
            bias: what is known of the bias of inverse depth, (value, sigma) in 1/m; sigma 0 =
                nothing to learn.
            most: points used.
            rounds: of the adjustment.

        Returns:
            The adjustment and the groups (L,) of its landmarks; None with too little to do.
        """
        # 1. long tracks tie more frames together
        is_seen = np.isfinite(self.seen[..., 0])
        use = np.flatnonzero(is_seen.sum(1) >= _LEAST_SEEN)
        if len(self.poses) < 2 or len(use) < _LEAST_POINTS:
            return None
        order = np.argsort(-is_seen[use].sum(1), kind="stable")
        use = np.sort(use[order[:most]])
        # 2. adjust, relative to the oldest keyframe
        anchor = is_seen[use].argmax(1)
        start = self._landmarks(use, anchor)
        local = np.stack([inverse(self.poses[0]) @ pose for pose in self.poses])
        bundle = Bundle(self.seen[use], self.sigma[use], anchor, self.motions[1:])
        adjusted = adjust(bundle, local, start, camera, bias, rounds)
        self.poses = list(_rigid(adjusted.poses))
        # 3. drop what does not agree in the newest keyframe
        bad = np.zeros(len(self.seen), bool)
        bad[use] = np.nan_to_num(adjusted.chi2[:, -1]) > _CULL_CHI2
        groups = self.ids[use]
        self.keep(~bad)
        return adjusted, groups

    def _landmarks(self, use: np.ndarray, anchor: np.ndarray) -> np.ndarray:
        """Where to begin with points (L,) first seen in the keyframes anchor (L,): (L, 3) their
        measurements there; inverse depth the mean of all where it was not measured there.
        """
        seen = self.seen[use]
        each = np.arange(len(use))
        has_depth = np.isfinite(self.sigma[use][..., 2])
        start = seen[each, anchor]
        known = has_depth & np.isfinite(seen[..., 0])
        mean = np.where(known, seen[..., 2], 0).sum(1) / np.maximum(known.sum(1), 1)
        start[:, 2] = np.where(has_depth[each, anchor], start[:, 2], mean)
        return start


def _rigid(poses: np.ndarray) -> np.ndarray:
    """The poses (K, 4, 4) with exact rotations: going round from window to window, rounding
    would double each time.
    """
    out = poses.copy()
    out[:, :3, :3] = renormalised(poses[:, :3, :3])
    return out
