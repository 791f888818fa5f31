"""The points being followed, and the last few keyframes in which they were seen: adjusted together."""

from __future__ import annotations

import numpy as np

from ..core.camera import Camera
from ..core.lie import inverse
from .bundle import Adjusted, Bundle, adjust

_CULL_CHI2 = 12.8
_LEAST_SEEN = 2


class Window:
    """Keyframes and what was seen in them.

    size: keyframes kept. seen, sigma: (N, K, 3) measurements and standard deviations of the N points now followed, NaN
    and inf where not seen or not known. poses: K of (4, 4), origin_T_camera, the origin being
    that of the last adjustment. bias: (value, sigma) of inverse depth, 1/m:
    what a stereo pair that is rectified a little wrong measures too little at every distance.
    """

    def __init__(self, size: int):
        self.size = size
        self.clear()

    def clear(self) -> None:
        """Forget all points and keyframes."""
        self.poses: list[np.ndarray] = []
        self.seen = np.zeros((0, 0, 3))
        self.sigma = np.zeros((0, 0, 3))

    def __len__(self) -> int:
        return len(self.poses)

    def keep(self, mask: np.ndarray) -> None:
        """Drop the points that are not in the mask (N,)."""
        self.seen, self.sigma = self.seen[mask], self.sigma[mask]

    def add_frame(self, origin_T_camera: np.ndarray, seen: np.ndarray, sigma: np.ndarray) -> None:
        """Append a keyframe: what the points (N, 3) look like in it; the oldest keyframe goes."""
        self.poses = [*self.poses, origin_T_camera][-self.size :]
        self.seen = np.concatenate([self.seen, seen[:, None]], 1)[:, -self.size :]
        self.sigma = np.concatenate([self.sigma, sigma[:, None]], 1)[:, -self.size :]

    def add_points(self, seen: np.ndarray, sigma: np.ndarray) -> None:
        """Begin new points (M, 3), seen in the newest keyframe only."""
        count = len(self.poses)
        rows, sigmas = np.full((len(seen), count, 3), np.nan), np.full((len(seen), count, 3), np.inf)
        rows[:, -1], sigmas[:, -1] = seen, sigma
        self.seen = np.concatenate([self.seen.reshape(-1, count, 3), rows])
        self.sigma = np.concatenate([self.sigma.reshape(-1, count, 3), sigmas])

    def adjust(self, camera: Camera, bias: tuple[float, float], most: int, rounds: int = 3) -> Adjusted | None:
        """Adjust poses and points, keep the better poses, drop points that do not agree; None with too little to do.

        bias: what is known of the bias of inverse depth, (value, sigma), sigma 0 = nothing to learn. most: points used.
        """
        is_seen = np.isfinite(self.seen[..., 0])
        use = np.flatnonzero(is_seen.sum(1) >= _LEAST_SEEN)
        if len(self.poses) < 2 or len(use) < 12:
            return None
        order = np.argsort(-is_seen[use].sum(1), kind="stable")[:most]  # long tracks tie more frames together
        use = np.sort(use[order])
        seen, sigma = self.seen[use], self.sigma[use]
        anchor = is_seen[use].argmax(1)
        start = seen[np.arange(len(use)), anchor]
        known = np.isfinite(sigma[..., 2]) & is_seen[use]
        depth = np.where(known, seen[..., 2], 0).sum(1) / np.maximum(known.sum(1), 1)
        start[:, 2] = np.where(np.isfinite(sigma[np.arange(len(use)), anchor, 2]), start[:, 2], depth)
        local = np.stack([inverse(self.poses[0]) @ pose for pose in self.poses])
        adjusted = adjust(Bundle(seen, sigma, anchor), local, start, camera, bias, rounds)
        self.poses = [_rigid(pose) for pose in adjusted.poses]
        bad = np.zeros(len(self.seen), bool)
        bad[use] = np.nan_to_num(adjusted.chi2[:, -1]) > _CULL_CHI2
        self.keep(~bad)
        return adjusted


def _rigid(pose: np.ndarray) -> np.ndarray:
    """The pose with an exact rotation: going round from window to window, rounding would double each time."""
    U, _, Vt = np.linalg.svd(pose[:3, :3])
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = U @ Vt, pose[:3, 3]
    return out
