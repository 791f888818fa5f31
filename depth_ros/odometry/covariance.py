"""What the adjustment leaves open: the covariance of the last step, and what was learned about
the rig.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depth_ros.core.lie import hat, inverse, so3_log

from .bundle_adjustment import Adjusted
from .error_sources import Influence

_LEAST_FOUND = 1e-6  # of the size: below, a direction in which no source moved anything
# Of the noise, as variance: residuals that are smaller than any tracker's are luck.
_LEAST_SIZE = 0.25
# A step of so many standard deviations was seen, and so was a turn of so many radians.
_MOVED_SIGMAS = 3
_TURNED_RAD = 1e-3
_MOST_LEVERAGE = 0.98  # a source that decides alone has no residual at all


@dataclass(frozen=True, eq=False)
class Pull:
    """What N points do to an estimate of D numbers.

    Attributes:
        scores: (N, D) the gradient of each point's residuals; they add up to nothing.
        own: (N, D, D) the share of each in the information.
        information: (D, D).
        curvature: the share of it that is left when Cauchy's weights change with the residuals.
    """

    scores: np.ndarray
    own: np.ndarray
    information: np.ndarray
    curvature: float

    def left_out(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how much the estimate would change without each group of points.

        Args:
            groups: (N,) int64, the name of each point's group.

        Returns:
            The names (G,), and the changes (G, D).
        """
        names, member = np.unique(groups, return_inverse=True)
        to_group = np.zeros((len(names), len(groups)))
        to_group[member.ravel(), np.arange(len(groups))] = 1.0
        own = (to_group @ self.own.reshape(len(groups), -1)).reshape(-1, *self.information.shape)
        return names, replace(self, scores=to_group @ self.scores, own=own).changes()

    def changes(self) -> np.ndarray:
        """Return how much the estimate would change without each point, (N, D).

        What an estimate leans on has small residuals because of that; leaving it out shows how much
        (the jackknife; HC3 of MacKinnon and White 1985), to first order: (information - own)^-1
        score.
        """
        least = 1e-9 + 1e-12 * np.trace(self.information)  # a source may decide something alone
        rest = self.information - _MOST_LEVERAGE * self.own + least * np.eye(len(self.information))
        return np.linalg.solve(rest, self.scores[..., None])[..., 0] / self.curvature


def adjoint(target_T_source: np.ndarray) -> np.ndarray:
    """Return the (6, 6) matrix that carries twists (translation, rotation) of source into target.

    >>> T = np.eye(4)
    >>> T[0, 3] = 2.0
    >>> (adjoint(T) @ [0, 0, 0, 0, 0, 1.0]).tolist()
    [0.0, -2.0, 0.0, 0.0, 0.0, 1.0]
    """
    R = target_T_source[:3, :3]
    out = np.zeros((6, 6))
    out[:3, :3] = R
    out[3:, 3:] = R
    out[:3, 3:] = hat(target_T_source[:3, 3]) @ R
    return out


def last_step(adjusted: Adjusted, ids: np.ndarray) -> tuple[np.ndarray, Influence]:
    """Return what is known of the motion between the last two frames.

    The covariance holds if the sigmas are true, all else marginalised; the influences hold whatever
    the noise is (the sandwich of Huber 1967 and White 1980, a landmark with all its measurements
    being one source).

    Args:
        adjusted: a bundle of two frames or more.
        ids: (L,) int64, the group of each landmark.

    Returns:
        The covariance (6, 6) of its right perturbation, and the influence of each group on it.
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
    """Shrink the covariance that the residuals show towards the one that the sigmas imply.

    A covariance out of few groups is itself uncertain, and its inverse more so (Hotelling 1931):
    where its shape is what chance makes of the model's in so few groups, it is the model's, while
    its size stays (the shrinkage of Chen et al. 2010, OAS, in the metric of the model). The
    influences are stretched until they have that covariance; what fewer than six sources cannot
    have is of none.

    Args:
        influence: what each group did to the estimate.
        model: (6, 6) the covariance if the sigmas are true.

    Returns:
        The part (6, 6) that is of no source, and the influences.
    """
    if not np.isfinite(model).all() or not len(influence.sources):
        return model, influence
    dims = len(model)
    # 1. in the metric of the model, where it is the identity
    root = np.linalg.cholesky(model)
    values = np.linalg.solve(root, influence.values.T).T
    # 2. how many groups count: (sum of sizes)^2 / sum of their squares
    size = (values**2).sum(1)
    count = size.sum() ** 2 / max((size**2).sum(), 1e-12)
    # 3. the share of the identity (Chen et al. 2010, eq. 23)
    found, axes = np.linalg.eigh(values.T @ values)
    total = found.sum()
    squares = (found**2).sum()
    spread = (count + 1 - 2 / dims) * (squares - total**2 / dims)
    share = min(1.0, ((1 - 2 / dims) * squares + total**2) / max(spread, 1e-12))
    least = max(total / dims, _LEAST_SIZE)
    wanted = (1 - share) * found + share * least
    # 4. stretch the influences along each axis; an axis in which nothing moved is of no source
    smallest = _LEAST_FOUND * least
    stretch = np.sqrt(wanted / np.maximum(found, smallest))
    stretch = np.where(found > smallest, stretch, 0.0)
    axes_in_model = root @ axes
    rest = (axes_in_model * np.where(stretch > 0, 0.0, wanted)) @ axes_in_model.T
    return rest, Influence(influence.sources, values @ (axes * stretch) @ axes.T @ root.T)


def learned_bias(
    adjusted: Adjusted, prior: tuple[float, float], least_sigma: float
) -> tuple[float, float]:
    """Update what is known of the bias of inverse depth by a window.

    Windows overlap: each measurement is met once a frame of the window, so only that share of the
    information that it adds counts.

    Args:
        adjusted: the window.
        prior: (value, sigma) before it, 1/m; sigma 0: nothing is to be learned.
        least_sigma: 1/m, no bias is known better.

    Returns:
        (value, sigma) after it, 1/m.
    """
    value, sigma = prior
    if sigma <= 0:
        return prior
    variance = min(float(adjusted.covariance[-1, -1]), 1.0) * sigma**2
    known = sigma**-2
    share = 1 / (len(adjusted.poses) - 1)
    added = (adjusted.bias / variance - value * known) * share
    information = known + (1 / variance - known) * share
    return (value * known + added) / information, max(information**-0.5, least_sigma)


def motion_model(prev_T_curr: np.ndarray, covariance: np.ndarray) -> str:
    """Return "rotation" where a turn was seen and no translation, else "points".

    Args:
        prev_T_curr: (4, 4) metres.
        covariance: (6, 6) of its right perturbation.
    """
    sigma_m = np.sqrt(np.trace(covariance[:3, :3]))
    has_moved = np.linalg.norm(prev_T_curr[:3, 3]) > _MOVED_SIGMAS * sigma_m
    has_turned = np.linalg.norm(so3_log(prev_T_curr[:3, :3])) > _TURNED_RAD
    return "rotation" if has_turned and not has_moved else "points"
