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
from depth_ros.core.lie import se3_log

from .inverse_depth import (
    adjoints,
    bearings,
    exps,
    hats,
    motion_jacobian,
    move,
    observe,
    source_jacobian,
    whitened,
)

_CAUCHY = 2.0  # standard deviations at which a measurement's weight has halved
_DAMPING = 1e-6


@dataclass(frozen=True, eq=False)
class Bundle:
    """What was seen: seen (L, K, 3) measurements of L landmarks in K frames, NaN where not seen;
    sigma (L, K, 3), inf for a part that was not measured (inverse depth without depth). anchor
    (L,): the frame of each landmark's ray. motions: what else is known of the motion from one frame
    to the next, as an IMU knows it, K - 1 of (prev_T_curr (4, 4), the information (6, 6) of its
    right perturbation) or None; empty where nothing is."""

    seen: np.ndarray
    sigma: np.ndarray
    anchor: np.ndarray
    motions: Sequence[tuple[np.ndarray, np.ndarray] | None] = ()


@dataclass(frozen=True, eq=False)
class Adjusted:
    """The result: origin_T_camera (K, 4, 4), landmarks (L, 3) as (u, v, inverse depth) in their
    anchors.

    information (D, D), D = 6K - 5: of all poses but the first, about their right perturbations
    (translation, rotation), and of the bias in units of its prior sigma. bias in 1/m. weight (L, K)
    in 0..1, 0 where not seen; chi2 (L, K), the squared residuals in standard deviations. rows (L,
    M, D + 1): the whitened Jacobians of each landmark by these, and last its residuals; taken (L,
    3, D + 1): what knowing the landmarks themselves takes away from that, in squares. curvature:
    the share of the information that is left when weights change with the residuals."""

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
        """Give the names (G,) of groups (L,) of landmarks, their pulls (G, D) on poses and bias,
        which add up to nothing, and what of the information is of each (G, D, D)."""
        order = np.argsort(groups, kind="stable")
        names, first = np.unique(groups[order], return_index=True)
        width, bounds = self.rows.shape[-1], [*first, len(order)]
        rows, taken = self.rows[order], self.taken[order]
        products = np.empty((len(names), width, width))
        for i, (a, b) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            seen, known = rows[a:b].reshape(-1, width), taken[a:b].reshape(-1, width)
            products[i] = seen.T @ seen - known.T @ known
        return names, products[:, :-1, -1], products[:, :-1, :-1]


def adjust(
    bundle: Bundle, poses, landmarks, camera: Camera, bias=(0.0, 0.0), rounds: int = 6
) -> Adjusted:
    """Minimise the robust reprojection error over poses, landmarks and the bias of inverse depth,
    the first pose held.

    poses: (K, 4, 4) origin_T_camera, where to begin. landmarks: (L, 3) (u, v, inverse depth) in
    their anchors, where to begin. bias: (value, sigma) in 1/m, what is known of how much too small
    every inverse depth was measured; sigma 0: it is as it is. A wrongly rectified pair has such a
    bias, and near and far points together reveal it.
    """
    value, damping, problem = bias[0], _DAMPING, _Problem(bundle, camera, bias)
    state = _linearise(problem, poses, landmarks, value)
    for _ in range(rounds):
        step, points, shift = _solve(state, damping, bias[1])
        new_poses, new_landmarks = poses @ exps(step), landmarks + points
        new_state = _linearise(problem, new_poses, new_landmarks, value + shift)
        if new_state.cost > state.cost:
            damping = max(damping, 1e-4) * 10
            if damping > 1e3:
                break
            continue
        done = state.cost - new_state.cost < 1e-4 * state.cost
        poses, landmarks, state, damping, value = (
            new_poses,
            new_landmarks,
            new_state,
            damping * 0.1,
            value + shift,
        )
        if done:
            break
    information, _, taken, _ = _reduced(state, 0.0)
    weight, chi2 = np.zeros(bundle.seen.shape[:2]), np.full(bundle.seen.shape[:2], np.nan)
    weight[problem.row, problem.frame], chi2[problem.row, problem.frame] = state.weight, state.chi2
    kept = curvature(state.weight, state.chi2, (problem.scale > 0).sum(1), _CAUCHY)
    return Adjusted(
        poses, landmarks, information, weight, chi2, state.cost, value, state.rows, taken, kept
    )


