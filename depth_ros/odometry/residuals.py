"""The same points measured in two frames: how far a motion leaves them apart, in standard
deviations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse

from .inverse_depth import bearings, motion_jacobian, move, observe, source_jacobian, whitened

_UNKNOWN = 1e3  # standard deviation of a part that was not measured
_MOST_SIGMAS = 3.0  # so far may the likeliest inverse depth be from the measured one
_LEAST_DEPTH = 1e-2  # of a moved point relative to its depth: nearer, or behind, it is not seen


@dataclass(frozen=True, eq=False)
class Residuals:
    """What a motion leaves of N points.

    whitened (N, 3): in standard deviations. jacobian (N, 3, 6): of them by the left perturbation of
    curr_T_prev; (N, 3, 0) where it was not asked for. in_front (N,) bool: seen by both cameras.
    inv_depth (N,): the likeliest ones, 1/m.
    """

    whitened: np.ndarray
    jacobian: np.ndarray
    in_front: np.ndarray
    inv_depth: np.ndarray

    @property
    def chi2(self) -> np.ndarray:
        """The squares (N,)."""
        return (self.whitened**2).sum(1)


class Pairs:
    """Measurements of N points in two frames.

    Args:
        before: (N, 3) u, v in pixels and inverse depth in 1/m, which is 0 where it is unknown.
        after: (N, 3) the same in the second frame.
        sigma_before: (N, 3) standard deviations, inf for what is unknown.
        sigma_after: (N, 3).
        camera: of both frames.

    Attributes:
        inv: (N,) the measured inverse depths of the first frame.
        has_depth: (N,) bool, where that is known.
    """

    def __init__(
        self,
        before: np.ndarray,
        after: np.ndarray,
        sigma_before: np.ndarray,
        sigma_after: np.ndarray,
        camera: Camera,
    ):
        self.camera = camera
        self.after = after.T
        self.inv = before[:, 2]
        self.has_depth = np.isfinite(sigma_before[:, 2]) & (self.inv > 0)
        self.rays = bearings(before[:, :2], camera)
        # an unknown inverse depth lies between 0 and twice the nearest one
        widest = max(1.0, 2 * self.inv.max(initial=0.0))
        spread = np.where(np.isfinite(sigma_before), sigma_before, widest)
        self.spread2 = np.ascontiguousarray(spread.T**2)
        self.is_measured = np.isfinite(sigma_after.T)
        self.noise2 = np.where(self.is_measured, sigma_after.T, _UNKNOWN) ** 2
        self.trust = self.is_measured / self.noise2
        reach = _MOST_SIGMAS * spread[:, 2]
        self.least = np.maximum(self.inv - reach, 0.0)
        self.most = self.inv + reach

    def __len__(self) -> int:
        return len(self.inv)

    def residuals(
        self, prev_T_curr: np.ndarray, inv_depth: np.ndarray, with_jacobian: bool = True
    ) -> Residuals:
        """Compare the measurements under a motion.

        The inverse depths must follow the motion (variable projection, Golub and Pereyra 1973): at
        the measured ones, and at 0 where there are none, it takes dozens of rounds to a wrong
        place.

        Args:
            prev_T_curr: (4, 4) metres.
            inv_depth: (N,) inverse depths in the first frame, 1/m, at which all is linearised.
            with_jacobian: False where only the residuals are of interest.
        """
        # 1. predict the measurements of the second frame; arrays are (by, of, N) from here on
        curr_T_prev = inverse(prev_T_curr)
        moved = move(curr_T_prev, self.rays, inv_depth)
        A = source_jacobian(curr_T_prev, moved, inv_depth, self.camera).T
        # 2. the first frame's noise arrives in the second through the motion: whiten by both,
        #    C = A S A^T + N
        covariance = np.einsum("kin,kjn->ijn", A * self.spread2[:, None], A)
        covariance[range(3), range(3)] += self.noise2
        # 3. residuals at the measured inverse depth, to first order from the one given
        off = (self.after - observe(moved, inv_depth, self.camera).T) * self.is_measured
        by_inv = A[2] * self.is_measured
        from_measured = inv_depth - self.inv
        values = np.empty((7 if with_jacobian else 1, 3, len(inv_depth)))
        values[0] = off + by_inv * from_measured
        if with_jacobian:
            values[1:] = motion_jacobian(moved, inv_depth, self.camera).T
        white = whitened(covariance.T, values.T)
        # 4. the likeliest inverse depths: one Gauss-Newton step of each point alone
        trusted = by_inv * self.trust
        shift = (trusted * off).sum(0) - from_measured / self.spread2[2]
        shift /= (trusted * by_inv).sum(0) + 1 / self.spread2[2]
        likely = np.minimum(np.maximum(inv_depth + shift, self.least), self.most)
        return Residuals(white[..., 0], white[..., 1:], moved[:, 2] > _LEAST_DEPTH, likely)
