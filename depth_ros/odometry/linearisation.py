"""The residuals of a bundle and their Jacobians, as rows of one linear least squares problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import se3_log

from .inverse_depth import (
    adjoints,
    bearings,
    hats,
    motion_jacobian,
    move,
    observe,
    source_jacobian,
)

if TYPE_CHECKING:
    from .bundle_adjustment import Bundle

CAUCHY = 2.0  # standard deviations at which a measurement's weight has halved
_LEAST_DEPTH = 1e-2  # of a moved point relative to its depth: nearer, or behind, it has no weight


class Problem:
    """What stays the same from round to round, one entry for each of N measurements.

    Args:
        bundle: what was seen.
        camera: of all frames.
        bias: (value, sigma) of inverse depth, 1/m.

    Attributes:
        row: (N,) its landmark.
        frame: (N,) its frame.
        anchor: (N,) the frame of the landmark's ray.
        most: measurements of a landmark at most.
        place: (N,) its row among `most` of each landmark.
        seen: (N, 3).
        scale: (N, 3) one over sigma.
        elsewhere: those that are not in the anchor: a ray in its own frame knows no pose.
        from_free: those of them whose anchor is not the first frame, which is held.
        motions: (k, prev_T_curr, information) of what is known besides.
    """

    def __init__(self, bundle: Bundle, camera: Camera, bias: tuple[float, float]):
        self.camera = camera
        self.bias = bias
        self.motions = []
        for k, known in enumerate(bundle.motions):
            if known is not None:
                self.motions.append((k, *known))
        self.row, self.frame = np.nonzero(np.isfinite(bundle.seen[..., 0]))
        self.anchor = bundle.anchor[self.row]
        first = np.searchsorted(self.row, np.arange(len(bundle.seen)))
        slot = np.arange(len(self.row)) - first[self.row]
        self.most = int(slot.max(initial=0)) + 1
        self.place = self.row * self.most + slot
        self.seen = np.nan_to_num(bundle.seen[self.row, self.frame])
        self.scale = 1 / bundle.sigma[self.row, self.frame]
        self.elsewhere = np.flatnonzero(self.frame != self.anchor)
        self.from_free = self.elsewhere[self.anchor[self.elsewhere] > 0]


@dataclass(frozen=True, eq=False)
class Linear:
    """A linearised bundle of L landmarks.

    Attributes:
        rows: (L, M, D + 1) whitened and weighted Jacobians by the free poses and the bias, and last
            the residuals, padded with rows of 0 where a landmark was seen less.
        by_landmark: (L, M, 3) Jacobians by (u, v, inverse depth) of the landmark.
        weight: (N,) of each measurement.
        chi2: (N,) squared residuals in standard deviations.
        cost: the robust one.
        known: (B, D + 1) the rows of what is known besides the landmarks.
    """

    rows: np.ndarray
    by_landmark: np.ndarray
    weight: np.ndarray
    chi2: np.ndarray
    cost: float
    known: np.ndarray


def linearise(problem: Problem, poses: np.ndarray, landmarks: np.ndarray, bias: float) -> Linear:
    """Linearise the residuals of a bundle.

    Args:
        problem: the measurements.
        poses: (K, 4, 4) origin_T_camera.
        landmarks: (L, 3) (u, v, inverse depth) in their anchors.
        bias: of inverse depth, 1/m.
    """
    camera = problem.camera
    L = len(landmarks)
    K = len(poses)
    # 1. predict each measurement from its landmark's anchor
    target_T_source = np.linalg.inv(poses)[:, None] @ poses
    between = _transforms_of(problem, target_T_source)
    inv = landmarks[problem.row, 2]
    moved = move(between, bearings(landmarks[problem.row, :2], camera), inv)
    residual = problem.seen - observe(moved, inv, camera)
    residual[:, 2] += bias
    residual *= problem.scale
    # 2. Cauchy's weights; their roots whiten residuals and Jacobians
    chi2 = np.einsum("ni,ni->n", residual, residual)
    weight = np.where(moved[:, 2] > _LEAST_DEPTH, 1 / (1 + chi2 / CAUCHY**2), 0.0)
    root = np.sqrt(weight)[:, None]
    scale = problem.scale * root
    # 3. Jacobians by the poses: right perturbations; the camera's is minus a left one of
    #    camera_T_anchor, the anchor's comes over by the adjoint
    rows = np.zeros((L * problem.most, 3, 6 * K + 2))
    blocks = rows[..., : 6 * K].reshape(len(rows), 3, K, 6)  # a view
    by_motion = motion_jacobian(moved, inv, camera) * scale[..., None]
    at = problem.elsewhere
    blocks[problem.place[at], :, problem.frame[at]] = -by_motion[at]
    at = problem.from_free
    frame = problem.frame[at]
    anchor = problem.anchor[at]
    by_anchor = by_motion[at] @ adjoints(target_T_source)[frame, anchor]
    blocks[problem.place[at], :, anchor] = by_anchor
    # 4. by the bias, which counts in units of its sigma; the residuals; by the landmarks
    rows[problem.place, 2, -2] = -scale[:, 2] * problem.bias[1]
    rows[problem.place, :, -1] = residual * root
    by_landmark = np.zeros((L * problem.most, 3, 3))
    by_source = source_jacobian(between, moved, inv, camera)
    by_landmark[problem.place] = by_source * scale[..., None]
    # 5. the cost, with what is known besides; the first pose stays
    known = known_rows(problem, target_T_source, bias)[:, 6:]
    off_known = known[:, -1]
    cost = CAUCHY**2 * float(np.log1p(chi2 / CAUCHY**2).sum()) + float(off_known @ off_known)
    free = rows.reshape(-1, 6 * K + 2)[:, 6:]
    return Linear(
        free.reshape(L, -1, free.shape[1]), by_landmark.reshape(L, -1, 3), weight, chi2, cost, known
    )


def _transforms_of(problem: Problem, target_T_source: np.ndarray) -> np.ndarray:
    """frame_T_anchor (N, 4, 4) of each measurement, component by component in memory."""
    K = len(target_T_source)
    pair = problem.frame * K + problem.anchor
    columns = target_T_source.reshape(-1, 16).T.take(pair, axis=1)
    return columns.reshape(4, 4, -1).transpose(2, 0, 1)


def known_rows(problem: Problem, target_T_source: np.ndarray, bias: float) -> np.ndarray:
    """Return rows like those of landmarks of what is known besides: the bias, and B motions.

    Args:
        problem: what is known.
        target_T_source: (K, K, 4, 4) between all poses.
        bias: of inverse depth, 1/m.

    Returns:
        (1 + 6 B, 6 K + 2): by all poses, by the bias, the residuals.
    """
    rows = np.zeros((1 + 6 * len(problem.motions), 6 * len(target_T_source) + 2))
    value, sigma = problem.bias
    rows[0, -2] = 1.0
    if sigma:
        rows[0, -1] = (value - bias) / sigma
    for i, (k, prev_T_curr, information) in enumerate(problem.motions):
        # residual L^T log(prev_T_curr^-1 k_T_next), where L L^T is the information
        off = se3_log(np.linalg.solve(prev_T_curr, target_T_source[k, k + 1]))
        root = np.linalg.cholesky(information).T
        by_next = root @ _inverse_right_jacobian(off)
        part = rows[1 + 6 * i : 7 + 6 * i]
        part[:, 6 * k : 6 * k + 6] = -by_next @ adjoints(target_T_source[k + 1, k])
        part[:, 6 * k + 6 : 6 * k + 12] = by_next
        part[:, -1] = -root @ off
    return rows


def _inverse_right_jacobian(twist: np.ndarray) -> np.ndarray:
    """Differentiate log(exp(twist) exp(xi)) by xi at 0, (6, 6), to second order in the twist,
    which is small here.
    """
    small = np.zeros((6, 6))
    small[:3, :3] = hats(twist[3:])
    small[3:, 3:] = hats(twist[3:])
    small[:3, 3:] = hats(twist[:3])
    return np.eye(6) + small / 2 + small @ small / 12