def curvature(weight: np.ndarray, chi2: np.ndarray, parts: np.ndarray, scale: float) -> float:
    """Give the share of the weighted information that is left when weights change with the
    residuals (Huber 1967).

    weight, chi2, parts: of each measurement, Cauchy's weight at this scale, its squared residual
    and its dimensions.
    """
    expected = (parts * weight).sum()
    return float(1 - 2 * (weight**2 * chi2).sum() / scale**2 / expected) if expected > 0 else 1.0


class _Problem:
    """What stays the same from round to round, one entry for each of N measurements: its landmark
    and frame, the frame of the landmark's ray, its place among those of its landmark; seen (N, 3),
    and scale (N, 3), one over sigma."""

    def __init__(self, bundle: Bundle, camera: Camera, bias: tuple[float, float]):
        self.camera, self.bias = camera, bias
        self.motions = [(k, *known) for k, known in enumerate(bundle.motions) if known is not None]
        self.row, self.frame = np.nonzero(np.isfinite(bundle.seen[..., 0]))
        self.anchor = bundle.anchor[self.row]
        slot = (
            np.arange(len(self.row))
            - np.searchsorted(self.row, np.arange(len(bundle.seen)))[self.row]
        )
        self.most = int(slot.max(initial=0)) + 1
        self.place = self.row * self.most + slot
        self.seen = np.nan_to_num(bundle.seen[self.row, self.frame])
        self.scale = 1 / bundle.sigma[self.row, self.frame]
        self.elsewhere = np.flatnonzero(
            self.frame != self.anchor
        )  # a ray in its own frame knows no pose
        self.from_free = self.elsewhere[self.anchor[self.elsewhere] > 0]


@dataclass(frozen=True, eq=False)
class _Linear:
    """rows (L, M, D + 1), as in Adjusted; by_landmark (L, M, 3): Jacobians by (u, v, inverse
    depth). weight, chi2 (N,). known (B, D + 1): the rows of what is known besides the landmarks."""

    rows: np.ndarray
    by_landmark: np.ndarray
    weight: np.ndarray
    chi2: np.ndarray
    cost: float
    known: np.ndarray


def _linearise(problem: _Problem, poses, landmarks, bias: float) -> _Linear:
    """Whitened and weighted residuals and their Jacobians, padded with rows of 0 where a
    landmark was seen less.
    """
    of, camera, (L, K) = problem, problem.camera, (len(landmarks), len(poses))
    target_T_source = np.linalg.inv(poses)[:, None] @ poses
    between = (
        target_T_source.reshape(-1, 16).T.take(of.frame * K + of.anchor, axis=1).reshape(4, 4, -1)
    )
    between, inv = (
        between.transpose(2, 0, 1),
        landmarks[of.row, 2],
    )  # component by component in memory
    moved = move(between, bearings(landmarks[of.row, :2], camera), inv)
    residual = of.seen - observe(moved, inv, camera)
    residual[:, 2] += bias
    residual *= of.scale
    chi2 = np.einsum("ni,ni->n", residual, residual)
    weight = np.where(moved[:, 2] > 1e-2, 1 / (1 + chi2 / _CAUCHY**2), 0.0)
    root = np.sqrt(weight)[:, None]
    scale = of.scale * root
    rows, by_landmark = np.zeros((L * of.most, 3, 6 * K + 2)), np.zeros((L * of.most, 3, 3))
    blocks = rows[..., : 6 * K].reshape(len(rows), 3, K, 6)  # a view
    # right perturbations: the camera's is minus a left one of camera_T_anchor, the anchor's comes
    # over by the adjoint
    by_motion = motion_jacobian(moved, inv, camera) * scale[..., None]
    at, frame = of.elsewhere, of.frame[of.elsewhere]
    blocks[of.place[at], :, frame] = -by_motion[at]
    at, frame, anchor = of.from_free, of.frame[of.from_free], of.anchor[of.from_free]
    blocks[of.place[at], :, anchor] = by_motion[at] @ adjoints(target_T_source)[frame, anchor]
    rows[of.place, 2, -2] = -scale[:, 2] * of.bias[1]  # the bias counts in units of its sigma
    rows[of.place, :, -1] = residual * root
    by_landmark[of.place] = source_jacobian(between, moved, inv, camera) * scale[..., None]
    known = _known(of, target_T_source, bias)[:, 6:]
    cost = _CAUCHY**2 * float(np.log1p(chi2 / _CAUCHY**2).sum()) + float(
        known[:, -1] @ known[:, -1]
    )
    free = rows.reshape(-1, 6 * K + 2)[:, 6:]  # the first pose stays
    return _Linear(
        free.reshape(L, -1, free.shape[1]), by_landmark.reshape(L, -1, 3), weight, chi2, cost, known
    )


