"""The same points measured in two frames: how far a motion leaves them apart, in standard
deviations.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse

from .inverse_depth import bearings, motion_jacobian, move, observe, source_jacobian, whitened

_UNKNOWN = 1e3  # standard deviation of a part that was not measured
_MOST_SIGMAS = 3.0  # so far may the likeliest inverse depth be from the measured one


class Pairs:
    """Measurements of N points in two frames.

    before, after: (N, 3) u, v in pixels, inverse depth in 1/m (0 with sigma inf where unknown).
    sigma_before, sigma_after: (N, 3). inv: (N,) the measured inverse depths of the first frame.
    """

    def __init__(self, before, after, sigma_before, sigma_after, camera: Camera):
        self.camera, self.after, self.inv = camera, after.T, before[:, 2]
        self.rays = bearings(before[:, :2], camera)
        spread = np.where(
            np.isfinite(sigma_before), sigma_before, max(1.0, 2 * self.inv.max(initial=0.0))
        )
        self.spread2 = np.ascontiguousarray(
            spread.T**2
        )  # 1/m: from here to far, where nothing is known
        self.is_measured = np.isfinite(sigma_after.T)
        self.noise2 = np.where(self.is_measured, sigma_after.T, _UNKNOWN) ** 2
        self.trust = self.is_measured / self.noise2
        reach = _MOST_SIGMAS * spread[:, 2]
        self.least, self.most = np.maximum(self.inv - reach, 0.0), self.inv + reach

    def residuals(self, prev_T_curr: np.ndarray, at: np.ndarray, with_jacobian: bool = True):
        """Give whitened residuals (N, 3), Jacobians (N, 3, 6) by the left perturbation of
        curr_T_prev, which points are in front (N,), and the likeliest inverse depths (N,).

        at: (N,) inverse depths at which all is taken for linear. They must follow the motion
        (variable projection, Golub and Pereyra 1973): at the measured ones, and at 0 where there
        are none, it takes dozens of rounds to a wrong place.
        """
        curr_T_prev = inverse(prev_T_curr)
        moved = move(curr_T_prev, self.rays, at)
        A = source_jacobian(
            curr_T_prev, moved, at, self.camera
        ).T  # (by, of, N), as all that follows
        # The first frame's noise arrives in the second through the motion: whiten by both.
        covariance = np.einsum("kin,kjn->ijn", A * self.spread2[:, None], A)
        covariance[range(3), range(3)] += self.noise2
        off = (self.after - observe(moved, at, self.camera).T) * self.is_measured
        along, off_at = A[2] * self.is_measured, at - self.inv
        both = np.empty((7 if with_jacobian else 1, 3, len(at)))
        both[0] = off + along * off_at
        if with_jacobian:
            both[1:] = motion_jacobian(moved, at, self.camera).T
        white, trusted = whitened(covariance.T, both.T), along * self.trust
        shift = (trusted * off).sum(0) - off_at / self.spread2[2]
        shift /= (trusted * along).sum(0) + 1 / self.spread2[2]
        likely = np.minimum(np.maximum(at + shift, self.least), self.most)
        return white[..., 0], white[..., 1:], moved[:, 2] > 1e-2, likely
