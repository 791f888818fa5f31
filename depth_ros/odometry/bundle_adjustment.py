"""Bundle adjustment of a few frames: all at once in arrays, the landmarks eliminated.

Landmarks are (ray, inverse depth) in the frame that saw them first (Civera et al. 2008); each is
eliminated by the Schur complement (Triggs et al. 2000, section 6.1), and outliers lose weight by
Cauchy's function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from depth_ros.core.camera import Camera

from .inverse_depth import exps, whitened
from .linearisation import CAUCHY, Linear, Problem, linearise

_DAMPING = 1e-6
_RAISED_DAMPING = 1e-4  # at least, after a round that made it worse
_MOST_DAMPING = 1e3
_CONVERGED = 1e-4  # relative: a round that gains less is the last


@dataclass(frozen=True, eq=False)
class Bundle:
    """What was seen of L landmarks in K frames.

    Attributes:
        seen: (L, K, 3) u, v in pixels and inverse depth in 1/m, NaN where not seen.
        sigma: (L, K, 3), inf for a part that was not measured (inverse depth without depth).
        anchor: (L,) the frame of each landmark's ray.
        motions: what else is known of the motion from one frame to the next, as an IMU knows it,
            K - 1 of (prev_T_curr (4, 4), the information (6, 6) of its right perturbation) or
            None; empty where nothing is.
    """

    seen: np.ndarray
    sigma: np.ndarray
    anchor: np.ndarray
    motions: Sequence[tuple[np.ndarray, np.ndarray] | None] = ()


@dataclass(frozen=True, eq=False)
class Adjusted:
    """The result of an adjustment of L landmarks in K frames; D = 6K - 5.

    Attributes:
        poses: (K, 4, 4) origin_T_camera.
        landmarks: (L, 3) as (u, v, inverse depth) in their anchors.
        information: (D, D) of all poses but the first, about their right perturbations
            (translation, rotation), and of the bias in units of its prior sigma.
        weight: (L, K) in 0..1, 0 where not seen.
        chi2: (L, K) squared residuals in standard deviations, NaN where not seen.
        cost: what was minimised.
        bias: of inverse depth, 1/m.
        rows: (L, M, D + 1) the whitened Jacobians of each landmark by poses and bias, and last its
            residuals.
        taken: (L, 3, D + 1) what knowing the landmarks themselves takes away from that, in squares.
        curvature: the share of the information that is left when weights change with the
            residuals.
    """

    poses: np.ndarray
    landmarks: np.ndarray
    information: np.ndarray
    weight: np.ndarray
    chi2: np.ndarray
    cost: float
    bias: float
    rows: np.ndarray
    taken: np.ndarray
    curvature: float

    @cached_property
    def covariance(self) -> np.ndarray:
        """The inverse (D, D) of the information."""
        return np.linalg.pinv(self.information, hermitian=True)

    def of_groups(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Add up the landmarks of each group.

        Args:
            groups: (L,) the name of each landmark's group.

        Returns:
            The names (G,); the pulls (G, D) of the groups on poses and bias, which add up to
            nothing; and what of the information is of each (G, D, D).
        """
        order = np.argsort(groups, kind="stable")
        names, first = np.unique(groups[order], return_index=True)
        bounds = [*first, len(order)]
        rows = self.rows[order]
        taken = self.taken[order]
        width = rows.shape[-1]
        products = np.empty((len(names), width, width))
        for i in range(len(names)):
            members = slice(bounds[i], bounds[i + 1])
            seen = rows[members].reshape(-1, width)
            known = taken[members].reshape(-1, width)
            products[i] = seen.T @ seen - known.T @ known
        return names, products[:, :-1, -1], products[:, :-1, :-1]


