"""What the adjustment leaves open: the covariance of the last step, and what was learned about
the rig.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depth_ros.core.lie import hat, inverse

from .bundle_adjustment import Adjusted
from .error_sources import Influence

_LEAST_FOUND = 1e-6  # of the size: below, a direction in which no source moved anything
_LEAST_SIZE = (
    0.25  # of the noise, as variance: residuals that are smaller than any tracker's are luck
)
_MOST_LEVERAGE = 0.98  # a source that decides alone has no residual at all


@dataclass(frozen=True, eq=False)
class Pull:
    """What N points do to an estimate of D numbers: scores (N, D), which add up to nothing; own (N,
    D, D), the share of each in information (D, D); curvature: of Cauchy's weights."""

    scores: np.ndarray
    own: np.ndarray
    information: np.ndarray
    curvature: float

    def left_out(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the names (G,) of groups (N,), and how much the estimate (G, D) would change
        without each.
        """
        names, member = np.unique(groups, return_inverse=True)
        to_group = np.zeros((len(names), len(groups)))
        to_group[member.ravel(), np.arange(len(groups))] = 1.0
        own = (to_group @ self.own.reshape(len(groups), -1)).reshape(-1, *self.information.shape)
        return names, replace(self, scores=to_group @ self.scores, own=own).changes()

    def changes(self) -> np.ndarray:
        """Give how much the estimate (N, D) would change without each.

        What an estimate leans on has small residuals because of that; leaving it out tells (the
        jackknife; HC3 of MacKinnon and White 1985), to first order: (information - own)^-1 score.
        """
        least = 1e-9 + 1e-12 * np.trace(self.information)  # a source may decide something alone
        rest = self.information - _MOST_LEVERAGE * self.own + least * np.eye(len(self.information))
        return np.linalg.solve(rest, self.scores[..., None])[..., 0] / self.curvature


def adjoint(target_T_source: np.ndarray) -> np.ndarray:
    """Give the (6, 6) matrix that carries twists (translation, rotation) of source into target.

    >>> T = np.eye(4)
    >>> T[0, 3] = 2.0
    >>> (adjoint(T) @ [0, 0, 0, 0, 0, 1.0]).tolist()
    [0.0, -2.0, 0.0, 0.0, 0.0, 1.0]
    """
    R = target_T_source[:3, :3]
    out = np.zeros((6, 6))
    out[:3, :3] = out[3:, 3:] = R
    out[:3, 3:] = hat(target_T_source[:3, 3]) @ R
    return out


def last_step(adjusted: Adjusted, ids: np.ndarray) -> tuple[np.ndarray, Influence]:
    """Give the covariance (6, 6) of the motion between the last two frames, and the influence of
    each landmark on it.

    The covariance holds if the sigmas are true, all else marginalised; the influences hold whatever
    the noise is (the sandwich of Huber 1967 and White 1980, a landmark with all its measurements
    being one source). ids (L,).
    """
    inverse_of_free = adjusted.covariance
    J = np.zeros((6, len(inverse_of_free)))
    J[:, -7:-1] = np.eye(6)
    if len(adjusted.poses) > 2:
        J[:, -13:-7] = -adjoint(inverse(adjusted.poses[-1]) @ adjusted.poses[-2])
    groups, scores, own = adjusted.of_groups(ids)
    moved = Pull(scores, own, adjusted.information, adjusted.curvature).changes()
    return J @ inverse_of_free @ J.T, Influence(groups, -moved @ J.T)


def blended(influence: Influence, model: np.ndarray) -> tuple[np.ndarray, Influence]:
    """Share the belief between what the residuals say and the covariance (6, 6) that the sigmas
    say.

    A covariance out of few groups is itself uncertain, and its inverse more so (Hotelling 1931):
    where its shape is what chance makes of the model's in so few groups, it is the model's, while
    its size stays (the shrinkage of Chen et al. 2010, OAS, in the metric of the model). The
    influences are stretched until they give that covariance; what fewer than six sources cannot
    give is of none. Returns that part (6, 6), and the influences.
    """
    if not np.isfinite(model).all() or not len(influence.sources):
        return model, influence
    root = np.linalg.cholesky(model)
    values = np.linalg.solve(root, influence.values.T).T
    size, dims = (values**2).sum(1), len(model)
    count = size.sum() ** 2 / max((size**2).sum(), 1e-12)
    found, axes = np.linalg.eigh(values.T @ values)
    total, squares = found.sum(), (found**2).sum()
    spread = (count + 1 - 2 / dims) * (squares - total**2 / dims)
    share = min(1.0, ((1 - 2 / dims) * squares + total**2) / max(spread, 1e-12))
    least = max(total / dims, _LEAST_SIZE)
    wanted = (1 - share) * found + share * least
    by = np.where(
        found > _LEAST_FOUND * least, np.sqrt(wanted / np.maximum(found, _LEAST_FOUND * least)), 0.0
    )
    rest = (root @ axes * np.where(by > 0, 0.0, wanted)) @ (root @ axes).T
    return rest, Influence(influence.sources, values @ (axes * by) @ axes.T @ root.T)


def learned_bias(
    adjusted: Adjusted, prior: tuple[float, float], least_sigma: float
) -> tuple[float, float]:
    """Give (value, sigma) of the bias of inverse depth after a window.

    Windows overlap: each measurement is met once a frame of the window, so only that share of what
    it says counts.
    """
    if prior[1] <= 0:
        return prior
    variance = float(adjusted.covariance[-1, -1]) * prior[1] ** 2
    variance = min(variance, prior[1] ** 2)
    known, share = prior[1] ** -2, 1 / (len(adjusted.poses) - 1)
    news = (adjusted.bias / variance - prior[0] * known) * share
    information = known + (1 / variance - known) * share
    return (prior[0] * known + news) / information, max(information**-0.5, least_sigma)