def _known(problem: _Problem, target_T_source: np.ndarray, bias: float) -> np.ndarray:
    """Rows (1 + 6 B, 6K + 2) like those of landmarks: of what was known of the bias, and of B
    motions.
    """
    motions, sigma = problem.motions, problem.bias[1]
    rows = np.zeros((1 + 6 * len(motions), 6 * len(target_T_source) + 2))
    rows[0, -2:] = 1.0, (problem.bias[0] - bias) / sigma if sigma else 0.0
    for i, (k, prev_T_curr, information) in enumerate(motions):
        off = se3_log(np.linalg.solve(prev_T_curr, target_T_source[k, k + 1]))
        root, part = np.linalg.cholesky(information).T, rows[1 + 6 * i : 7 + 6 * i]
        by_next = root @ _inverse_right_jacobian(off)
        part[:, 6 * k : 6 * k + 6] = -by_next @ adjoints(target_T_source[k + 1, k])
        part[:, 6 * k + 6 : 6 * k + 12], part[:, -1] = by_next, -root @ off
    return rows


def _inverse_right_jacobian(twist: np.ndarray) -> np.ndarray:
    """Differentiate log(exp(twist) exp(xi)) by xi at 0, (6, 6), to second order in the twist,
    which is small here.
    """
    small = np.zeros((6, 6))
    small[:3, :3] = small[3:, 3:] = hats(twist[3:])
    small[:3, 3:] = hats(twist[:3])
    return np.eye(6) + small / 2 + small @ small / 12


def _reduced(state: _Linear, damping: float):
    """The Schur complement (D, D), its right side (D,), and of the landmarks with information C C^T
    each: what they take, C^-1 by_landmark^T rows (L, 3, D + 1), and C^-1 (L, 3, 3)."""
    transposed = state.by_landmark.transpose(0, 2, 1)
    V = transposed @ state.by_landmark
    V[:, range(3), range(3)] *= 1 + damping + 1e-9
    V[:, range(3), range(3)] += 1e-12
    width = state.rows.shape[-1]
    right = np.concatenate([transposed @ state.rows, np.broadcast_to(np.eye(3), V.shape)], -1)
    taken, C_inverse = np.split(whitened(V, right), [width], axis=-1)
    rows, flat = state.rows.reshape(-1, width), taken.reshape(-1, width)
    H = rows.T @ rows - flat.T @ flat + state.known.T @ state.known
    return H[:-1, :-1], H[:-1, -1], taken, C_inverse


def _solve(
    state: _Linear, damping: float, bias_sigma: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The steps of the poses (K, 6), the first of which stays, of the landmarks (L, 3) and of
    the bias.
    """
    S, b, taken, C_inverse = _reduced(state, damping)
    step = np.linalg.solve(S + np.diag(damping * np.diag(S) + 1e-9), b)
    points = C_inverse.transpose(0, 2, 1) @ (taken[..., -1] - taken[..., :-1] @ step)[..., None]
    return (
        np.concatenate([np.zeros(6), step[:-1]]).reshape(-1, 6),
        points[..., 0],
        step[-1] * bias_sigma,
    )