def adjust(
    bundle: Bundle,
    poses: np.ndarray,
    landmarks: np.ndarray,
    camera: Camera,
    bias: tuple[float, float] = (0.0, 0.0),
    rounds: int = 6,
) -> Adjusted:
    """Minimise the robust reprojection error over poses, landmarks and the bias of inverse depth,
    the first pose held (Levenberg 1944, Marquardt 1963).

    Args:
        bundle: what was seen.
        poses: (K, 4, 4) origin_T_camera, where to begin.
        landmarks: (L, 3) (u, v, inverse depth) in their anchors, where to begin.
        camera: of all frames.
        bias: (value, sigma) in 1/m, what is known of how much too small every inverse depth was
            measured; sigma 0: it is as it is. A wrongly rectified pair has such a bias, and near
            and far points together reveal it.
        rounds: at most.
    """
    problem = Problem(bundle, camera, bias)
    value = bias[0]
    damping = _DAMPING
    state = linearise(problem, poses, landmarks, value)
    for _ in range(rounds):
        # 1. the step of all unknowns
        step, points, shift = _solve(state, damping, bias[1])
        new_poses = poses @ exps(step)
        new_landmarks = landmarks + points
        new_state = linearise(problem, new_poses, new_landmarks, value + shift)
        # 2. a step that makes it worse is tried again, shorter
        if new_state.cost > state.cost:
            damping = max(damping, _RAISED_DAMPING) * 10
            if damping > _MOST_DAMPING:
                break
            continue
        # 3. take it
        has_converged = state.cost - new_state.cost < _CONVERGED * state.cost
        poses = new_poses
        landmarks = new_landmarks
        value = value + shift
        state = new_state
        damping *= 0.1
        if has_converged:
            break
    return _to_adjusted(bundle, problem, poses, landmarks, value, state)


def _to_adjusted(
    bundle: Bundle, problem: Problem, poses, landmarks, bias: float, state: Linear
) -> Adjusted:
    """The result of the last round."""
    information, _, taken, _ = _reduced(state, 0.0)
    weight = np.zeros(bundle.seen.shape[:2])
    weight[problem.row, problem.frame] = state.weight
    chi2 = np.full(bundle.seen.shape[:2], np.nan)
    chi2[problem.row, problem.frame] = state.chi2
    kept = curvature(state.weight, state.chi2, (problem.scale > 0).sum(1), CAUCHY)
    return Adjusted(
        poses, landmarks, information, weight, chi2, state.cost, bias, state.rows, taken, kept
    )


def curvature(weight: np.ndarray, chi2: np.ndarray, parts: np.ndarray, scale: float) -> float:
    """Return the share of the weighted information that is left when weights change with the
    residuals (Huber 1967).

    Args:
        weight: (N,) of each measurement, Cauchy's at this scale.
        chi2: (N,) its squared residual.
        parts: (N,) its dimensions.
        scale: of Cauchy's function, standard deviations.
    """
    expected = (parts * weight).sum()
    if expected <= 0:
        return 1.0
    return float(1 - 2 * (weight**2 * chi2).sum() / scale**2 / expected)


def _reduced(
    state: Linear, damping: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The Schur complement (D, D), its right side (D,), and of the landmarks with information C C^T
    each: what they take, C^-1 by_landmark^T rows (L, 3, D + 1), and C^-1 (L, 3, 3).
    """
    # V = by_landmark^T by_landmark = C C^T, damped
    transposed = state.by_landmark.transpose(0, 2, 1)
    V = transposed @ state.by_landmark
    V[:, range(3), range(3)] *= 1 + damping + 1e-9
    V[:, range(3), range(3)] += 1e-12
    # C^-1 (W^T | I) in one go
    width = state.rows.shape[-1]
    right = np.concatenate([transposed @ state.rows, np.broadcast_to(np.eye(3), V.shape)], -1)
    taken, C_inverse = np.split(whitened(V, right), [width], axis=-1)
    # S = U - W V^-1 W^T, with what is known besides
    rows = state.rows.reshape(-1, width)
    flat = taken.reshape(-1, width)
    H = rows.T @ rows - flat.T @ flat + state.known.T @ state.known
    return H[:-1, :-1], H[:-1, -1], taken, C_inverse


def _solve(
    state: Linear, damping: float, bias_sigma: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The steps of the poses (K, 6), the first of which stays, of the landmarks (L, 3) and of
    the bias.
    """
    S, b, taken, C_inverse = _reduced(state, damping)
    step = np.linalg.solve(S + np.diag(damping * np.diag(S) + 1e-9), b)
    # back substitution: C^-T (C^-1 r - C^-1 W^T step)
    rest = (taken[..., -1] - taken[..., :-1] @ step)[..., None]
    points = (C_inverse.transpose(0, 2, 1) @ rest)[..., 0]
    poses = np.concatenate([np.zeros(6), step[:-1]]).reshape(-1, 6)
    return poses, points, step[-1] * bias_sigma
